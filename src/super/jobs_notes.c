/* jobs_notes.c: what a run must know after a restart and the store does not keep: a line of text beside the job file.
 *
 * It tells a learner that gets on from one that does not. A start is fruitless when the learner ends without a newer
 * checkpoint than the one it found; the limit counts fruitless starts in a row. A learner ended by a daemon that
 * stops in good order has not failed, and its start is taken back. So is that of a learner which was not seen to end:
 * the daemon was killed and took it along, which is not its fault, unless it happens so often that it may well be.
 * "Newer" is asked of the first bytes of the file, where the learner's state stands: the same state written twice is
 * no progress. The line is written before the store counts the start: a number above the store's belongs to a start
 * that never happened. Notes that cannot be read count nothing. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "super/jobs_in.h"
#include "super/jobs_notes.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ORPHANS_MAX = 10 };
enum { LINE_MAX_BYTES = 256, HEAD_BYTES = 65536 };
#define FORM                                                                                                         \
        "starts %" PRIu32 " fruitless %" PRIu32 " unusable %" PRIu64 " checkpoint %s under_way %d orphaned %" PRIu32 \
        "\n"

void notes_read(const char *path, struct notes *ret)
{
        struct buf b;
        struct notes n = {0};
        char hex[DIGEST_HEX] = "";
        int under_way = 0;
        *ret = n;
        buf_init(&b, LINE_MAX_BYTES + 1);
        bool whole = file_read(path, LINE_MAX_BYTES, &b, NULL) == 0 &&
                     sscanf(b.data,
                         "starts %" SCNu32 " fruitless %" SCNu32 " unusable %" SCNu64
                         " checkpoint %64s under_way %d orphaned %" SCNu32,
                         &n.starts, &n.fruitless, &n.n_unusable, hex, &under_way, &n.orphaned) >= 4 &&
                     digest_parse(hex, &n.seen);
        n.under_way = under_way != 0;
        if (whole)
                *ret = n;
        buf_deinit(&b);
}

int notes_write(const char *path, const struct notes *n, struct err *e)
{
        char line[LINE_MAX_BYTES], hex[DIGEST_HEX];
        digest_hex(&n->seen, hex);
        int len = snprintf(
            line, sizeof(line), FORM, n->starts, n->fruitless, n->n_unusable, hex, n->under_way, n->orphaned);
        return file_replace(path, line, (size_t)len, e);
}

/* All zero without a checkpoint. */
static int checkpoint_identity(const char *path, struct digest *ret, struct err *e)
{
        size_t n = 0;
        ssize_t got = 1;
        *ret = (struct digest){0};
        _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : err_errno(e, errno, "open %s", path);
        _free_ char *head = new_array(char, HEAD_BYTES);
        if (!head)
                return err_oom(e);
        while (n < HEAD_BYTES && got > 0) {
                got = read(fd, head + n, HEAD_BYTES - n);
                if (got < 0 && errno == EINTR)
                        got = 1;
                else if (got < 0)
                        return err_errno(e, errno, "read %s", path);
                else
                        n += (size_t)got;
        }
        digest_of(head, n, ret);
        return 0;
}

int notes_start(struct run *r, struct err *e)
{
        struct notes n;
        struct digest now;
        int code = checkpoint_identity(r->checkpoint_path, &now, e);
        if (code < 0)
                return code;
        notes_read(r->notes_path, &n);
        bool happened = n.starts <= r->attempts;
        bool orphan = happened && n.under_way && n.orphaned < ORPHANS_MAX;
        n.orphaned += orphan;
        if ((!happened || orphan) && n.fruitless > 0)
                n.fruitless--;
        if (!digest_eq(&n.seen, &now))
                n.fruitless = n.orphaned = 0;
        if (n.fruitless >= r->jobs->conf.max_attempts)
                return NOTES_SPENT;
        n.starts = r->attempts + 1;
        n.seen = now;
        n.under_way = true;
        r->fruitless = ++n.fruitless;
        return notes_write(r->notes_path, &n, e);
}

static void end_start(const struct run *r, bool take_back)
{
        struct err e = ERR_NULL;
        struct notes n;
        notes_read(r->notes_path, &n);
        if (n.fruitless == 0)
                return;
        n.fruitless -= take_back;
        n.under_way = false;
        if (notes_write(r->notes_path, &n, &e) < 0)
                log_warning("job %" PRIu64 ": %s", r->id, e.msg);
}

void notes_take_back(const struct run *r)
{
        end_start(r, true);
}

void notes_ended(const struct run *r)
{
        end_start(r, false);
}
