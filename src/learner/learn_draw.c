/* learn_draw.c: which rows, in which order, and their copies in the batch.
 *
 * Every draw starts from a stream of the job's seed named by purpose, try and a number, so it does not depend on what
 * was drawn before. */
#include "learner/learn_in.h"
#include <string.h>

void learn_rng(const struct learner *l, enum learn_stream what, uint32_t minor, struct ewc_rng *ret)
{
        uint64_t stream = (uint64_t)what << 56 | (uint64_t)l->st.try << 32 | minor;
        ewc_rng_seed(ret, l->job->plan.seed, stream);
}

const struct learn_rows *learn_set(const struct learner *l, size_t set)
{
        return set == 0 ? &l->job->train : &l->job->replay[set - 1];
}

void learn_rank(struct learner *l, const struct learn_rows *rows, struct ewc_rng *r, uint32_t *order, uint32_t *rank)
{
        for (size_t i = 0; i < rows->n; i++)
                order[i] = (uint32_t)i;
        ewc_rng_shuffle(r, rows->n, order);
        memset(l->count, 0, l->job->net.n_outputs * sizeof(*l->count));
        for (size_t i = 0; i < rows->n; i++)
                rank[i] = l->count[rows->label ? rows->label[order[i]] : 0]++;
}

static size_t below(const uint32_t *rank, size_t n, uint32_t limit)
{
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
                k += rank[i] < limit;
        return k;
}

size_t learn_even(uint32_t *order, const uint32_t *rank, size_t n, size_t want)
{
        if (want >= n)
                return n;
        uint32_t lo = 0, hi = (uint32_t)n; /* the largest limit that does not keep too many */
        while (lo < hi) {
                uint32_t mid = hi - (hi - lo) / 2;
                if (below(rank, n, mid) <= want)
                        lo = mid;
                else
                        hi = mid - 1;
        }
        size_t kept = 0, spare = want - below(rank, n, lo); /* rows of the next rank that still fit */
        for (size_t i = 0; i < n; i++) {
                bool extra = rank[i] == lo && spare > 0;
                spare -= extra;
                if (rank[i] < lo || extra)
                        order[kept++] = order[i];
        }
        return kept;
}

static size_t set_of(const struct learner *l, uint32_t row)
{
        size_t lo = 0, hi = l->n_sets;
        while (hi - lo > 1) {
                size_t mid = lo + (hi - lo) / 2;
                if (l->first[mid] <= row)
                        lo = mid;
                else
                        hi = mid;
        }
        return lo;
}

void learn_gather(struct learner *l, const uint32_t *pick, size_t n, size_t group, struct ewc_batch *ret)
{
        size_t I = l->job->net.n_inputs, O = l->job->net.n_outputs, at = 0;
        for (size_t i = 0; i < n; i++) {
                size_t set = set_of(l, pick[i]), row = pick[i] - l->first[set];
                const struct learn_rows *rows = learn_set(l, set);
                if (l->group[set] != group)
                        continue;
                memcpy(l->x + at * I, rows->x + row * I, I * sizeof(float));
                if (l->label)
                        l->label[at] = rows->label[row];
                else
                        memcpy(l->target + at * O, rows->target + row * O, O * sizeof(float));
                if (l->kept_logits && set > 0)
                        memcpy(l->taught + at * O, l->kept_logits + l->kept_at[pick[i] - l->first[1]] * O,
                            O * sizeof(float));
                l->weight[at++] = rows->weight ? rows->weight[row] : 1.0f;
        }
        *ret = (struct ewc_batch){
            .n = at, .x = l->x, .label = l->label, .target = l->target, .weight = l->weighted ? l->weight : NULL};
}
