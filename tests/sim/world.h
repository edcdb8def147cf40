/* world.h: where the rows of a simulated year come from, and what is true of them.
 *
 * A concept is three classes, each a cloud around a mean in the first four inputs; the last two say where one is. A
 * moment of the world (struct sky) is a concept, how far its first two inputs are turned, and whether two labels have
 * changed places; a row is drawn from a moment, and its truth is known whatever label it gets. Draws follow from the
 * generator given and from nothing else. */
#pragma once
#include <ewc/rng.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_INPUTS = 6, WORLD_CLASSES = 3, WORLD_CONCEPTS = 4, WORLD_MAX_PHASES = 12 };

struct phase { /* of a stream, until the next one's day */
        double day;
        double rows; /* a day; 0: silence */
        int concept;
        double turn;   /* radians a day, from the phase's beginning */
        bool swapped;  /* labels 0 and 1 have changed places */
        double noise;  /* share of labels that are wrong */
        double poison; /* share of rows from source "bad", which always says the next class */
        double delay;  /* days from a prediction to its label */
        int only;      /* 1 + the class that all rows are of; 0: any */
};

struct stream { /* phases ascending by day, the first at 0; ends with the first whose rows and day are 0 */
        struct phase phase[WORLD_MAX_PHASES];
};

struct sky {
        int concept;
        double angle;
        bool swapped;
        int only; /* as of a phase */
};

struct world {
        float mean[WORLD_CONCEPTS][WORLD_CLASSES][WORLD_INPUTS];
};

struct drawn {
        struct sky sky;
        float x[WORLD_INPUTS];
        int32_t truth, label;
        bool bad; /* from the poisoned source */
};

void world_init(struct world *w, uint64_t seed);
const struct phase *stream_at(const struct stream *s, double day);
struct sky phase_sky(const struct phase *p, double day);
void world_draw(const struct world *w, const struct sky *sky, struct ewc_rng *rng, struct drawn *ret); /* clean */
void world_label(const struct phase *p, struct ewc_rng *rng, struct drawn *d); /* as the phase spoils it */
