/* test_digest.c: published SHA-256 vectors (FIPS 180-2, appendix B), pieces against the whole, hex both ways. */
#include "base/digest.h"
#include "base/fault.h"
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

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(published_vectors),
            cmocka_unit_test(pieces_equal_the_whole),
            cmocka_unit_test(hex_round_trip_and_refusals),
            cmocka_unit_test(memory_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
