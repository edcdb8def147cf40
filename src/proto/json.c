/* json.c: the pieces every JSON writer of this room is made of. */
#include "proto/json.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "proto/num.h"
#include <math.h>

/* Bytes that are no UTF-8 would make the whole answer unreadable; such text is written with U+FFFD for each byte from
 * 0x80 on. */
void json_put_string_n(struct buf *b, const char *s, size_t n)
{
        static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        bool utf8 = str_is_utf8(s, n);
        size_t from = 0;
        buf_putc(b, '"');
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)s[i];
                if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || utf8))
                        continue;
                buf_put(b, s + from, i - from);
                from = i + 1;
                const char *at = c ? strchr(escaped, c) : NULL;
                if (at) {
                        buf_putc(b, '\\');
                        buf_putc(b, letters[at - escaped]);
                } else if (c >= 0x80) {
                        buf_puts(b, "\xef\xbf\xbd");
                } else {
                        buf_printf(b, "\\u%04x", c);
                }
        }
        buf_put(b, s + from, n - from);
        buf_putc(b, '"');
}

void json_put_string(struct buf *b, const char *s)
{
        json_put_string_n(b, s, strlen(s));
}

void json_put_key(struct buf *b, const char *key)
{
        buf_puts(b, ",\"");
        buf_puts(b, key);
        buf_puts(b, "\":");
}

void json_put_text(struct buf *b, const char *s)
{
        if (s)
                json_put_string(b, s);
        else
                buf_puts(b, "null");
}

void json_put_number(struct buf *b, double v)
{
        if (!isfinite(v)) {
                buf_puts(b, "null");
                return;
        }
        char *at = buf_reserve(b, NUM_F64_MAX);
        if (at)
                buf_advance(b, num_print_f64(at, v));
}

void json_put_float(struct buf *b, float v)
{
        if (!isfinite(v)) {
                buf_puts(b, "null");
                return;
        }
        char *at = buf_reserve(b, NUM_F32_MAX);
        if (at)
                buf_advance(b, num_print_f32(at, v));
}

void json_put_time(struct buf *b, int64_t wall_ms)
{
        char text[25];
        if (wall_ms == 0) {
                buf_puts(b, "null");
                return;
        }
        clock_format(wall_ms, text);
        json_put_string(b, text);
}

void json_put_id(struct buf *b, uint64_t id)
{
        if (id == 0)
                buf_puts(b, "null");
        else
                buf_put_u64(b, id);
}

void json_put_version(struct buf *b, uint64_t number)
{
        if (number == 0) {
                buf_puts(b, "null");
                return;
        }
        buf_putc(b, '"');
        buf_put_u64(b, number);
        buf_putc(b, '"');
}

/* Readers that keep numbers in doubles would change a larger seed silently, and some refuse it. */
void json_put_seed(struct buf *b, uint64_t seed)
{
        if (seed >> 53)
                json_put_version(b, seed);
        else
                buf_put_u64(b, seed);
}

void json_put_digest(struct buf *b, const struct digest *d)
{
        char hex[DIGEST_HEX];
        digest_hex(d, hex);
        buf_puts(b, "\"sha256:");
        buf_puts(b, hex);
        buf_putc(b, '"');
}

void json_put_range(struct buf *b, uint64_t first, uint64_t last)
{
        if (first == 0 || first > last)
                buf_puts(b, "null");
        else
                buf_printf(
                    b, "{\"first_seq\":%llu,\"last_seq\":%llu}", (unsigned long long)first, (unsigned long long)last);
}
