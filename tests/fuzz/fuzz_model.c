/* Fuzz target of model descriptions: what is accepted must survive the texts kept in the store, to the byte. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "fuzz.h"
#include "proto/json_model.h"

static void same(const struct buf *a, const struct buf *b)
{
        fuzz_check(!a->failed && !b->failed && a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

static void spec_keeps(const struct model_spec *s, struct arena *a)
{
        struct model_spec again;
        struct err e = ERR_NULL;
        struct buf once, twice;
        buf_init(&once, 1 << 20);
        buf_init(&twice, 1 << 20);
        json_spec_write(&once, s);
        char *text = arena_strndup(a, once.data, once.len);
        fuzz_check(text && json_spec_read(text, a, &again, &e) == 0);
        json_spec_write(&twice, &again);
        same(&once, &twice);
        buf_deinit(&once);
        buf_deinit(&twice);
}

static void learning_keeps(const struct learning *l, struct arena *a)
{
        struct learning again;
        struct err e = ERR_NULL;
        struct buf once, twice;
        buf_init(&once, 1 << 16);
        buf_init(&twice, 1 << 16);
        json_learning_write(&once, l);
        char *text = arena_strndup(a, once.data, once.len);
        fuzz_check(text && json_learning_read(text, &again, &e) == 0);
        json_learning_write(&twice, &again);
        same(&once, &twice);
        buf_deinit(&once);
        buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena a;
        struct model_spec s;
        struct learning l;
        struct err e = ERR_NULL;
        if (size > 4096)
                return 0;
        char *p = fuzz_copy(data, size);
        arena_init(&a, 1 << 22);
        if (json_model_read((struct slice){p, size}, &a, &s, &l, &e) == 0) {
                for (size_t i = 0; i < s.n_classes; i++)
                        fuzz_touch_text(s.classes[i]);
                spec_keeps(&s, &a);
                learning_keeps(&l, &a);
        } else {
                fuzz_check(e.code != 0 && e.msg[0]);
        }
        arena_deinit(&a);
        free(p);
        return 0;
}
