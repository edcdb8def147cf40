/* Fuzz target of a learner's line: what is accepted can be written, and is accepted again. */
#include "base/buf.h"
#include "base/err.h"
#include "fuzz.h"
#include "proto/progress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct progress_line l, again;
        struct err e = ERR_NULL;
        if (size > PROGRESS_LINE_MAX + 1)
                return 0;
        char *p = fuzz_copy(data, size);
        if (progress_parse((struct slice){p, size}, &l, &e) == 0) {
                struct buf b;
                buf_init(&b, 1 << 16);
                progress_write(&b, &l);
                fuzz_check(!b.failed && progress_parse((struct slice){b.data, b.len - 1}, &again, &e) == 0);
                fuzz_check(l.event == again.event && l.step == again.step && strcmp(l.message, again.message) == 0);
                buf_deinit(&b);
        }
        free(p);
        return 0;
}
