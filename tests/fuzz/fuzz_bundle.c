/* Fuzz target of the safetensors reader and of the three bundles: job, checkpoint, result.
 *
 * The first byte chooses the reader. With bit 7 the rest is the file, else it is the header's text, a NUL and the
 * data; the header's length is then put in front, so that mutations reach what lies behind it. */
#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "fuzz_job.h"
#include "proto/bundle.h"
#include "proto/safetensors.h"

static void read_tensors(const char *file, size_t size)
{
        struct arena a;
        struct st_file st;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 22);
        void *aligned = aligned_alloc(64, (size + 64) / 64 * 64);
        fuzz_check(aligned != NULL);
        memcpy(aligned, file, size);
        if (st_read(aligned, size, &a, &st, &e) == 0) {
                for (size_t i = 0; i < st.n_tensors; i++) {
                        const struct st_tensor *t;
                        fuzz_touch_text(st.tensors[i].name);
                        fuzz_touch(st.tensors[i].data, st.tensors[i].bytes);
                        st_find(&st, st.tensors[i].name, st.tensors[i].dtype, SIZE_MAX, &t, &e);
                }
                for (size_t i = 0; i < st.n_meta; i++)
                        fuzz_touch_text(st.meta[i].value);
        }
        free(aligned);
        arena_deinit(&a);
}

static void touch_rows(const struct learn_rows *r, const struct ewc_spec *net)
{
        fuzz_touch(r->x, r->n * net->n_inputs * sizeof(float));
        for (size_t i = 0; r->label && i < r->n; i++)
                fuzz_check(r->label[i] >= 0 && (uint32_t)r->label[i] < net->n_outputs);
        if (r->target)
                fuzz_touch(r->target, r->n * net->n_outputs * sizeof(float));
        if (r->weight)
                fuzz_touch(r->weight, r->n * sizeof(float));
}

static int read_job(const char *path, struct arena *a, struct file_map *map, struct err *e)
{
        struct learn_job job;
        struct digest digest;
        int r = bundle_read_job(path, a, map, &job, &digest, e);
        if (r != 0)
                return r;
        size_t bytes = ewc_spec_params(&job.net) * sizeof(float);
        fuzz_touch(job.theta, bytes);
        for (size_t i = 0; i < job.n_past; i++) {
                fuzz_touch(job.past[i].fisher, bytes);
                fuzz_touch(job.past[i].anchor, bytes);
        }
        touch_rows(&job.train, &job.net);
        for (size_t i = 0; i < job.n_replay; i++)
                touch_rows(&job.replay[i], &job.net);
        for (size_t i = 0; i < job.n_holdout; i++)
                touch_rows(&job.holdout[i], &job.net);
        fuzz_touch(job.optim_in, job.n_optim_in * sizeof(float));
        return 0;
}

static void touch_evaluations(const struct evaluation *v, size_t n)
{
        fuzz_touch(v, v ? n * sizeof(*v) : 0); /* NULL: after, unless it was done */
        for (size_t i = 0; v && i < n; i++)
                fuzz_touch(v[i].outputs, v[i].n_outputs * sizeof(*v[i].outputs));
}

static int read_checkpoint(const char *path, struct arena *a, struct file_map *map, struct err *e)
{
        struct learn_state s;
        int r = bundle_read_checkpoint(path, &fuzz_job_digest, &fuzz_job_net, a, map, &s, e);
        if (r != 0)
                return r;
        fuzz_check(s.n_params == ewc_spec_params(&fuzz_job_net) && s.n_tries <= LEARN_MAX_TRIES);
        fuzz_touch(s.theta, s.n_params * sizeof(float));
        fuzz_touch(s.optim, s.n_optim * sizeof(float));
        fuzz_touch(s.best, s.best ? s.n_params * sizeof(float) : 0);
        fuzz_touch(s.fisher_sum, s.fisher_sum ? s.n_params * sizeof(double) : 0);
        fuzz_touch(s.path, s.path ? s.n_params * sizeof(double) : 0);
        touch_evaluations(s.before, s.n_before);
        return 0;
}

static int read_result(const char *path, struct err *e)
{
        struct learn_result q = {0};
        int r = bundle_read_result(path, &fuzz_job_digest, &fuzz_job_net, &q, e);
        if (r != 0)
                return r;
        fuzz_check(q.n_tries <= LEARN_MAX_TRIES);
        fuzz_touch(q.theta, q.theta ? q.n_params * sizeof(float) : 0);
        fuzz_touch(q.fisher, q.fisher ? q.n_params * sizeof(float) : 0);
        fuzz_touch(q.optim, q.n_optim * sizeof(float));
        touch_evaluations(q.before, q.n_evaluations);
        touch_evaluations(q.after, q.n_evaluations);
        learn_result_free(&q);
        return 0;
}

static void read_bundle(unsigned which, const char *data, size_t size)
{
        struct fuzz_file f = fuzz_file(data, size);
        struct file_map map = {0};
        struct arena a;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 22);
        int r = which == 0 ? read_job(f.path, &a, &map, &e) : which == 1 ? read_checkpoint(f.path, &a, &map, &e) : 0;
        if (which > 1)
                r = read_result(f.path, &e);
        fuzz_check(r >= 0 || e.msg[0]);
        file_unmap(&map);
        arena_deinit(&a);
        close(f.fd);
}

/* Length, header padded to where data is aligned, data. */
static char *assemble(const uint8_t *in, size_t n, size_t *ret_size)
{
        const uint8_t *nul = memchr(in, 0, n);
        size_t head = nul ? (size_t)(nul - in) : n, data = nul ? n - head - 1 : 0, room = (8 + head + 63) / 64 * 64;
        char *p = malloc(room + data);
        fuzz_check(p != NULL);
        memset(p, ' ', room);
        for (int i = 0; i < 8; i++)
                p[i] = (char)((room - 8) >> 8 * i & 0xff);
        memcpy(p + 8, in, head);
        if (data > 0)
                memcpy(p + room, nul + 1, data);
        *ret_size = room + data;
        return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2 || size > 16384)
                return 0;
        size_t n = size - 1;
        char *file = data[0] & 0x80 ? fuzz_copy(data + 1, n) : assemble(data + 1, n, &n);
        read_tensors(file, n);
        read_bundle(data[0] & 3, file, n);
        free(file);
        return 0;
}
