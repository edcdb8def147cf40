/* protocols.c: the protocols of all families as one list, and the words of the room. */
#include "bench/protocols.h"
#include <string.h>

const struct data_files data_mnist = {
    .folder = "mnist",
    .train_x = "train-images-idx3-ubyte.gz",
    .train_y = "train-labels-idx1-ubyte.gz",
    .test_x = "t10k-images-idx3-ubyte.gz",
    .test_y = "t10k-labels-idx1-ubyte.gz",
};

static const struct family {
        const struct protocol *v;
        const size_t *n;
} families[] = {
    {protocols_split, &n_protocols_split},
    {protocols_hsu, &n_protocols_hsu},
    {protocols_permuted, &n_protocols_permuted},
    {protocols_rotated, &n_protocols_rotated},
    {protocols_avalanche, &n_protocols_avalanche},
    {protocols_images, &n_protocols_images},
    {protocols_files, &n_protocols_files},
};

const struct protocol *protocol_at(size_t i)
{
        for (size_t f = 0; f < ARRAY_LEN(families); f++) {
                if (i < *families[f].n)
                        return &families[f].v[i];
                i -= *families[f].n;
        }
        return NULL;
}

const struct protocol *protocol_find(const char *name)
{
        const struct protocol *p;
        for (size_t i = 0; (p = protocol_at(i)); i++)
                if (strcmp(p->name, name) == 0)
                        return p;
        return NULL;
}

/* "cifar10 (task, domain, class)" as people write it beside the name of the benchmark. */
static const struct {
        const char *name, *family;
} aliases[] = {
    {"cifar10", "split-cifar10"},
};

const struct protocol *protocol_choose(const char *name, enum scenario scenario)
{
        const struct protocol *p = protocol_find(name);
        if (p && (scenario == 0 || scenario == p->scenario || !p->family || strcmp(name, p->family) != 0))
                return p;
        for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
                if (strcmp(aliases[i].name, name) == 0)
                        name = aliases[i].family;
        for (size_t i = 0; (p = protocol_at(i)); i++)
                if (p->family && strcmp(p->family, name) == 0 && (scenario == 0 || scenario == p->scenario))
                        return p;
        return NULL;
}

static const struct method {
        const char *name;
        bool penalty, fisher, replay;
        double distill;
} methods[] = {
    [METHOD_NONE] = {"none", false, false, false, 0},
    [METHOD_EWC] = {"ewc", true, true, false, 0},
    [METHOD_ONLINE_EWC] = {"online-ewc", true, true, false, 0},
    [METHOD_SI] = {"si", true, false, false, 0},
    [METHOD_REPLAY] = {"replay", false, false, true, 0},
    [METHOD_EWC_REPLAY] = {"ewc-replay", true, true, true, 0},
    [METHOD_JOINT] = {"joint", false, false, false, 0},
    [METHOD_MAS] = {"mas", true, false, false, 0},
    [METHOD_LWF] = {"lwf", false, false, false, 1},
    [METHOD_HYBRID] = {"hybrid", true, true, false, 0.5},
    [METHOD_DERPP] = {"derpp", false, false, true, 0},
};

const char *method_name(enum bench_method m)
{
        return (size_t)m < ARRAY_LEN(methods) ? methods[m].name : NULL;
}

bool method_parse(const char *name, enum bench_method *ret)
{
        name = strcmp(name, "plain") == 0 ? methods[METHOD_NONE].name : name;
        for (size_t i = 1; i < ARRAY_LEN(methods); i++)
                if (strcmp(name, methods[i].name) == 0) {
                        *ret = (enum bench_method)i;
                        return true;
                }
        return false;
}

bool method_has_penalty(enum bench_method m)
{
        return methods[m].penalty;
}

bool method_has_fisher(enum bench_method m)
{
        return methods[m].fisher;
}

bool method_has_replay(enum bench_method m)
{
        return methods[m].replay;
}

double method_distill(enum bench_method m)
{
        return methods[m].distill;
}
