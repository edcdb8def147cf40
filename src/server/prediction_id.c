/* prediction_id.c: see prediction_id.h. Nothing is allocated but by prediction_ids_new. */
#include "server/prediction_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "server/event_id.h"
#include <string.h>

enum { TIME_BYTES = 6, VERSION_AT = 6, RANDOM_AT = 8, RANDOM_BYTES = 8, HEX = 16 };

struct prediction_ids {
        struct digest_key *key;
        struct event_source *random;
};

int prediction_ids_new(
    struct prediction_ids **ret, const uint8_t key[PREDICTION_KEY], struct event_source *random, struct err *e)
{
        struct prediction_ids *p = new_zero(struct prediction_ids);
        if (!p)
                return err_oom(e);
        p->key = digest_key_new(key, PREDICTION_KEY);
        if (!p->key) {
                free(p);
                return err_oom(e);
        }
        p->random = random;
        *ret = p;
        return 0;
}

void prediction_ids_free(struct prediction_ids *p)
{
        if (!p)
                return;
        digest_key_free(p->key);
        free(p);
}

/* --- text: 128 bits as 26 digits of Crockford's base 32, the first of three bits; 64 as hex --- */

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", hex[] = "0123456789abcdef";

/* Five bits of a 130-bit number whose upper two are 0. */
static void put_ulid(const uint8_t b[16], char ret[PREDICTION_ULID])
{
        unsigned held = 0, n = 2; /* n bits of held are not written yet */
        size_t at = 0;
        for (size_t i = 0; i < 16; i++) {
                held = (held << 8 | b[i]) & 0xfff;
                for (n += 8; n >= 5; n -= 5)
                        ret[at++] = digits[held >> (n - 5) & 31];
        }
}

static bool take_ulid(const char *text, uint8_t ret[16])
{
        unsigned held = 0, n = 0;
        size_t at = 0;
        for (size_t i = 0; i < PREDICTION_ULID; i++) {
                const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
                if (!digit || (i == 0 && digit - digits > 7))
                        return false;
                held = (held << 5 | (unsigned)(digit - digits)) & 0xfff;
                n += i == 0 ? 3 : 5;
                if (n >= 8) {
                        n -= 8;
                        ret[at++] = (uint8_t)(held >> n);
                }
        }
        return true;
}

static void put_hex(uint64_t v, char ret[HEX])
{
        for (size_t i = 0; i < HEX; i++)
                ret[i] = hex[v >> (60 - 4 * i) & 15];
}

static bool take_hex(const char *text, uint64_t *ret)
{
        uint64_t v = 0;
        for (size_t i = 0; i < HEX; i++) {
                const char *digit = text[i] ? strchr(hex, text[i]) : NULL;
                if (!digit)
                        return false;
                v = v << 4 | (uint64_t)(digit - hex);
        }
        *ret = v;
        return true;
}

/* --- ids --- */

/* The name ends with its NUL, so that no name and digest run together into another pair. */
static uint64_t mac_of(struct prediction_ids *p, const char ulid[PREDICTION_ULID], const struct prediction_of *of)
{
        struct digest d;
        digest_hmac_add(p->key, ulid, PREDICTION_ULID);
        digest_hmac_add(p->key, of->model, strlen(of->model) + 1);
        digest_hmac_add(p->key, of->digest, strlen(of->digest));
        digest_hmac_finish(p->key, &d);
        return digest_u64(&d);
}

void prediction_id_make(struct prediction_ids *p, int64_t now_ms, const struct prediction_of *of,
    struct prediction_id *ret, char ret_text[PREDICTION_ID_SIZE])
{
        struct prediction_id id;
        for (size_t i = 0; i < TIME_BYTES; i++)
                id.ulid[i] = (uint8_t)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
        id.ulid[VERSION_AT] = (uint8_t)(of->version >> 8);
        id.ulid[VERSION_AT + 1] = (uint8_t)of->version;
        event_draw(p->random, id.ulid + RANDOM_AT, RANDOM_BYTES);
        put_ulid(id.ulid, ret_text);
        id.mac = mac_of(p, ret_text, of);
        ret_text[PREDICTION_ULID] = '-';
        put_hex(id.mac, ret_text + PREDICTION_ULID + 1);
        ret_text[PREDICTION_ID_SIZE - 1] = '\0';
        *ret = id;
}

bool prediction_id_parse(const char *text, struct prediction_id *ret)
{
        struct prediction_id id;
        if (strnlen(text, PREDICTION_ID_SIZE) != PREDICTION_ID_SIZE - 1 || text[PREDICTION_ULID] != '-' ||
            !take_ulid(text, id.ulid) || !take_hex(text + PREDICTION_ULID + 1, &id.mac))
                return false;
        *ret = id;
        return true;
}

uint16_t prediction_id_version(const struct prediction_id *id)
{
        return (uint16_t)(id->ulid[VERSION_AT] << 8 | id->ulid[VERSION_AT + 1]);
}

int64_t prediction_id_time(const struct prediction_id *id)
{
        uint64_t ms = 0;
        for (size_t i = 0; i < TIME_BYTES; i++)
                ms = ms << 8 | id->ulid[i];
        return (int64_t)ms;
}

bool prediction_id_genuine(struct prediction_ids *p, const struct prediction_id *id, const struct prediction_of *of)
{
        char ulid[PREDICTION_ULID];
        put_ulid(id->ulid, ulid);
        return mac_of(p, ulid, of) == id->mac; /* one comparison of two words: its time tells nothing */
}
