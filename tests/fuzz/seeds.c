/* seeds.c: writes valid inputs of the fuzz targets, one directory per target: seeds DIR.
 *
 * Bundles and packs come from the project's own writers, in the form the targets take them. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "fuzz.h"
#include "fuzz_job.h"
#include "proto/bundle.h"
#include <ewc/pack.h>
#include <zlib.h>

static const char *root;

static void seed(const char *target, const char *name, const void *data, size_t n)
{
        char path[512];
        struct err e = ERR_NULL;
        snprintf(path, sizeof(path), "%s/%s", root, target);
        fuzz_check(file_mkdir(path, 0700, &e) == 0);
        snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
        fuzz_check(file_replace(path, data, n, &e) == 0);
}

static const struct {
        const char *target, *text;
} texts[] = {
    {"num", "0000-12.375e-3"},
    {"num", "abcd16777217.000000000000000000000001"},
    {"num", "?xyz1.17549429e-38,"},
    {"oip", "{\"id\":\"a\",\"parameters\":{\"ewcd_task\":\"low\"},\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
            "\"datatype\":\"FP32\",\"data\":[[1,2.5],[-3e2,0]]}],\"outputs\":[{\"name\":\"probabilities\"}]}"},
    {"oip", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"INT64\",\"data\":[1,2,3]}]}"},
    {"oip", "{\"inputs\":[[1,2],[3,4e-2]],\"task\":\"low\",\"top_k\":3}"},
    {"oip", "{\"inputs\":[1,2,\"\\u00e9\"]}"},
    {"oip", "{\"inputs\":[[],[],[],1]}"},
    {"oip", "{\"inputs\":[{\"name\":\"x\",\"shape\":[3],\"datatype\":\"FP32\",\"data\":[[],[],1]}]}"},
    {"feedback", "0{\"events\":[{\"event_id\":\"a\",\"inputs\":[1,2.5],\"label\":\"7\",\"weight\":0.5,"
                 "\"observed_at\":\"2024-02-29T10:00:00Z\"},{\"inputs\":[1],\"labels\":[\"a\",1]},"
                 "{\"inputs\":[1],\"target\":[0.5],\"task\":\"low\",\"source\":\"s\"}]}"},
    {"feedback", "1{\"inputs\":[1,2],\"label\":3}\n\n{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":"
                 "\"FP32\",\"data\":[1,2]}],\"target\":1.5}\n{\"inputs\":[]}\n"},
    {"model", "{\"name\":\"m\",\"input\":{\"name\":\"image\",\"shape\":[2,3],\"scale\":0.5,\"offset\":[0,1,2,3,4,5]},"
              "\"classes\":[\"a\",1,\"zwei\"],\"scenario\":\"task\",\"layers\":[{\"type\":\"dense\",\"units\":4,"
              "\"activation\":\"relu\"}],\"loss\":\"sigmoid\",\"task\":\"low\",\"task_classes\":[\"a\"],\"learning\":"
              "{\"lambda\":\"auto\",\"optimizer\":{\"type\":\"sgd\",\"rate\":0.1},\"epochs\":3}}"},
    {"model", "{\"name\":\"c\",\"scenario\":\"class\",\"task\":\"all\",\"input\":{\"shape\":[8,8,1]},"
              "\"classes\":[\"a\",\"b\"],\"layers\":[{\"type\":\"conv\",\"units\":2,\"kernel\":3,\"stride\":1,"
              "\"padding\":1,\"activation\":\"relu\"},{\"type\":\"max_pool\",\"kernel\":2,\"stride\":2},"
              "{\"type\":\"flatten\"},{\"type\":\"dropout\",\"rate\":0.5}]}"},
    {"progress",
        "{\"event\":\"epoch\",\"fraction\":0.5,\"try\":1,\"epoch\":2,\"epochs\":3,\"step\":40,\"lambda\":0.1,"
        "\"loss\":null,\"penalty\":1e-3,\"penalty_ratio\":0.2}"},
    {"progress", "{\"event\":\"error\",\"message\":\"no \\u00e9 memory\"}"},
    {"rows", "00a,label,b\n1,x,2.5\n\"3\",\"y\"\"z\",-4e1\n"},
    {"rows", "601,2,3\n4,5,6\r\n"},
    {"rows", "00{\"inputs\":[1],\"label\":2}\n{\"inputs\":[2],\"label\":3}\n"},
    {"conf", "[listen]\nsocket = /run/x.sock\nsocket_mode = 0600\ntcp = 127.0.0.1:0\nallow_remote = no\n"
             "[server]\nthreads = 2 ; two\n[learner]\nkeep_files = true\n[log]\nlevel = debug\n"},
};

/* The NUL in front of the elements is the first byte that is not JSON, and the first element's own. */
static void seed_binary(void)
{
        static const char half[] =
            "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP16\",\"parameters\":"
            "{\"binary_data_size\":4}},{\"name\":\"y\",\"shape\":[1],\"datatype\":\"INT32\","
            "\"data\":[3]}],\"parameters\":{\"binary_data_output\":true}}\0\x3c\0\x40";
        static const char raw[24] = "\0\0\200\77\0\0\0\100";
        seed("oip", "binary", half, sizeof(half) - 1);
        seed("oip", "raw", raw, sizeof(raw));
}

static void seed_idx(void)
{
        static const char idx[] = "\1\12"
                                  "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\1abcd"
                                  "\0\0\10\1\0\0\0\2\3\4";
        seed("rows", "idx", idx, sizeof(idx) - 1);
}

static void seed_gzip(void)
{
        static const char csv[] = "a,label,b\n1,x,2.5\n3,y,4\n";
        struct err e = ERR_NULL;
        struct buf file, out;
        char path[512];
        snprintf(path, sizeof(path), "%s/tmp", root);
        gzFile gz = gzopen(path, "wb");
        fuzz_check(gz && gzputs(gz, csv) == (int)sizeof(csv) - 1 && gzclose(gz) == Z_OK);
        buf_init(&file, 1 << 16);
        buf_init(&out, 1 << 16);
        fuzz_check(file_read(path, 1 << 16, &file, &e) == 0);
        buf_puts(&out, "00");
        buf_put(&out, file.data, file.len);
        seed("rows", "gzip", out.data, out.len);
        buf_deinit(&file);
        buf_deinit(&out);
        unlink(path);
}

/* bytes (8192) = the layout's number in fuzz_pack, and a made-up Fisher's pack; how many. */
static size_t made_pack(char number, const struct ewc_pack_layout *layout, enum ewc_pack_encoding e, char *bytes)
{
        const struct ewc_pack_options o = {e, 0.4};
        float fisher[2048];
        size_t n;
        for (size_t i = 0; i < sizeof(fisher) / sizeof(fisher[0]); i++)
                fisher[i] = 0.1f * (float)(i * i % 11);
        bytes[0] = number;
        fuzz_check(ewc_pack_encode(layout, &o, fisher, 8192 - 1, bytes + 1, &n) == 0);
        return n + 1;
}

static void seed_packs(char number, const struct ewc_pack_layout *layout)
{
        for (int k = EWC_PACK_DENSE32; k <= EWC_PACK_CSR16; k++) {
                char bytes[8192], name[16];
                size_t n = made_pack(number, layout, (enum ewc_pack_encoding)k, bytes);
                snprintf(name, sizeof(name), "%s-%d", ewc_pack_name((enum ewc_pack_encoding)k), number);
                seed("pack", name, bytes, n);
        }
}

static void put_size(char *b, size_t v) /* below 65536 */
{
        b[0] = (char)(v & 0xff);
        b[1] = (char)(v >> 8);
}

/* One matrix as packs of version 1 have it: without the means, which stand at the end. */
static void seed_old_pack(char number, const struct ewc_pack_shape *s, enum ewc_pack_encoding e)
{
        const struct ewc_pack_layout layout = {1, s};
        char bytes[8192], name[16], *pack = bytes + 1;
        size_t n = made_pack(number, &layout, e, bytes) - 2 * (size_t)s->rows - 4 * (size_t)s->cols;
        pack[4] = 1;
        put_size(pack + 12, n - 1);
        put_size(pack + 16 + 12, n - 1 - 32);
        snprintf(name, sizeof(name), "%s-old", ewc_pack_name(e));
        seed("pack", name, bytes, n);
}

static void seed_pack(void)
{
        static const struct ewc_pack_shape small[2] = {{3, 4}, {1, 3}}, large = {40, 33};
        seed_packs(0, &(struct ewc_pack_layout){2, small});
        seed_packs(3, &(struct ewc_pack_layout){1, &large});
        seed_old_pack(3, &large, EWC_PACK_BITMAP16);
        seed_old_pack(3, &large, EWC_PACK_CSR16);
}

/* A bundle as fuzz_bundle takes it: its choice, the header without length, a NUL, the data; and as it is. */
static void seed_bundle(char which, const char *name, const char *path)
{
        struct err e = ERR_NULL;
        struct buf file, out;
        buf_init(&file, 1 << 20);
        buf_init(&out, 1 << 20);
        fuzz_check(file_read(path, 1 << 20, &file, &e) == 0 && file.len >= 8);
        size_t head = (size_t)(unsigned char)file.data[0] | (size_t)(unsigned char)file.data[1] << 8;
        fuzz_check(8 + head <= file.len);
        buf_putc(&out, which);
        buf_put(&out, file.data + 8, head);
        buf_putc(&out, '\0');
        buf_put(&out, file.data + 8 + head, file.len - 8 - head);
        seed("bundle", name, out.data, out.len);
        buf_deinit(&file);
        buf_deinit(&out);
}

static float v[128], x[6] = {1, 2, 3, 4, 5, 6}, target[8], weight[2] = {1, 0.5f};
static double sums[FUZZ_PARAMS];
static const struct output_score scores[2] = {{2, 1, 1}, {3, 1, 0}};
static struct evaluation measured = {
    .task = 7, .n = 2, .accuracy = 0.5, .ece = 0.25, .n_won = 1, .n_outputs = 2, .outputs = scores};

static struct learn_job a_job(void)
{
        static const int32_t label[2] = {2, 3};
        static const uint32_t out[2] = {2, 3};
        static const struct learn_past past = {.task = 5, .alpha = 1, .fisher = v, .anchor = v};
        static const struct learn_rows rows = {.task = 7, .head = {2, out}, .n = 2, .x = x, .label = label};
        return (struct learn_job){.kind = JOB_ROLLOVER,
            .id = 3,
            .net = fuzz_job_net,
            .theta = v,
            .n_past = 1,
            .past = &past,
            .train = rows,
            .n_replay = 1,
            .replay = &rows,
            .n_holdout = 1,
            .holdout = &rows,
            .plan = {.method = LEARN_EWC,
                .optim = {.type = EWC_OPTIM_ADAM, .rate = 0.1f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f},
                .epochs = 1,
                .batch = 2,
                .lambda = 0.1,
                .fisher = EWC_FISHER_SAMPLE,
                .threads = 1}};
}

static void seed_jobs(const char *path)
{
        struct err e = ERR_NULL;
        struct learn_job job = a_job();
        fuzz_check(bundle_write_job(path, &job, &e) == 0);
        seed_bundle(0, "job", path);
        job.n_replay = job.n_holdout = job.n_past = 0; /* all that jobs may have besides */
        job.net.loss = EWC_LOSS_SIGMOID;
        job.net.input = (struct ewc_shape){1, 3, 1};
        job.net.n_layers = 2;
        job.net.layers[0] =
            (struct ewc_layer){.type = EWC_LAYER_CONV, .units = 1, .kernel = 1, .stride = 1, .padding = 0};
        job.net.layers[1] = (struct ewc_layer){.type = EWC_LAYER_FLATTEN};
        job.train.label = NULL;
        job.train.target = target;
        job.train.weight = weight;
        job.n_optim_in = 4;
        job.optim_in = v;
        job.n_fresh = 1;
        job.plan.importance = LEARN_IMPORTANCE_SI;
        job.plan.si_damping = 0.1;
        fuzz_check(bundle_write_job(path, &job, &e) == 0);
        seed_bundle(0, "job2", path);
}

static void seed_checkpoint(const char *path)
{
        struct err e = ERR_NULL;
        struct learn_state s = {.phase = LEARN_PHASE_FISHER,
            .n_params = FUZZ_PARAMS,
            .theta = v,
            .n_optim = 4,
            .optim = v,
            .best = v,
            .n_before = 1,
            .before = &measured,
            .fisher_sum = sums,
            .n_tries = 1};
        fuzz_check(bundle_write_checkpoint(path, &fuzz_job_digest, &fuzz_job_net, &s, &e) == 0);
        seed_bundle(1, "checkpoint", path);
        s.fisher_sum = NULL;
        s.path = sums;
        s.phase = LEARN_PHASE_TRAIN;
        fuzz_check(bundle_write_checkpoint(path, &fuzz_job_digest, &fuzz_job_net, &s, &e) == 0);
        seed_bundle(1, "checkpoint2", path);
}

static void seed_result(const char *path)
{
        struct err e = ERR_NULL;
        struct learn_result q = {.n_params = FUZZ_PARAMS,
            .theta = v,
            .fisher = v,
            .fisher_info = {.kind = EWC_FISHER_SAMPLE},
            .n_optim = 4,
            .optim = v,
            .n_evaluations = 1,
            .before = &measured,
            .after = &measured,
            .n_tries = 1};
        fuzz_check(bundle_write_result(path, &fuzz_job_digest, &fuzz_job_net, &q, &e) == 0);
        seed_bundle(2, "result", path);
}

static void seed_bundles(void)
{
        char path[512];
        snprintf(path, sizeof(path), "%s/tmp", root);
        seed_jobs(path);
        seed_checkpoint(path);
        seed_result(path);
        unlink(path);
}

int main(int argc, char **argv)
{
        struct err e = ERR_NULL;
        if (argc != 2) {
                fprintf(stderr, "usage: %s DIR\n", argv[0]);
                return 2;
        }
        root = argv[1];
        fuzz_check(file_mkdir(root, 0700, &e) == 0);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                char name[16];
                snprintf(name, sizeof(name), "text%zu", i);
                seed(texts[i].target, name, texts[i].text, strlen(texts[i].text));
        }
        seed_idx();
        seed_binary();
        seed_gzip();
        seed_pack();
        seed_bundles();
        return 0;
}
