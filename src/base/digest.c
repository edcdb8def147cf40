/* digest.c: SHA-256 and HMAC through libcrypto.
 *
 * A digest names stored bytes, so a wrong one is worse than none: libcrypto refusing to hash, which it does only
 * when a few hundred bytes of memory are not to be had or its providers are missing, ends the process by an
 * assertion. A caller that would rather carry on starts with digest_new or digest_key_new, the only calls here
 * that allocate; once they have succeeded nothing more can fail.
 *
 * HMAC is put together here (RFC 2104: H(K ^ opad, H(K ^ ipad, text))) from libcrypto's plain SHA256 functions,
 * whose state is a struct that can be copied: its EVP interface allocates for every message, and ids of
 * predictions are made where nothing may be allocated. OpenSSL 3 calls those functions deprecated, in favour of
 * EVP. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include <assert.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

struct digest_ctx {
        EVP_MD_CTX *md;
};

void digest_of(const void *data, size_t n, struct digest *ret)
{
        struct digest d;
        int ok = EVP_Digest(n ? data : "", n, d.b, NULL, EVP_sha256(), NULL);
        assert(ok == 1);
        *ret = d;
}

struct digest_ctx *digest_new(void)
{
        struct digest_ctx *c = new_zero(struct digest_ctx);
        if (!c)
                return NULL;
        c->md = EVP_MD_CTX_new();
        if (!c->md || EVP_DigestInit_ex(c->md, EVP_sha256(), NULL) != 1) {
                digest_free(c);
                return NULL;
        }
        return c;
}

void digest_add(struct digest_ctx *c, const void *data, size_t n)
{
        int ok = n == 0 || EVP_DigestUpdate(c->md, data, n) == 1;
        assert(ok);
}

void digest_finish(struct digest_ctx *c, struct digest *ret)
{
        struct digest d;
        int ok = EVP_DigestFinal_ex(c->md, d.b, NULL);
        assert(ok == 1);
        digest_free(c);
        *ret = d;
}

void digest_free(struct digest_ctx *c)
{
        if (!c)
                return;
        EVP_MD_CTX_free(c->md);
        free(c);
}

/* --- HMAC --- */

enum { BLOCK = 64 };

struct digest_key {
        SHA256_CTX inner, outer; /* after the key under ipad, under opad */
        SHA256_CTX message;      /* if begun */
        bool begun;
};

/* What libcrypto's functions answer is checked like everywhere here; these cannot fail. */
static void add(SHA256_CTX *c, const void *data, size_t n)
{
        int ok = n == 0 || SHA256_Update(c, data, n) == 1;
        assert(ok);
}

static void begin(SHA256_CTX *c, const uint8_t key[BLOCK], uint8_t pad)
{
        uint8_t block[BLOCK];
        for (size_t i = 0; i < BLOCK; i++)
                block[i] = key[i] ^ pad;
        int ok = SHA256_Init(c) == 1;
        assert(ok);
        add(c, block, BLOCK);
        explicit_bzero(block, sizeof(block));
}

struct digest_key *digest_key_new(const void *key, size_t n)
{
        struct digest_key *k = new_zero(struct digest_key);
        uint8_t block[BLOCK] = {0};
        if (!k)
                return NULL;
        if (n > BLOCK)
                digest_of(key, n, (struct digest *)(void *)block);
        else if (n > 0)
                memcpy(block, key, n);
        begin(&k->inner, block, 0x36);
        begin(&k->outer, block, 0x5c);
        explicit_bzero(block, sizeof(block));
        return k;
}

void digest_key_free(struct digest_key *k)
{
        if (!k)
                return;
        explicit_bzero(k, sizeof(*k));
        free(k);
}

void digest_hmac_add(struct digest_key *k, const void *data, size_t n)
{
        if (!k->begun)
                k->message = k->inner;
        k->begun = true;
        add(&k->message, data, n);
}

static void finish(SHA256_CTX *c, struct digest *ret)
{
        int ok = SHA256_Final(ret->b, c) == 1;
        assert(ok);
}

void digest_hmac_finish(struct digest_key *k, struct digest *ret)
{
        struct digest inner, d;
        digest_hmac_add(k, NULL, 0);
        finish(&k->message, &inner);
        k->message = k->outer;
        add(&k->message, inner.b, sizeof(inner.b));
        finish(&k->message, &d);
        k->begun = false;
        *ret = d;
}

void digest_hmac(struct digest_key *k, const void *data, size_t n, struct digest *ret)
{
        digest_hmac_add(k, data, n);
        digest_hmac_finish(k, ret);
}

/* --- as text --- */

void digest_hex(const struct digest *d, char ret[DIGEST_HEX])
{
        str_hex(ret, d->b, sizeof(d->b));
        ret[DIGEST_HEX - 1] = '\0';
}

static int nibble(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool digest_parse(const char *hex, struct digest *ret)
{
        struct digest d;
        if (strnlen(hex, DIGEST_HEX) != DIGEST_HEX - 1)
                return false;
        for (size_t i = 0; i < sizeof(d.b); i++) {
                int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                d.b[i] = (uint8_t)(high << 4 | low);
        }
        *ret = d;
        return true;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
        return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

uint64_t digest_u64(const struct digest *d)
{
        uint64_t v = 0;
        for (int i = 0; i < 8; i++)
                v = v << 8 | d->b[i];
        return v;
}
