/* problem.h: the kinds of error people and programs see, by name. Values are positive: documented outcomes. */
#pragma once

enum problem {
        PROBLEM_NONE = 0,
#define PROBLEM(id, slug, title) PROBLEM_##id,
#include "domain/problem.def"
#undef PROBLEM
        PROBLEM_COUNT
};
