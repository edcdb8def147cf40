/* test_prediction_id.c: ids of predictions: the text of a ULID against published ones, genuine and forged ones;
 * and the source of random names. */
#include "base/digest.h"
#include "base/err.h"
#include "base/fault.h"
#include "lib/count_alloc.h"
#include "server/event_id.h"
#include "server/prediction_id.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t seed[EVENT_SEED] = {1, 2, 3}, key[PREDICTION_KEY] = {4, 5, 6};
static const char digest[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct kit {
        struct event_source *random;
        struct prediction_ids *ids;
};

static struct kit made(const uint8_t *k)
{
        struct kit kit = {0};
        struct err e = ERR_NULL;
        assert_int_equal(event_source_new(&kit.random, seed, 0, &e), 0);
        assert_int_equal(prediction_ids_new(&kit.ids, k, kit.random, &e), 0);
        return kit;
}

static void drop(struct kit *k)
{
        prediction_ids_free(k->ids);
        event_source_free(k->random);
}

/* The ULID specification's example: 01ARZ3NDEKTSV4RRFFQ69G5FAV is 1469922850259 ms and the 80 bits
 * d6764c61efb99302bd5b. */
static void the_text_is_a_ulid(void **state)
{
        (void)state;
        static const uint8_t want[16] = {
            0x01, 0x56, 0x3e, 0x3a, 0xb5, 0xd3, 0xd6, 0x76, 0x4c, 0x61, 0xef, 0xb9, 0x93, 0x02, 0xbd, 0x5b};
        struct prediction_id id;
        assert_true(prediction_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef", &id));
        assert_memory_equal(id.ulid, want, 16);
        assert_true(id.mac == UINT64_C(0x0123456789abcdef));
        assert_int_equal(prediction_id_version(&id), 0xd676);
        assert_true(prediction_id_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ-ffffffffffffffff", &id));
        for (int i = 0; i < 16; i++)
                assert_int_equal(id.ulid[i], 0xff);
        assert_true(prediction_id_parse("00000000000000000000000000-0000000000000000", &id));
        for (int i = 0; i < 16; i++)
                assert_int_equal(id.ulid[i], 0);
}

static void what_does_not_look_like_one(void **state)
{
        (void)state;
        static const char good[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef";
        struct prediction_id id;
        char text[64];
        for (size_t i = 0; i < sizeof(good); i++) { /* cut short */
                strcpy(text, good);
                text[i] = '\0';
                assert_int_equal(prediction_id_parse(text, &id), i == sizeof(good) - 1);
        }
        for (size_t i = 0; i + 1 < sizeof(good); i++) { /* another character, of neither alphabet */
                strcpy(text, good);
                text[i] = 'U';
                assert_false(prediction_id_parse(text, &id));
        }
        snprintf(text, sizeof(text), "%s0", good);
        assert_false(prediction_id_parse(text, &id));
        assert_false(prediction_id_parse("81ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef", &id)); /* 129 bits */
        assert_false(prediction_id_parse("01arz3ndektsv4rrffq69g5fav-0123456789abcdef", &id));
        assert_false(prediction_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789ABCDEF", &id));
}

static void genuine_and_forged(void **state)
{
        (void)state;
        static const uint8_t other_key[PREDICTION_KEY] = {9};
        struct kit k = made(key), other = made(other_key);
        struct prediction_of of = {"digits", 70000, digest};
        struct prediction_id id, back, forged;
        char text[PREDICTION_ID_SIZE];
        prediction_id_make(k.ids, INT64_C(1469922850259), &of, &id, text);
        assert_memory_equal(text, "01ARZ3NDEK", 10); /* the time stands in front */
        assert_true(prediction_id_parse(text, &back));
        assert_memory_equal(back.ulid, id.ulid, 16);
        assert_true(back.mac == id.mac);
        assert_int_equal(prediction_id_version(&back), 70000 & 0xffff);
        assert_true(prediction_id_genuine(k.ids, &back, &of));
        assert_false(prediction_id_genuine(other.ids, &back, &of));
        assert_false(prediction_id_genuine(k.ids, &back, &(struct prediction_of){"digit", 70000, digest}));
        assert_false(prediction_id_genuine(k.ids, &back, &(struct prediction_of){"digits", 70000, digest + 1}));
        for (int bit = 0; bit < 128; bit++) {
                forged = back;
                forged.ulid[bit / 8] ^= (uint8_t)(1 << bit % 8);
                assert_false(prediction_id_genuine(k.ids, &forged, &of));
        }
        for (int bit = 0; bit < 64; bit++) {
                forged = back;
                forged.mac ^= UINT64_C(1) << bit;
                assert_false(prediction_id_genuine(k.ids, &forged, &of));
        }
        drop(&k);
        drop(&other);
}

/* The code is the one the header tells, computed here from its parts. */
static void the_code_is_the_headers(void **state)
{
        (void)state;
        struct kit k = made(key);
        struct prediction_id id;
        struct digest d;
        char text[PREDICTION_ID_SIZE], all[200];
        prediction_id_make(k.ids, 1, &(struct prediction_of){"m", 3, digest}, &id, text);
        memcpy(all, text, PREDICTION_ULID);
        memcpy(all + PREDICTION_ULID, "m", 2);
        strcpy(all + PREDICTION_ULID + 2, digest);
        struct digest_key *hmac = digest_key_new(key, sizeof(key));
        digest_hmac(hmac, all, PREDICTION_ULID + 2 + 64, &d);
        assert_true(digest_u64(&d) == id.mac);
        digest_key_free(hmac);
        drop(&k);
}

static void no_two_are_equal_and_nothing_is_allocated(void **state)
{
        (void)state;
        enum { N = 2000 };
        static char text[N][PREDICTION_ID_SIZE];
        struct kit k = made(key);
        struct prediction_id id;
        size_t before = n_allocations;
        for (int i = 0; i < N; i++)
                prediction_id_make(k.ids, 5, &(struct prediction_of){"m", 3, digest}, &id, text[i]);
        assert_int_equal(n_allocations, before);
        for (int i = 0; i < N; i++)
                for (int j = 0; j < i; j++)
                        assert_memory_not_equal(text[i], text[j], PREDICTION_ULID);
        drop(&k);
}

static void random_names(void **state)
{
        (void)state;
        struct event_source *a = NULL, *same = NULL, *other = NULL;
        struct err e = ERR_NULL;
        char x[EVENT_ID_SIZE], y[EVENT_ID_SIZE], z[EVENT_ID_SIZE];
        uint8_t fresh[2][EVENT_SEED];
        assert_int_equal(event_source_new(&a, seed, 0, &e), 0);
        assert_int_equal(event_source_new(&same, seed, 0, &e), 0);
        assert_int_equal(event_source_new(&other, seed, 1, &e), 0);
        for (int i = 0; i < 50; i++) { /* a seed decides; every loop has its own */
                event_id(a, "srv-", x);
                event_id(same, "srv-", y);
                event_id(other, "srv-", z);
                assert_string_equal(x, y);
                assert_string_not_equal(x, z);
                assert_int_equal(strlen(x), 36);
                event_id(same, "", y);
                assert_string_not_equal(x + 4, y);
                event_id(a, "", y);
        }
        assert_int_equal(event_seed(fresh[0], &e), 0);
        assert_int_equal(event_seed(fresh[1], &e), 0);
        assert_memory_not_equal(fresh[0], fresh[1], EVENT_SEED);
        event_source_free(a);
        event_source_free(same);
        event_source_free(other);
}

static void memory_short(void **state)
{
        (void)state;
        struct event_source *s = NULL;
        struct prediction_ids *p = NULL;
        struct err e = ERR_NULL;
        for (int i = 1; i <= 2; i++) { /* the object, its key */
                fault_arm(0, i);
                assert_int_equal(event_source_new(&s, seed, 0, &e), -ENOMEM);
                fault_arm(0, i);
                assert_int_equal(prediction_ids_new(&p, key, NULL, &e), -ENOMEM);
                fault_disarm();
        }
        event_source_free(NULL);
        prediction_ids_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_text_is_a_ulid),
            cmocka_unit_test(what_does_not_look_like_one),
            cmocka_unit_test(genuine_and_forged),
            cmocka_unit_test(the_code_is_the_headers),
            cmocka_unit_test(no_two_are_equal_and_nothing_is_allocated),
            cmocka_unit_test(random_names),
            cmocka_unit_test(memory_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
