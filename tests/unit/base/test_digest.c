/* test_digest.c: published vectors of SHA-256 (FIPS 180-2, appendix B) and of HMAC-SHA256 (RFC 4231), pieces
 * against the whole, hex both ways. */
#include "base/digest.h"
#include "base/fault.h"
#include "base/mem.h"
#include "lib/count_alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
        const char *text, *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void published_vectors(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
                struct digest d;
                char hex[DIGEST_HEX];
                digest_of(vectors[i].text, strlen(vectors[i].text), &d);
                digest_hex(&d, hex);
                assert_string_equal(hex, vectors[i].hex);
        }
        struct digest none;
        digest_of(NULL, 0, &none);
        assert_int_equal(none.b[0], 0xe3);
        assert_true(digest_u64(&none) == UINT64_C(0xe3b0c44298fc1c14));
}

static void pieces_equal_the_whole(void **state)
{
        (void)state;
        uint8_t data[1000];
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 7 + i / 256);
        struct digest whole, pieces;
        digest_of(data, sizeof(data), &whole);
        for (size_t step = 1; step < 130; step += 3) {
                struct digest_ctx *c = digest_new();
                assert_non_null(c);
                for (size_t i = 0; i < sizeof(data); i += step)
                        digest_add(c, data + i, step < sizeof(data) - i ? step : sizeof(data) - i);
                digest_add(c, NULL, 0);
                digest_finish(c, &pieces);
                assert_true(digest_eq(&whole, &pieces));
        }
        whole.b[31] ^= 1;
        assert_false(digest_eq(&whole, &pieces));
}

static void hex_round_trip_and_refusals(void **state)
{
        (void)state;
        struct digest d, back = {{0}};
        char hex[80];
        digest_of("x", 1, &d);
        digest_hex(&d, hex);
        assert_true(digest_parse(hex, &back) && digest_eq(&d, &back));
        strcpy(hex + 64, "0");
        assert_false(digest_parse(hex, &back));
        hex[63] = '\0';
        assert_false(digest_parse(hex, &back));
        hex[63] = 'g', hex[64] = '\0';
        assert_false(digest_parse(hex, &back));
        assert_false(digest_parse("", &back));
        assert_true(digest_eq(&d, &back));
}

static void memory_short(void **state)
{
        (void)state;
        fault_arm(0, 1);
        assert_null(digest_new());
        fault_disarm();
        digest_free(digest_new());
        digest_free(NULL);
}

/* --- HMAC --- */

static const struct {
        const char *key;
        size_t n_key; /* of bytes filled with key[0] when key is one character long */
        const char *text;
        size_t n_text;
        const char *hex;
} rfc4231[] = {
    {"\x0b", 20, "Hi There", 0, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", 0, "what do ya want for nothing?", 0,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"\xaa", 20, "\xdd", 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"\xaa", 131,
        "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
        "hashed before being used by the HMAC algorithm.",
        0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static size_t fill(uint8_t to[256], const char *text, size_t repeated)
{
        size_t n = repeated ? repeated : strlen(text);
        for (size_t i = 0; i < n; i++)
                to[i] = (uint8_t)text[repeated ? 0 : i];
        return n;
}

static void hmac_vectors(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rfc4231); i++) {
                uint8_t key[256], text[256];
                char hex[DIGEST_HEX];
                struct digest d;
                size_t n_key = fill(key, rfc4231[i].key, rfc4231[i].n_key);
                size_t n = fill(text, rfc4231[i].text, rfc4231[i].n_text);
                struct digest_key *k = digest_key_new(key, n_key);
                assert_non_null(k);
                for (int round = 0; round < 2; round++) { /* the key serves many messages */
                        digest_hmac(k, text, n, &d);
                        digest_hex(&d, hex);
                        assert_string_equal(hex, rfc4231[i].hex);
                }
                for (size_t at = 0; at < n; at++)
                        digest_hmac_add(k, text + at, 1);
                digest_hmac_finish(k, &d);
                digest_hex(&d, hex);
                assert_string_equal(hex, rfc4231[i].hex);
                digest_key_free(k);
        }
}

static void hmac_allocates_nothing(void **state)
{
        (void)state;
        struct digest d;
        struct digest_key *k = digest_key_new("key", 3);
        assert_non_null(k);
        digest_hmac(k, "x", 1, &d);
        size_t before = n_allocations;
        for (int i = 0; i < 100; i++)
                digest_hmac(k, "x", 1, &d);
        assert_int_equal(n_allocations, before);
        digest_key_free(k);
        fault_arm(0, 1);
        assert_null(digest_key_new("key", 3));
        fault_disarm();
        digest_key_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(published_vectors),
            cmocka_unit_test(pieces_equal_the_whole),
            cmocka_unit_test(hex_round_trip_and_refusals),
            cmocka_unit_test(memory_short),
            cmocka_unit_test(hmac_vectors),
            cmocka_unit_test(hmac_allocates_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
