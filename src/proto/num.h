/* num.h: float32 text both ways. Reading is bit-equal to strtof, writing is the shortest text that reads back to the
 * same float. Locale-independent, pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { NUM_F32_MAX = 24, NUM_F64_MAX = 32 };

/* Reads one JSON number at p..end; returns the first byte after it, or NULL when it is not a JSON number or overflows
 * to infinity. */
const char *num_scan_f32(const char *p, const char *end, float *ret);
size_t num_print_f32(char *out, float v);  /* out has NUM_F32_MAX bytes; finite values only; no NUL; returns length */
size_t num_print_f64(char *out, double v); /* shortest round trip of a double */
