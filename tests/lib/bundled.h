/* bundled.h: the digits that come with the source, read through src/data.
 *
 * The path comes from the environment variable EWCD_DIGITS, which meson sets. Failures abort: without its data a test
 * cannot say anything. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { DIGIT_PIXELS = 64, DIGIT_SIDE = 8 };

struct digits {
        size_t n;
        float (*x)[DIGIT_PIXELS]; /* (n) values 0..16, row-major */
        int *label;               /* (n) 0..9 */
};

/* Every fifth row is kept back by the tests as one the daemon never learns from. */
enum digit_side { DIGITS_SENT = 1, DIGITS_UNSEEN = 2, DIGITS_ALL = 3 };

const char *digits_path(void);
void digits_load(struct digits *ret);
/* A copy of the rows with labels lo..hi on a side, in file order; mirrored: left and right exchanged. */
void digits_pick(const struct digits *all, int lo, int hi, enum digit_side side, bool mirrored, struct digits *ret);
void digits_free(struct digits *d);
