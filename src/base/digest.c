/* digest.c: SHA-256 through libcrypto.
 *
 * A digest names stored bytes, so a wrong one is worse than none: libcrypto refusing to hash, which it does only
 * when a few hundred bytes of memory are not to be had or its providers are missing, ends the process by an
 * assertion. A caller that would rather carry on starts with digest_new, the only call here that allocates; once it
 * has succeeded nothing more can fail. */
#include "base/digest.h"
#include "base/mem.h"
#include <assert.h>
#include <string.h>
#include <openssl/evp.h>

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

void digest_hex(const struct digest *d, char ret[DIGEST_HEX])
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < sizeof(d->b); i++) {
                ret[2 * i] = digits[d->b[i] >> 4];
                ret[2 * i + 1] = digits[d->b[i] & 15];
        }
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
