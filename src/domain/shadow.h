/* shadow.h: challenger against champion on live rows neither was trained on. Pure.
 *
 * Paired: only rows that exactly one of the two answers rightly tell them apart. `won` are the challenger's, `lost`
 * the champion's. The p value reported is that of the exact two-sided sign test on won + lost (McNemar 1947, exact
 * form), so it is right at any number of rows.
 *
 * The question is put again while rows arrive, and a test of 5 % that is put a hundred times errs far more often. So
 * a verdict stands on shadow_sequential, which errs with probability 1 - confidence at most over all the times it is
 * asked, at the price of some more rows: 8 won and none lost at 0.95, 30 and 10. */
#pragma once
#include "domain/types.h"

struct shadow_score {
        uint64_t champion, challenger; /* version numbers; 0: nothing is compared */
        uint64_t parent;               /* of the challenger: the gate judged it against that one; 0: not known */
        uint64_t n;                    /* rows scored */
        uint64_t n_right_champion, n_right_challenger;
        uint64_t won, lost;
};

struct shadow_conf {
        uint64_t min_rows; /* before anything is decided */
        uint64_t max_rows; /* after which it is dropped without a difference; 0: never */
        double confidence; /* e.g. 0.95, over all the times the question is put */
};

enum shadow_outcome { SHADOW_WAIT = 0, SHADOW_PROMOTE = 1, SHADOW_DROP = 2 };

struct shadow_verdict {
        enum shadow_outcome outcome;
        double p; /* of the sign test; 1 without a differing row */
        char reason[REASON_SIZE];
};
/* A challenger that the gate judged against another version than the champion of now is dropped unseen. */
struct shadow_verdict shadow_judge(const struct shadow_score *s, const struct shadow_conf *c);
double shadow_sign_test(uint64_t won, uint64_t lost);
/* (n + 1) C(n, won) / 2^n, n = won + lost, at most 1: the inverse of the likelihood ratio of a uniform prior to 1/2,
 * a bound on p at whatever row one stops (Robbins 1970; Ville's inequality). */
double shadow_sequential(uint64_t won, uint64_t lost);
