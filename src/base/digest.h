/* digest.h: SHA-256 of bytes, whole or in pieces, and HMAC-SHA256. Only the functions that make something report a
 * lack of memory; see digest.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
        uint8_t b[32];
};

enum { DIGEST_HEX = 65 }; /* 64 hex digits and NUL */

void digest_of(const void *data, size_t n, struct digest *ret);
void digest_hex(const struct digest *d, char ret[DIGEST_HEX]);
bool digest_parse(const char *hex, struct digest *ret);
bool digest_eq(const struct digest *a, const struct digest *b);
uint64_t digest_u64(const struct digest *d); /* first eight bytes, big-endian */

struct digest_ctx;
struct digest_ctx *digest_new(void); /* NULL when memory is short */
void digest_add(struct digest_ctx *c, const void *data, size_t n);
void digest_finish(struct digest_ctx *c, struct digest *ret); /* frees c */
void digest_free(struct digest_ctx *c);                       /* accepts NULL */

/* HMAC-SHA256 (RFC 2104) under one key. Nothing is allocated after digest_key_new; one thread at a time. */
struct digest_key;
struct digest_key *digest_key_new(const void *key, size_t n); /* NULL when memory is short */
void digest_key_free(struct digest_key *k);                   /* accepts NULL; the key's bytes are overwritten */
/* A message begins with the first digest_hmac_add after the last finish. */
void digest_hmac_add(struct digest_key *k, const void *data, size_t n);
void digest_hmac_finish(struct digest_key *k, struct digest *ret);
void digest_hmac(struct digest_key *k, const void *data, size_t n, struct digest *ret); /* of the whole message */
