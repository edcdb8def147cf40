/* paths.h: where things are when nobody says: state directory, socket, learner. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct conf;
struct err;

enum { PATHS_MAX = 512 };

struct paths {
        char state[PATHS_MAX], database[PATHS_MAX], jobs[PATHS_MAX];
        char socket[PATHS_MAX]; /* "" for none */
        char learner[PATHS_MAX];
};

/* From the configuration, the environment ($STATE_DIRECTORY, $RUNTIME_DIRECTORY) and the place of the executable.
 * -EINVAL: the learner is nowhere; -ENAMETOOLONG. */
int paths_find(struct paths *ret, const struct conf *c, struct err *e);

bool paths_journal(void); /* stderr goes to the journal ($JOURNAL_STREAM names it) */
