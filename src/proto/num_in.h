/* num_in.h: what reading and printing of numbers share inside this room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The float nearest to w * 10^e (ties to even) when plain double arithmetic can prove it, |e| <= 44; else false. */
bool num_f32_quick(uint64_t w, int e, float *ret);
/* The same for any decimal digits (n, without sign or point, value digits * 10^e); infinity when it overflows. */
float num_f32_exact(const char *digits, int n, int e);
extern const double num_pow10[23];

enum { NUM_MAX_DIGITS = 120 }; /* a point halfway between two floats has at most 112 significant digits */
