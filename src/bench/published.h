/* published.h: the accuracies that papers print, by protocol, method and Fisher variant. Percent, as printed. */
#pragma once
#include "bench/bench.h"

struct buf;

enum published_source {
        SOURCE_VEN_SPLIT = 1,
        SOURCE_VEN_PERMUTED = 2,
        SOURCE_VEN_2019 = 3,
        SOURCE_VEN_2022 = 4,
        SOURCE_VEN_2025 = 5,
        SOURCE_HSU = 6,
        SOURCE_AVALANCHE = 7
};

struct published {
        const char *protocol;
        enum bench_method method;
        enum ewc_fisher fisher;  /* 0: the protocol's own; else this variant, */
        uint32_t fisher_samples; /* of so many rows; 0: all */
        double mean;
        double spread; /* behind the mean, of the source's own kind (published_sem); 0: none printed */
        enum published_source source;
        const char *differs; /* what the figure's setting has different from the protocol here, or NULL */
};

/* The figures that belong to a unit of these settings, the nearest setting first; NULL past the last. */
const struct published *published_at(const struct settings *s, size_t k);
/* The Fisher variants of "ewc" that were published for p; NULL past the last. */
const struct published *published_variant(const struct protocol *p, size_t k);

/* Standard error of the mean, percent points; NaN where none was printed. */
double published_sem(const struct published *f);

/* Who printed it; whether it was not read there but in later work (second-hand); what differs. */
enum { PUBLISHED_TEXT = 224 };
void published_source(const struct published *f, char ret[PUBLISHED_TEXT]);

/* "exact n=500": a Fisher and its rows. */
void published_fisher(enum ewc_fisher fisher, uint32_t samples, char ret[PUBLISHED_TEXT]);

/* Every figure of p in one line, with its remarks; nothing if there are none. */
void published_line(const struct protocol *p, struct buf *out);
