/* published.c: see published.h.
 *
 * One row a figure, in the order in which they are told; where a setting has several, the nearest comes first and is
 * the one compared with. A figure stands here once: what a paper took over from another one is not repeated (LwF of
 * Hsu is that of arXiv:1809.10635). The "offline" of arXiv:1809.10635 trains on all tasks so far through the
 * iterations of every task; joint here is one training with the iterations of one task. */
#include "bench/published.h"
#include "base/buf.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct source {
        const char *text;
        bool second_hand;      /* quoted from work that cites it */
        uint32_t deviation_of; /* runs whose deviation it prints behind a mean; 0: it prints standard errors */
} sources[] = {
    [SOURCE_VEN_SPLIT] = {"van de Ven and Tolias 2018, arXiv:1809.10635, table 3", false, 0},
    [SOURCE_VEN_PERMUTED] = {"van de Ven and Tolias 2018, arXiv:1809.10635, table 4", false, 0},
    [SOURCE_VEN_2019] = {"van de Ven and Tolias 2019, arXiv:1904.07734", true, 0},
    [SOURCE_VEN_2022] = {"van de Ven, Tuytelaars and Tolias 2022, Nat. Mach. Intell., table 2", true, 0},
    [SOURCE_VEN_2025] = {"van de Ven 2025, arXiv:2502.11756", false, 0},
    [SOURCE_HSU] = {"Hsu et al. 2018, arXiv:1810.12488, table 2, error from the deviation of 10 runs", false, 10},
    [SOURCE_AVALANCHE] = {"ContinualAI/continual-learning-baselines", false, 0},
};

#define JOINT_DIFFERS "other schedule"
#define GRID "lambda grid too small"
#define ARGMAX "ARGMAX Fisher"
#define RESNET "reduced ResNet-18, all rows"
#define QUOTED "the method's paper, quoted; not reproduced there"

static const struct published figures[] = {
    {"split-mnist-task", METHOD_NONE, 0, 0, 85.41, 0.88, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, EWC_FISHER_EXACT, 0, 99.12, 0.16, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, EWC_FISHER_EXACT, 500, 98.93, 0.15, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, EWC_FISHER_SAMPLE, 0, 99.12, 0.12, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, EWC_FISHER_EMPIRICAL, 0, 99.12, 0.12, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, EWC_FISHER_BATCHED, 0, 99.11, 0.16, SOURCE_VEN_2025, NULL},
    {"split-mnist-task", METHOD_EWC, 0, 0, 98.64, 0.22, SOURCE_VEN_2019, NULL},
    {"split-mnist-task", METHOD_SI, 0, 0, 99.14, 0.11, SOURCE_VEN_SPLIT, NULL},
    {"split-mnist-task", METHOD_LWF, 0, 0, 99.60, 0.03, SOURCE_VEN_SPLIT, NULL},
    {"split-mnist-task", METHOD_JOINT, 0, 0, 99.64, 0.03, SOURCE_VEN_SPLIT, JOINT_DIFFERS},

    {"split-mnist-domain", METHOD_NONE, 0, 0, 57.33, 1.66, SOURCE_VEN_SPLIT, NULL},
    {"split-mnist-domain", METHOD_EWC, 0, 0, 63.95, 1.90, SOURCE_VEN_2019, NULL},
    {"split-mnist-domain", METHOD_EWC, 0, 0, 57.80, 1.61, SOURCE_VEN_SPLIT, GRID},
    {"split-mnist-domain", METHOD_ONLINE_EWC, 0, 0, 57.60, 1.66, SOURCE_VEN_SPLIT, GRID},
    {"split-mnist-domain", METHOD_SI, 0, 0, 63.77, 1.18, SOURCE_VEN_SPLIT, NULL},
    {"split-mnist-domain", METHOD_LWF, 0, 0, 71.02, 1.26, SOURCE_VEN_SPLIT, NULL},
    {"split-mnist-domain", METHOD_JOINT, 0, 0, 98.41, 0.06, SOURCE_VEN_SPLIT, JOINT_DIFFERS},

    {"split-mnist-class", METHOD_NONE, 0, 0, 19.89, 0.02, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_EWC, 0, 0, 20.64, 0.52, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_SI, 0, 0, 21.20, 0.57, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_LWF, 0, 0, 21.89, 0.32, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_REPLAY, 0, 0, 88.79, 0.20, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_JOINT, 0, 0, 98.17, 0.04, SOURCE_VEN_2022, NULL},
    {"split-mnist-class", METHOD_ONLINE_EWC, 0, 0, 19.90, 0.02, SOURCE_VEN_SPLIT, GRID},
    {"split-mnist-class", METHOD_LWF, 0, 0, 24.17, 0.51, SOURCE_VEN_SPLIT, NULL},

    {"hsu-split-mnist-task", METHOD_NONE, 0, 0, 93.46, 2.01, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_EWC, 0, 0, 97.70, 0.81, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_ONLINE_EWC, 0, 0, 98.04, 1.10, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_SI, 0, 0, 98.56, 0.49, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_MAS, 0, 0, 99.22, 0.21, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_REPLAY, 0, 0, 99.40, 0.08, SOURCE_HSU, NULL},
    {"hsu-split-mnist-task", METHOD_JOINT, 0, 0, 99.52, 0.16, SOURCE_HSU, NULL},

    {"hsu-split-mnist-domain", METHOD_NONE, 0, 0, 55.16, 1.38, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_EWC, 0, 0, 58.85, 2.59, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_ONLINE_EWC, 0, 0, 57.33, 1.44, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_SI, 0, 0, 64.76, 3.09, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_MAS, 0, 0, 68.57, 6.85, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_REPLAY, 0, 0, 95.16, 0.49, SOURCE_HSU, NULL},
    {"hsu-split-mnist-domain", METHOD_JOINT, 0, 0, 98.59, 0.15, SOURCE_HSU, NULL},

    {"hsu-split-mnist-class", METHOD_NONE, 0, 0, 19.71, 0.08, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_EWC, 0, 0, 19.80, 0.05, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_ONLINE_EWC, 0, 0, 19.77, 0.04, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_SI, 0, 0, 19.67, 0.09, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_MAS, 0, 0, 19.52, 0.29, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_REPLAY, 0, 0, 90.78, 0.85, SOURCE_HSU, NULL},
    {"hsu-split-mnist-class", METHOD_JOINT, 0, 0, 97.53, 0.30, SOURCE_HSU, NULL},

    {"permuted-mnist", METHOD_NONE, 0, 0, 78.51, 0.24, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist", METHOD_EWC, 0, 0, 94.31, 0.11, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist", METHOD_ONLINE_EWC, 0, 0, 94.42, 0.13, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist", METHOD_SI, 0, 0, 95.33, 0.11, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist", METHOD_LWF, 0, 0, 72.64, 0.52, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist", METHOD_JOINT, 0, 0, 97.59, 0.01, SOURCE_VEN_PERMUTED, JOINT_DIFFERS},

    {"permuted-mnist-task", METHOD_NONE, 0, 0, 81.79, 0.48, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-task", METHOD_EWC, 0, 0, 94.74, 0.05, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist-task", METHOD_ONLINE_EWC, 0, 0, 95.96, 0.06, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist-task", METHOD_SI, 0, 0, 94.75, 0.14, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-task", METHOD_LWF, 0, 0, 69.84, 0.46, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-task", METHOD_JOINT, 0, 0, 97.68, 0.01, SOURCE_VEN_PERMUTED, JOINT_DIFFERS},

    {"permuted-mnist-class", METHOD_NONE, 0, 0, 17.26, 0.19, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-class", METHOD_EWC, 0, 0, 25.04, 0.50, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist-class", METHOD_ONLINE_EWC, 0, 0, 33.88, 0.49, SOURCE_VEN_PERMUTED, ARGMAX},
    {"permuted-mnist-class", METHOD_SI, 0, 0, 29.31, 0.62, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-class", METHOD_LWF, 0, 0, 22.64, 0.23, SOURCE_VEN_PERMUTED, NULL},
    {"permuted-mnist-class", METHOD_JOINT, 0, 0, 97.59, 0.02, SOURCE_VEN_PERMUTED, JOINT_DIFFERS},

    {"avalanche-permuted-mnist", METHOD_EWC, 0, 0, 83, 0, SOURCE_AVALANCHE, NULL},
    {"avalanche-permuted-mnist-momentum", METHOD_EWC, 0, 0, 94, 0, SOURCE_AVALANCHE, QUOTED},
    {"avalanche-split-mnist", METHOD_SI, 0, 0, 97, 0, SOURCE_AVALANCHE, NULL},

    {"split-cifar10", METHOD_NONE, 0, 0, 69.53, 1.34, SOURCE_VEN_2025, RESNET},
    {"split-cifar10", METHOD_EWC, EWC_FISHER_EXACT, 0, 84.91, 0.65, SOURCE_VEN_2025, RESNET},
    {"split-cifar10", METHOD_EWC, EWC_FISHER_EXACT, 500, 84.57, 0.72, SOURCE_VEN_2025, RESNET},
    {"split-cifar10", METHOD_EWC, EWC_FISHER_SAMPLE, 0, 83.77, 0.72, SOURCE_VEN_2025, RESNET},
    {"split-cifar10", METHOD_EWC, EWC_FISHER_EMPIRICAL, 0, 83.28, 0.77, SOURCE_VEN_2025, RESNET},
    {"split-cifar10", METHOD_EWC, EWC_FISHER_BATCHED, 0, 83.38, 0.66, SOURCE_VEN_2025, RESNET},
};

static bool belongs(const struct published *f, const struct settings *s)
{
        const struct protocol *p = s->protocol;
        if (strcmp(f->protocol, p->name) != 0 || f->method != s->method)
                return false;
        if (!method_has_fisher(s->method))
                return true;
        enum ewc_fisher fisher = f->fisher ? f->fisher : p->fisher;
        uint32_t samples = f->fisher ? f->fisher_samples : p->fisher_samples;
        return fisher == s->fisher && samples == s->fisher_samples && !(s->fisher_percent > 0);
}

const struct published *published_at(const struct settings *s, size_t k)
{
        for (size_t i = 0; i < ARRAY_LEN(figures); i++)
                if (belongs(&figures[i], s) && k-- == 0)
                        return &figures[i];
        return NULL;
}

const struct published *published_variant(const struct protocol *p, size_t k)
{
        for (size_t i = 0; i < ARRAY_LEN(figures); i++)
                if (figures[i].fisher && strcmp(figures[i].protocol, p->name) == 0 && k-- == 0)
                        return &figures[i];
        return NULL;
}

double published_sem(const struct published *f)
{
        uint32_t runs = sources[f->source].deviation_of;
        if (!(f->spread > 0))
                return (double)NAN;
        return runs > 0 ? f->spread / sqrt(runs) : f->spread;
}

/* " (second-hand; other schedule)" with the separator and the end asked for; "" if there is nothing to say. */
static void remarks(const struct published *f, const char *open, const char *close, char ret[PUBLISHED_TEXT])
{
        bool second = sources[f->source].second_hand;
        ret[0] = '\0';
        if (second || f->differs)
                snprintf(ret, PUBLISHED_TEXT, "%s%s%s%s%s", open, second ? "second-hand" : "",
                    second && f->differs ? "; " : "", f->differs ? f->differs : "", close);
}

void published_source(const struct published *f, char ret[PUBLISHED_TEXT])
{
        char more[PUBLISHED_TEXT];
        remarks(f, "; ", "", more);
        snprintf(ret, PUBLISHED_TEXT, "%s%.96s", sources[f->source].text, more);
}

void published_fisher(enum ewc_fisher fisher, uint32_t samples, char ret[PUBLISHED_TEXT])
{
        if (samples > 0)
                snprintf(ret, PUBLISHED_TEXT, "%s n=%u", ewc_fisher_name(fisher), samples);
        else
                snprintf(ret, PUBLISHED_TEXT, "%s", ewc_fisher_name(fisher));
}

void published_line(const struct protocol *p, struct buf *out)
{
        char was[PUBLISHED_TEXT] = "", now[PUBLISHED_TEXT], fisher[PUBLISHED_TEXT];
        bool first = true;
        for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
                const struct published *f = &figures[i];
                if (strcmp(f->protocol, p->name) != 0)
                        continue;
                remarks(f, " (", ")", now);
                if (!first && strcmp(was, now) != 0) /* remarks end the figures they belong to */
                        buf_printf(out, "%s; ", was);
                else if (!first)
                        buf_puts(out, ", ");
                buf_puts(out, method_name(f->method));
                if (f->fisher) {
                        published_fisher(f->fisher, f->fisher_samples, fisher);
                        buf_printf(out, " %s", fisher);
                }
                buf_printf(out, " %.*f", f->spread > 0 ? 2 : 0, f->mean);
                memcpy(was, now, sizeof(was));
                first = false;
        }
        buf_puts(out, was);
}
