/* scale.c: the scale of a Fisher, its damping, and the Fisher of a whole from the Fishers of its parts.
 *
 * The factor that was divided out is always handed back, so nothing is lost. Sums run in double in index order;
 * multiplying a Fisher by a power of two therefore changes its factor and not one bit of what is stored. */
#include <ewc/fisher.h>
#include <ewc/merge.h>

#include <math.h>
#include <string.h>

#include "ewc/internal.h"

static const struct ewc_name names[] = {
    {EWC_NORMALIZE_MEAN, "mean"},
    {EWC_NORMALIZE_L2, "l2"},
    {EWC_NORMALIZE_MINMAX, "minmax"},
    {EWC_NORMALIZE_NONE, "none"},
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *ewc_normalize_name(enum ewc_normalize n)
{
        return ewc_name_find(names, N_NAMES, (int)n);
}

int ewc_normalize_parse(const char *name, enum ewc_normalize *ret)
{
        int v, r = ewc_name_parse(names, N_NAMES, name, &v);

        if (r == 0)
                *ret = (enum ewc_normalize)v;
        return r;
}

struct sums {
        double sum, squares, low, high;
};

/* false when an entry is negative or not finite. */
static bool sums_of(size_t P, const float *f, struct sums *ret)
{
        struct sums s = {0, 0, INFINITY, 0};

        for (size_t i = 0; i < P; i++) {
                double v = (double)f[i];

                if (!(v >= 0) || !isfinite(v))
                        return false;
                s.sum += v;
                s.squares += v * v;
                s.low = v < s.low ? v : s.low;
                s.high = v > s.high ? v : s.high;
        }
        *ret = s;
        return true;
}

int ewc_normalize(enum ewc_normalize kind, size_t P, size_t n_protected, const float *fisher, float *ret,
    struct ewc_normal *ret_info)
{
        struct ewc_normal info = {1, 0};
        struct sums s;

        if (!ewc_normalize_name(kind) || n_protected == 0 || n_protected > P)
                return EWC_E_INVAL;
        if (!sums_of(P, fisher, &s))
                return EWC_E_NONFINITE;
        switch (kind) {
        case EWC_NORMALIZE_MEAN:
                info.factor = s.sum / (double)n_protected;
                break;
        case EWC_NORMALIZE_L2:
                info.factor = sqrt(s.squares);
                break;
        case EWC_NORMALIZE_MINMAX:
                info.factor = s.high - s.low;
                info.offset = s.low;
                break;
        case EWC_NORMALIZE_NONE:
                memmove(ret, fisher, P * sizeof(*ret));
                *ret_info = info;
                return 0;
        }
        for (size_t i = 0; i < P; i++)
                ret[i] = info.factor > 0 ? (float)(((double)fisher[i] - info.offset) / info.factor) : 0.0f;
        *ret_info = info;
        return 0;
}

static double whole(size_t n, const struct ewc_shard *shards, double total, size_t i)
{
        double sum = 0;

        for (size_t k = 0; k < n; k++)
                sum += (double)shards[k].n_samples * shards[k].factor * (double)shards[k].fisher[i];
        return sum / total;
}

int ewc_merge_shards(
    size_t P, size_t n_protected, size_t n, const struct ewc_shard *shards, float *ret, double *ret_factor)
{
        double total = 0, trace = 0, factor;

        if (n_protected == 0 || n_protected > P)
                return EWC_E_INVAL;
        for (size_t k = 0; k < n; k++) {
                if (!(shards[k].factor >= 0))
                        return EWC_E_INVAL;
                total += (double)shards[k].n_samples;
        }
        if (total == 0)
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                double f = whole(n, shards, total, i);

                if (!(f >= 0) || !isfinite(f))
                        return EWC_E_NONFINITE;
                trace += f;
        }
        factor = trace / (double)n_protected;
        if (!isfinite(factor))
                return EWC_E_NONFINITE;
        for (size_t i = 0; i < P; i++)
                ret[i] = factor > 0 ? (float)(whole(n, shards, total, i) / factor) : 0.0f;
        *ret_factor = factor;
        return 0;
}

int ewc_fisher_damp(
    const struct ewc_spec *s, const struct ewc_head *head, double share, float *fisher, struct ewc_fisher_info *info)
{
        struct ewc_tensor w;
        size_t P = ewc_spec_params(s), H = ewc_head_n(s, head), cols;
        float keep, add;
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (!(share >= 0) || !isfinite(share))
                return EWC_E_INVAL;
        if (share == 0 || !(info->factor > 0))
                return 0;
        keep = (float)(1 / (1 + share));
        add = (float)(share / (1 + share));
        ewc_spec_tensor(s, ewc_spec_tensors(s) - 2, &w);
        cols = w.cols;
        for (size_t i = 0; i < P; i++)
                fisher[i] *= keep;
        for (size_t i = 0; i < w.offset; i++)
                fisher[i] += add;
        for (size_t h = 0; h < H; h++) {
                size_t o = head ? head->out[h] : h;

                for (size_t i = 0; i < cols; i++)
                        fisher[w.offset + o * cols + i] += add;
                fisher[w.offset + w.rows * cols + o] += add;
        }
        info->factor *= 1 + share;
        info->trace = info->factor * (double)info->n_protected;
        return 0;
}
