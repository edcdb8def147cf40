/* floats.h: a look at every number of an array that came from outside. Pure. */
#pragma once
#include <stddef.h>

size_t floats_not_finite(
    const float *v, size_t n); /* index of the first NaN or infinity of v (n); n: there is none */
