/* made.h: a small dataset whose every number follows from its place, and a protocol that learns it in moments. */
#pragma once
#include "bench/dataset.h"
#include "bench/settings.h"

enum { MADE_SIDE = 3, MADE_INPUTS = 9, MADE_CLASSES = 6, MADE_TRAIN = 240, MADE_TEST = 60 };

/* 3x3 images; class c is bright at pixel c, the rest is small noise. Rows go round the classes. */
void made_dataset(struct dataset *d);

extern const struct protocol made_protocol; /* classes cut into three tasks, task known */
/* Settings of a unit on it; fails the test if they are refused. */
struct settings made_settings(const struct protocol *p, enum bench_method m, uint64_t seed);
