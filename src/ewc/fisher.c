/* fisher.c: diagonal Fisher information of a batch, and its canonical scale.
 *
 * Per sample n the columns of factor.c run backwards through the net as rows of one matrix D (sample, column). At a
 * dense layer l their squares sum over the columns into Q_l (B,out), and at the end one product per layer gives all
 * squares of per-sample gradients: sum_n,k (delta_nk a_n^T)^2 = Q_l^T (A_l o A_l), since a_n does not depend on k.
 * Layers that use a parameter at many places add over the places before the square, each in its own file. D is
 * worked through in blocks of a bounded number of rows; Q is kept for a block of the batch, a dense net's whole
 * batch. Products are float, the running sum is double. Dropout is off. BATCHED is the square of an ordinary
 * gradient.
 *
 * Squares of finite numbers may leave float. A dense net in one block knows all Q before the first product, and a
 * bound on the products is cheap; any other net gathers the batch in a sum of its own, to be looked at before it is
 * added. */
#include "ewc/factor.h"
#include "ewc/layers.h"
#include "ewc/share.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
        BLOCK_ROWS = 1024,   /* rows of D at a time: near the best rate of the product, a few MiB for common widths */
        BLOCK_COLUMNS = 256, /* columns of one sample at a time */
        BLOCK_FLOATS = 1 << 22, /* of D, in nets with more than dense layers */
};

struct space {
        struct ewc_tape tape;
        float *q[EWC_MAX_LAYERS + 1]; /* (B,out) dense layers */
        float *d[2];                  /* (block, widest layer) */
        float *square;                /* (B, widest input of a dense layer) */
        float *product;               /* largest W of a dense layer */
        struct ewc_squares sq;
        double *part;        /* (P) the batch's own sum, NULL for a dense net in one block */
        double *p, *tail;    /* (H) */
        uint32_t K, block_k; /* columns of a sample; of them at a time */
        size_t block_n;      /* samples at a time */
};

static size_t larger(size_t a, size_t b)
{
        return a > b ? a : b;
}

static void choose_blocks(
    const struct ewc_net *net, const struct ewc_head *head, enum ewc_fisher kind, size_t B, struct space *ret)
{
        size_t rows = BLOCK_ROWS, most;

        if (net->block < EWC_MAX_BATCH && BLOCK_FLOATS / net->max_out < rows)
                rows = BLOCK_FLOATS / net->max_out + 1;
        most = rows < BLOCK_COLUMNS ? rows : BLOCK_COLUMNS;
        ret->K = ewc_factor_columns(&net->spec, head, kind);
        ret->block_k = ret->K < 1 ? 1 : ret->K > most ? (uint32_t)most : ret->K;
        ret->block_n = rows / ret->block_k;
        ret->block_n = ret->block_n > B ? B : ret->block_n;
}

static void squares_carve(const struct ewc_net *net, size_t columns, struct ewc_carve *c, struct ewc_squares *ret)
{
        size_t stack = 0, gram = 0, first = 0, next = 0, g;

        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];

                if (s->type == EWC_LAYER_CONV) {
                        stack = larger(stack, ewc_conv_stack(s, columns, &g));
                        gram = larger(gram, g);
                } else if (s->type == EWC_LAYER_EMBEDDING) {
                        first = s->rows;
                        next = s->in;
                }
        }
        ret->stack = ewc_carve(c, stack, sizeof(float));
        ret->gram = ewc_carve(c, gram, sizeof(float));
        ret->first = ewc_carve(c, first, sizeof(uint32_t));
        ret->next = ewc_carve(c, next, sizeof(uint32_t));
        ret->column = ewc_carve(c, 2 * (size_t)net->max_out, sizeof(double));
}

/* Only products of whole batches go to the sum. */
static bool at_once(const struct ewc_net *net, size_t n)
{
        for (uint32_t l = 0; l < net->n_stages; l++) {
                if (net->stage[l].rows > 0 && net->stage[l].type != EWC_LAYER_DENSE)
                        return false;
        }
        return n <= net->block;
}

static size_t space_carve(const struct ewc_net *net, const struct ewc_head *head, enum ewc_fisher kind, size_t n,
    void *base, struct space *ret)
{
        const uint32_t H = ewc_head_n(&net->spec, head);
        const size_t B = n < net->block ? n : net->block;
        struct ewc_carve c = {.base = base};
        size_t max_in = 0, max_w = 0, rows;

        choose_blocks(net, head, kind, B, ret);
        rows = ret->block_n * ret->block_k;
        ewc_tape_carve(net, B, &c, &ret->tape);
        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *d = &net->stage[l];

                ret->q[l] = NULL;
                if (d->type != EWC_LAYER_DENSE)
                        continue;
                ret->q[l] = ewc_carve(&c, B * d->out, sizeof(float));
                max_in = larger(max_in, d->in);
                max_w = larger(max_w, (size_t)d->in * d->out);
        }
        ret->d[0] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->d[1] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->square = ewc_carve(&c, B * max_in, sizeof(float));
        ret->product = ewc_carve(&c, max_w, sizeof(float));
        squares_carve(net, ret->block_k, &c, &ret->sq);
        ret->part = at_once(net, n) ? NULL : ewc_carve(&c, net->n_params, sizeof(double));
        ret->p = ewc_carve(&c, H, sizeof(double));
        ret->tail = ewc_carve(&c, H, sizeof(double));
        return c.used;
}

static size_t batched_carve(const struct ewc_net *net, size_t B, void *base, float **ret_grad, void **ret_train)
{
        struct ewc_carve c = {.base = base};

        *ret_grad = ewc_carve(&c, net->n_params, sizeof(float));
        *ret_train = ewc_carve(&c, ewc_train_workspace(net, B), 1);
        return c.used;
}

size_t ewc_fisher_workspace(const struct ewc_net *net, const struct ewc_head *head, enum ewc_fisher kind, size_t B)
{
        struct space sp;
        float *grad;
        void *train;

        if (kind == EWC_FISHER_BATCHED)
                return batched_carve(net, B, NULL, &grad, &train);
        return space_carve(net, head, kind, B, NULL, &sp);
}

EWC_CLONES static void square_to(size_t n, const float *restrict x, float *restrict ret)
{
        for (size_t i = 0; i < n; i++)
                ret[i] = x[i] * x[i];
}

EWC_CLONES static void square_add(size_t n, const float *restrict x, float *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += x[i] * x[i];
}

EWC_CLONES static void flush(size_t n, const float *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += (double)x[i];
}

EWC_CLONES static void add_sums(size_t n, const double *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += x[i];
}

EWC_CLONES void ewc_add_squares(size_t n, const float *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += (double)x[i] * (double)x[i];
}

EWC_CLONES void ewc_add_squares_of(size_t n, const double *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += x[i] * x[i];
}

/* Squares of stage l for samples n0 .. n0+n-1 of the block, k columns each, at the deltas d (n*k,out). */
static void stage_squares(const struct ewc_net *net, uint32_t l, const float *x, const struct ewc_tape *part,
    struct space *sp, size_t n0, size_t n, size_t k, const float *d, double *sum)
{
        const size_t U = net->stage[l].out;

        switch (net->stage[l].type) {
        case EWC_LAYER_DENSE:
                for (size_t r = 0; r < n * k; r++)
                        square_add(U, d + r * U, sp->q[l] + (n0 + r / k) * U);
                break;
        case EWC_LAYER_CONV:
                ewc_conv_squares(net, l, n, k, ewc_tape_input(part, l, x), d, part->scratch, &sp->sq, sum);
                break;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                ewc_norm_squares(net, l, n, k, part->aux[l], d, &sp->sq, sum);
                break;
        case EWC_LAYER_EMBEDDING:
                ewc_embed_squares(net, l, n, k, x, d, &sp->sq, sum);
                break;
        case EWC_LAYER_MAX_POOL:
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
        case EWC_LAYER_FLATTEN:
        case EWC_LAYER_DROPOUT:
                break; /* no parameters */
        }
}

/* Rows n0 .. n0+n-1 of the block, k columns each, already at the logits in d[0]: down the net, squares into Q or the
 * sum. */
static void run_block(
    const struct ewc_net *net, struct space *sp, const float *x, size_t n0, size_t n, size_t k, double *sum)
{
        struct ewc_tape part;

        ewc_tape_rows(net, &sp->tape, n0, &part);
        for (uint32_t l = net->n_stages; l-- > net->first_params;) {
                float *d = sp->d[0];

                stage_squares(net, l, x + n0 * net->spec.n_inputs, &part, sp, n0, n, k, d, sum);
                if (l == net->first_params)
                        break;
                ewc_stage_back(net, l, n, k, &part, d, sp->d[1]);
                sp->d[0] = sp->d[1];
                sp->d[1] = d;
        }
}

struct gathered {
        const double *part;
        double *sum;
};

struct flushed {
        const float *x;
        double *sum;
};

static void flush_part(void *arg, size_t from, size_t n)
{
        const struct flushed *f = arg;

        flush(n, f->x + from, f->sum + from);
}

/* The largest magnitude; NaN counts as larger than all. */
EWC_CLONES static float peak(size_t n, const float *x)
{
        uint32_t top = 0;
        float ret;

        for (size_t i = 0; i < n; i++) {
                uint32_t bits;

                memcpy(&bits, &x[i], sizeof(bits));
                bits &= 0x7fffffffU;
                top = bits > top ? bits : top;
        }
        memcpy(&ret, &top, sizeof(ret));
        return ret;
}

/* sp->product = Q_l^T (A_l o A_l) */
static void dense_product(const struct ewc_net *net, uint32_t l, const struct ewc_batch *b, const struct space *sp)
{
        const struct ewc_stage *d = &net->stage[l];

        square_to(b->n * d->in, ewc_tape_input(&sp->tape, l, b->x), sp->square);
        ewc_gemm_tn(net->team, d->out, d->in, b->n, 1.0f, sp->q[l], sp->square, 0.0f, sp->product);
}

/* Whether the product of layer l stays finite: by the sum over the rows of the largest of each, which no entry
 * exceeds; where that is too near the end of float, by the product itself. */
static bool dense_fits(const struct ewc_net *net, uint32_t l, const struct ewc_batch *b, const struct space *sp)
{
        const struct ewc_stage *d = &net->stage[l];
        const float *a = ewc_tape_input(&sp->tape, l, b->x);
        const double most = (double)FLT_MAX / 2;
        double bound = 0, top = 0;

        for (size_t n = 0; n < b->n; n++) {
                const double q = (double)peak(d->out, sp->q[l] + n * d->out), v = (double)peak(d->in, a + n * d->in);

                bound += q * v * v;
                top = v > top ? v : top;
        }
        if (bound <= most && top * top <= most) /* then Q is finite too */
                return true;
        dense_product(net, l, b, sp);
        return ewc_finite_all((size_t)d->out * d->in, sp->product) && ewc_finite_all(b->n * d->out, sp->q[l]);
}

static bool all_fit(const struct ewc_net *net, const struct ewc_batch *b, const struct space *sp)
{
        for (uint32_t l = net->first_params; l < net->n_stages; l++) {
                if (net->stage[l].type == EWC_LAYER_DENSE && !dense_fits(net, l, b, sp))
                        return false;
        }
        return true;
}

/* sum += Q_l^T (A_l o A_l) and the column sums of Q_l, for every dense layer. */
static void add_dense(const struct ewc_net *net, const struct ewc_batch *b, const struct space *sp, double *sum)
{
        for (uint32_t l = net->first_params; l < net->n_stages; l++) {
                const struct ewc_stage *d = &net->stage[l];

                if (d->type != EWC_LAYER_DENSE)
                        continue;
                dense_product(net, l, b, sp);
                ewc_share(net->team, (size_t)d->out * d->in, EWC_CUT_VECTOR, flush_part,
                    &(struct flushed){sp->product, sum + d->w});
                for (size_t n = 0; n < b->n; n++)
                        flush(d->out, sp->q[l] + n * d->out, sum + d->b);
        }
}

/* The batch is one block of rows, whose forward pass is on the tape. Squares of dense layers stay in Q. */
static void run_rows(const struct ewc_net *net, const struct ewc_factor *factor, const struct ewc_batch *b,
    struct ewc_rng *rng, struct space *sp, double *sum)
{
        const uint32_t O = net->spec.n_outputs;
        const float *z = sp->tape.a[net->n_stages - 1];

        for (uint32_t l = 0; l < net->n_stages; l++) {
                if (sp->q[l])
                        memset(sp->q[l], 0, b->n * net->stage[l].out * sizeof(float));
        }
        for (size_t n0 = 0; n0 < b->n; n0 += sp->block_n) {
                size_t n = b->n - n0 < sp->block_n ? b->n - n0 : sp->block_n;

                for (uint32_t k0 = 0; k0 < sp->K; k0 += sp->block_k) {
                        uint32_t k = sp->K - k0 < sp->block_k ? sp->K - k0 : sp->block_k;

                        for (size_t i = 0; i < n; i++)
                                ewc_factor_fill(
                                    factor, net, b, n0 + i, z + (n0 + i) * O, k0, k, rng, sp->d[0] + i * k * O);
                        run_block(net, sp, b->x, n0, n, k, sum);
                }
        }
}

static void add_part(void *arg, size_t from, size_t n)
{
        const struct gathered *g = arg;

        add_sums(n, g->part + from, g->sum + from);
}

/* A net that is not at_once: block by block into sp->part, then all or nothing into the sum. */
static int add_gathered(const struct ewc_net *net, struct space *sp, double *sum)
{
        if (!ewc_finite_sums(net->n_params, sp->part))
                return EWC_E_NONFINITE;
        ewc_share(net->team, net->n_params, EWC_CUT_VECTOR, add_part, &(struct gathered){sp->part, sum});
        return 0;
}

static int add_per_sample(const struct ewc_net *net, enum ewc_fisher kind, const struct ewc_head *head,
    const struct ewc_batch *b, struct ewc_rng *rng, double *sum, void *ws)
{
        struct ewc_factor factor = {.kind = kind, .spec = &net->spec, .head = head};
        struct space sp;
        double *to;

        if (!ewc_finite_all(b->n * net->spec.n_inputs, b->x))
                return EWC_E_NONFINITE;
        space_carve(net, head, kind, b->n, ws, &sp);
        factor.p = sp.p;
        factor.tail = sp.tail;
        to = sp.part ? sp.part : sum;
        if (sp.part)
                memset(sp.part, 0, net->n_params * sizeof(*sp.part));
        for (size_t n = 0; n < b->n; n += net->block) {
                const size_t left = b->n - n;
                const struct ewc_batch part = ewc_batch_rows(net, b, n, left < net->block ? left : net->block);

                ewc_tape_forward(net, part.n, part.x, &sp.tape);
                if (!ewc_finite_all(part.n * net->spec.n_outputs, sp.tape.a[net->n_stages - 1]))
                        return EWC_E_NONFINITE;
                run_rows(net, &factor, &part, rng, &sp, to);
                if (!sp.part && !all_fit(net, &part, &sp))
                        return EWC_E_NONFINITE;
                add_dense(net, &part, &sp, to);
        }
        return sp.part ? add_gathered(net, &sp, sum) : 0;
}

static int add_batched(
    const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, double *sum, void *ws)
{
        float *grad;
        void *train;
        double loss;
        int r;

        batched_carve(net, b->n, ws, &grad, &train);
        r = ewc_train_grad(net, head, b, 1.0, false, grad, &loss, train);
        if (r < 0)
                return r;
        if (!ewc_finite_all(net->n_params, grad))
                return EWC_E_NONFINITE;
        ewc_add_squares(net->n_params, grad, sum);
        return 0;
}

int ewc_fisher_add(const struct ewc_net *net, enum ewc_fisher kind, const struct ewc_head *head,
    const struct ewc_batch *b, struct ewc_rng *rng, double *sum, void *ws)
{
        struct ewc_batch unweighted = *b;
        int r;

        unweighted.weight = NULL;
        unweighted.rng = NULL;
        if (!ewc_fisher_defined(kind, net->spec.loss) ||
            ((kind == EWC_FISHER_SAMPLE || kind == EWC_FISHER_MIXED) && !rng))
                return EWC_E_INVAL;
        if (kind == EWC_FISHER_BATCHED)
                return add_batched(net, head, &unweighted, sum, ws);
        if (ewc_fisher_labels(kind))
                r = ewc_batch_check(net, head, &unweighted);
        else
                r = ewc_head_check(&net->spec, head);
        if (r < 0)
                return r;
        if (b->n == 0 || b->n > EWC_MAX_BATCH)
                return EWC_E_DIM;
        if (!b->x)
                return EWC_E_INVAL;
        if ((r = ewc_input_check(net, b->n, b->x)) < 0)
                return r;
        return add_per_sample(net, kind, head, &unweighted, rng, sum, ws);
}

int ewc_fisher_finish(const struct ewc_spec *s, enum ewc_fisher kind, const struct ewc_head *head, uint64_t n,
    const double *sum, float *fisher, struct ewc_fisher_info *ret)
{
        struct ewc_fisher_info info = {.kind = kind, .n_samples = n};
        const size_t P = ewc_spec_params(s);
        double trace = 0, scale;
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (n == 0 || !ewc_fisher_name(kind))
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                if (!(sum[i] >= 0) || !isfinite(sum[i]))
                        return EWC_E_NONFINITE;
                trace += sum[i];
        }
        info.n_protected = ewc_spec_protected(s, head);
        info.trace = trace / (double)n;
        info.factor = info.trace / (double)info.n_protected;
        if (!isfinite(info.trace))
                return EWC_E_NONFINITE;
        scale = info.factor > 0 ? 1 / ((double)n * info.factor) : 0;
        if (!isfinite(scale)) /* so small that its reciprocal overflows: nothing is protected */
                scale = info.factor = 0;
        for (size_t i = 0; i < P; i++)
                fisher[i] = (float)(sum[i] * scale);
        *ret = info;
        return 0;
}
