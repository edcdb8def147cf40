/* Fuzz target of the packed Fisher: what opens decodes to numbers >= 0 and gives the penalty of the decoded vector.
 *
 * The first byte chooses the layout; with bit 7 the head is taken as it comes, else magic, version, sizes and counts
 * are put right, so that mutations reach the payloads. */
#include "fuzz.h"
#include <ewc/pack.h>
#include <ewc/penalty.h>
#include <math.h>

enum { P_MAX = 2048, HEAD = 16, ROW = 16 };

static const struct ewc_pack_shape shapes[] = {{3, 4}, {1, 3}, {2, 9}, {1, 1}, {40, 33}, {1, 17}};
static const struct ewc_pack_layout layouts[4] = {{2, shapes}, {4, shapes}, {6, shapes}, {1, shapes + 4}};

static void put32(char *b, size_t v)
{
        for (int i = 0; i < 4; i++)
                b[i] = (char)(v >> 8 * i & 0xff);
}

static void mend_head(const struct ewc_pack_layout *l, char *b, size_t size)
{
        size_t p = 0;
        for (size_t i = 0; i < l->n; i++)
                p += (size_t)l->shape[i].rows * l->shape[i].cols;
        memcpy(b, "EWCP", 4);
        b[4] = (char)(1 + ((b[4] - 1) & 1));
        b[5] = (char)(1 + ((b[5] - 1) & 3));
        b[6] = (char)l->n;
        b[7] = 0;
        put32(b + 8, p);
        put32(b + 12, size);
}

static void check(const struct ewc_pack *p)
{
        static float fisher[P_MAX], theta[P_MAX], other[P_MAX], anchor[P_MAX];
        double shares[8];
        const size_t n = p->n_params;
        fuzz_check(n <= P_MAX && p->n_kept <= n);
        ewc_pack_decode(p, fisher);
        ewc_pack_shares(p, shares);
        for (size_t i = 0; i < p->layout->n; i++)
                fuzz_check(shares[i] >= 0 && shares[i] <= 1);
        for (size_t i = 0; i < n; i++) {
                fuzz_check(fisher[i] >= 0 && isfinite(fisher[i]));
                theta[i] = other[i] = 0.25f * (float)(i % 7);
        }
        ewc_pack_penalty_prox(p, 0.5, anchor, theta, NULL, 0.125f);
        ewc_penalty_prox(n, other, &(struct ewc_penalty){0.5, fisher, anchor}, NULL, 0.125f);
        fuzz_check(memcmp(theta, other, n * sizeof(float)) == 0);
        fuzz_check(ewc_pack_penalty_value(p, 0.5, anchor, theta) >= 0);
        ewc_pack_penalty_grad(p, 0.5, anchor, theta, other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct ewc_pack p;
        if (size < 1 || size > 8192)
                return 0;
        const struct ewc_pack_layout *l = &layouts[data[0] & 3];
        char *b = fuzz_copy(data + 1, size - 1);
        if (!(data[0] & 0x80) && size - 1 >= HEAD)
                mend_head(l, b, size - 1);
        if (ewc_pack_open(l, b, size - 1, &p) == 0)
                check(&p);
        free(b);
        return 0;
}
