/* bench.h: what a protocol is, what one run of it is, and what comes out; the nouns of the room.
 *
 * A protocol is a row of a table (proto_*.c): data, cut into tasks, net, optimiser, schedule, strengths. Settings are
 * a protocol with one method, one seed and every choice made; a unit is the training that settings describe, from a
 * random start over all tasks. Units are independent of each other, so they can be kept, resumed and run beside each
 * other. */
#pragma once
#include "domain/learn_job.h"
#include <ewc/pack.h>

struct err;

enum { BENCH_MAX_TASKS = 32, BENCH_MAX_ANGLES = 8 };

enum bench_method {
        METHOD_NONE = 1,       /* plain training, task after task */
        METHOD_EWC = 2,        /* as the protocol merges */
        METHOD_ONLINE_EWC = 3, /* U <- gamma U + F */
        METHOD_SI = 4,
        METHOD_REPLAY = 5,
        METHOD_EWC_REPLAY = 6,
        METHOD_JOINT = 7, /* all tasks' rows at once: the ceiling */
        METHOD_MAS = 8,
        METHOD_LWF = 9,     /* distillation on the new task's rows */
        METHOD_HYBRID = 10, /* ewc, and lwf at half its weight or what the protocol knows */
        METHOD_DERPP = 11,  /* replay of labels and of the logits at each task's close; no penalty */
        METHOD_END
};
const char *method_name(enum bench_method m);
bool method_parse(const char *name, enum bench_method *ret); /* "plain", as the daemon says, is none */
bool method_has_penalty(enum bench_method m);
bool method_has_fisher(enum bench_method m);
bool method_has_replay(enum bench_method m);
double method_distill(enum bench_method m); /* weight of distillation, in units of lwf's; 0: none. Unless the
                                               protocol knows a better one */

struct data_files { /* names inside the data directory; both splits are image and label files in idx */
        const char *folder;
        const char *train_x, *train_y, *test_x, *test_y;
        uint32_t channels; /* innermost in a row; 0: not an image of channels, as 1 */
};

enum bench_active { /* outputs in the softmax of the loss, where the class scenario trains */
        ACTIVE_ALL = 1,
        ACTIVE_TASK = 2, /* those of the open task; what is measured, replayed or distilled keeps them all */
};

enum cut_kind { CUT_CLASSES = 1, CUT_PERMUTE = 2, CUT_ROTATE = 3 };

struct cut { /* how one dataset becomes tasks (cut.c) */
        enum cut_kind kind;
        uint32_t tasks;
        bool shuffle_classes;            /* CUT_CLASSES: class order drawn per seed, else as numbered */
        uint32_t pad;                    /* zero pixels added on every side of a square image */
        float mean, deviation;           /* of all pixels, padding included, made 0 and 1; deviation 0: left alone */
        float degrees[BENCH_MAX_ANGLES]; /* CUT_ROTATE: one a task */
};

struct strengths { /* lambda of this project (no 1/2) by what it multiplies; 0: none known, it must be given */
        double exact, exact_sampled, sample, empirical, batched, argmax;
        double online; /* online-ewc with the protocol's own Fisher; 0: as above */
        double si;
        double mas;            /* Omega from the squared norm of the logits */
        double beside_replay;  /* ewc-replay, whose rows protect as well: less is enough; 0: as without */
        double beside_distill; /* hybrid, whose teacher protects as well; the same */
};

struct protocol {
        const char *name, *id, *title;
        const char *family; /* what rows that differ in their scenario are called together, or NULL */
        enum scenario scenario;
        const struct data_files *data; /* NULL: from --data FILE, or a stream */
        struct cut cut;
        uint32_t n_conv, conv[2];     /* each: 3x3 convolution of so many channels, ReLU, maximum over 2x2 */
        uint32_t n_hidden, hidden[2]; /* dense, ReLU */
        struct ewc_optim optim;
        uint32_t batch, steps, epochs; /* of each task; steps 0: by epochs */
        bool keep_optim, drop_last;
        enum learn_form form;
        enum learn_scale scale;
        enum learn_merge_rule merge; /* of "ewc" */
        double merge_decay;          /* of merge, where it has one */
        double online_decay;         /* of "online-ewc" */
        enum ewc_fisher fisher;
        uint32_t fisher_samples;
        struct strengths lambda;
        double si_damping;
        double hybrid_distill; /* of hybrid, as method_distill; 0: that */
        uint32_t replay_per_class;
        bool stream; /* prequential, stream.c */
};

const struct protocol *protocol_find(const char *name); /* NULL if unknown */
/* The same by the family's name and a scenario, 0: the family's first. A protocol's own name finds that protocol. */
const struct protocol *protocol_choose(const char *name, enum scenario scenario);
const struct protocol *protocol_at(size_t i); /* NULL past the end */

struct settings { /* one unit, every choice made (settings.c) */
        const struct protocol *protocol;
        enum scenario scenario;
        enum bench_method method;
        enum ewc_fisher fisher;
        uint32_t fisher_samples;
        double fisher_percent; /* (0,100]: that share of the rows in place of fisher_samples; 0: not given */
        double damping;        /* 0: none */
        double distill;        /* of protocol and method, or what was asked for; in units of lwf's, 0: none */
        enum bench_active active;
        double lambda;
        bool lambda_auto;
        enum learn_start lambda_start; /* of a search */
        double brake;                  /* of a search, on rows held back from earlier tasks; 0: none */
        enum learn_form form;
        enum learn_scale scale;
        enum learn_merge_rule merge;
        double merge_decay;
        double huber, rate_new, rate_floor; /* 0: not given, as in struct learn_plan */
        enum ewc_pack_encoding encoding;    /* of a record between tasks; 0: as it is */
        double keep_percent;                /* of bitmap and csr, else 0 */
        uint32_t tasks, steps;              /* 0 steps: the protocol's own schedule */
        uint32_t rows;                      /* training rows a task at most; 0: all */
        uint64_t seed;
        uint32_t threads;
        uint64_t data_id; /* a digest of the data's shape and labels */
};

struct bench_try {     /* one lambda of a search */
        uint32_t task; /* 0-based */
        struct learn_try t;
};

struct unit_result {
        uint32_t tasks;
        double R[BENCH_MAX_TASKS][BENCH_MAX_TASKS]; /* after task i on task j, 0..1; NaN where not measured */
        double start[BENCH_MAX_TASKS];              /* at the random start */
        double anytime_mean, anytime_min;           /* mean accuracy over the tasks seen, at epoch ends; */
        double lambda;                              /* as trained (the last task's, when searched) */
        double factor, trace; /* geometric mean of the Fishers' factors, mean of their traces; NaN if none */
        double seconds, fisher_seconds;
        double record_bytes,
            packed_bytes;   /* of all stored Fishers as float32 and as they were kept; NaN if not packed */
        uint64_t test_rows; /* of all tasks */
        uint32_t n_tries;
        struct bench_try tries[BENCH_MAX_TASKS * LEARN_MAX_TRIES];
};
