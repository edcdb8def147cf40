/* test_maintain.c: checkpoints, sweeping, checks that find flipped bits, backup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lib/tmpdir.h"
#include "store/sqlite/db.h"
#include "unit/store/sqlite_case.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void sql(struct kit *k, const char *text)
{
        assert_int_equal(sqlite3_exec(db_of(k->s)->h, text, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t number(struct kit *k, const char *text)
{
        sqlite3_stmt *q;

        assert_int_equal(sqlite3_prepare_v2(db_of(k->s)->h, text, -1, &q, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        int64_t n = sqlite3_column_int64(q, 0);
        sqlite3_finalize(q);
        return n;
}

static void idle_work_checkpoints_and_tells_sizes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct store_health h;

        kit_fill(k, m, 0, 9);
        assert_true(db_of(k->s)->wal_pages > 0);
        store_sizes(k->s, &h);
        assert_true(h.db_bytes > 0 && h.wal_bytes > 0);
        assert_int_equal(h.n_feedback, 0); /* that would be a question to the database */
        assert_int_equal(store_maintain(k->s, &h, &k->e), 0);
        assert_int_equal(db_of(k->s)->wal_pages, 0);
        assert_int_equal(h.n_feedback, 9);
        assert_int_equal(h.schema, 9);
        assert_true(h.db_bytes > 4096 && h.wal_bytes > 0);
        assert_false(h.read_only);
        assert_int_equal(strncmp(h.engine, "sqlite 3.", 9), 0);
}

static void a_busy_store_checkpoints_past_the_limit(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct store_open reading = {.path = k->path, .read_only = true, .clock = &k->clock.clock};
        struct db *db = db_of(k->s);
        struct kit reader = *k;

        kit_fill(k, m, 0, 3);
        uint64_t before = db->wal_pages;
        db->wal_limit = before;
        kit_fill(k, m, 3, 4); /* reaches the limit: all of it is copied */
        kit_fill(k, m, 4, 5); /* begins the WAL anew */
        assert_true(db->wal_pages < before);
        assert_int_equal(db->wal_limit, WAL_LIMIT_PAGES);

        assert_int_equal(store_open(&reader.s, &store_sqlite, &reading, &k->e), 0);
        assert_int_equal(store_begin(reader.s, &k->e), 0);
        assert_int_equal(kit_rows(&reader, m), 5);
        before = db->wal_pages;
        assert_int_equal(store_begin(k->s, &k->e), 0); /* past the limit: a reader is in the way of starting anew */
        kit_fill(k, m, 5, 6);
        db->wal_limit = 1;
        assert_int_equal(store_commit(k->s, &k->e), 0);
        assert_true(db->wal_pages > before);
        assert_int_equal(kit_rows(&reader, m), 5);
        assert_int_equal(store_commit(reader.s, &k->e), 0);
        store_close(reader.s);
        assert_int_equal(kit_rows(k, m), 6);
}

static void unreferenced_chunks_go_in_small_steps(void **state)
{
        static float big[BLOB_CHUNK / 4 * 12];
        struct kit *k = *state;

        kit_model(k, "m", SCENARIO_DOMAIN);
        kit_blob(k, big, sizeof(big) / sizeof(float));
        assert_int_equal(number(k, "SELECT count(*) FROM blob_chunk"), 13);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_int_equal(number(k, "SELECT count(*) FROM blob_chunk"), 5); /* some now */
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_int_equal(number(k, "SELECT count(*) FROM blob_chunk"), 1); /* the model's own stays */
        assert_int_equal(number(k, "SELECT count(*) FROM blob"), 1);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

/* What pruning has left without a reference goes like anything else; a task's own record stays. */
static void tensors_of_pruned_versions_go_when_idle(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        uint64_t n = 0;

        kit_roll(k, m, "two", 1); /* three blobs; the task has two of them */
        kit_consolidate(k, m, 2, true);
        kit_consolidate(k, m, 3, true);
        assert_int_equal(number(k, "SELECT count(*) FROM blob"), 6);
        assert_int_equal(store_version_prune(k->s, m, 0, "retention", NULL, &n, &k->e), 0);
        assert_int_equal(n, 2);
        assert_int_equal(number(k, "SELECT count(*) FROM blob"), 6);
        for (int i = 0; i < 2; i++)
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_int_equal(number(k, "SELECT count(*) FROM blob"), 4);
        assert_int_equal(number(k, "SELECT count(*) FROM blob_chunk"), 4);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

/* A packed Fisher is a blob like any other: found by the full check, and by whoever reads it. */
static void a_flipped_bit_in_a_packed_fisher_is_found(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        unsigned char bytes[29], back[29];
        struct kit_outcome w;
        bool complete;
        version_id v = 0;

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(7 * i);
        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        digest_of(bytes, sizeof(bytes), &w.close.fisher);
        assert_int_equal(
            store_blob_chunk(k->s, &w.close.fisher, sizeof(bytes), 0, bytes, sizeof(bytes), &complete, &k->e), 0);
        w.close.stored = (struct fisher_stored){EWC_PACK_BITMAP16, sizeof(bytes), KIT_P, 3};
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        task_id one = kit_task(k, m, "one").id;
        assert_int_equal(store_task_packed(k->s, one, back, sizeof(back), &k->e), 0);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
        sql(k, "UPDATE blob_chunk SET data = zeroblob(29) WHERE length(data) = 29");
        assert_int_equal(store_task_packed(k->s, one, back, sizeof(back), &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "does not agree with its digest"));
        assert_int_equal(store_check(k->s, true, NULL, &k->e), -EBADMSG);
}

static void flipped_bits_are_found(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_filter all = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        float theta[KIT_P];
        int n = 0;

        kit_fill(k, m, 0, 2);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
        sql(k, "UPDATE feedback SET inputs = x'0000003f0000a03f' WHERE seq = 2");
        assert_int_equal(store_feedback_scan(k->s, m, &all, NULL, &n, &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "row 2"));
        assert_int_equal(store_check(k->s, true, NULL, &k->e), -EBADMSG);
        assert_int_equal(store_check(k->s, false, NULL, &k->e), 0);
        sql(k, "DELETE FROM feedback WHERE seq = 2");
        sql(k, "UPDATE blob_chunk SET data = zeroblob(length(data))");
        assert_int_equal(store_check(k->s, true, NULL, &k->e), -EBADMSG);
        assert_int_equal(store_version_tensor(k->s, 1, TENSOR_THETA, theta, KIT_P, &k->e), -EBADMSG);
}

static void a_reference_to_nothing_is_found(void **state)
{
        struct kit *k = *state;

        kit_model(k, "m", SCENARIO_DOMAIN);
        sql(k, "PRAGMA foreign_keys = OFF; UPDATE alias SET version = 99; PRAGMA foreign_keys = ON");
        assert_int_equal(store_check(k->s, true, NULL, &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "alias"));
}

static void an_unknown_number_is_damage(void **state)
{
        struct kit *k = *state;
        struct model got;

        kit_model(k, "m", SCENARIO_DOMAIN);
        sql(k, "PRAGMA ignore_check_constraints = ON; UPDATE model SET scenario = 9");
        assert_int_equal(store_model_get(k->s, "m", &k->a, &got, &k->e), -EBADMSG);
}

static void a_backup_is_a_whole_store(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct store_open reading = {.path = k->path, .read_only = true, .clock = &k->clock.clock};
        char path[256], wal[256], header[20];
        struct kit copy = *k;
        struct store *reader;

        kit_fill(k, m, 0, 5);
        tmpdir_path(path, sizeof(path), k->dir, "backup.db");
        tmpdir_path(wal, sizeof(wal), k->dir, "backup.db-wal");
        assert_int_equal(store_open(&reader, &store_sqlite, &reading, &k->e), 0);
        assert_int_equal(store_backup(reader, path, &k->e), 0);
        assert_false(file_exists(wal));
        kit_fill(k, m, 5, 6);
        assert_int_equal(store_backup(reader, path, &k->e), 0); /* replaces the older one */
        store_close(reader);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fread(header, 1, sizeof(header), f), sizeof(header));
        fclose(f);
        assert_int_equal(header[18], 1); /* a rollback journal, not WAL: one file is all of it */
        const struct store_open how = {.path = path, .clock = &k->clock.clock};
        assert_int_equal(store_open(&copy.s, &store_sqlite, &how, &k->e), 0);
        assert_int_equal(kit_rows(&copy, m), 6);
        assert_int_equal(store_check(copy.s, true, NULL, &k->e), 0);
        store_close(copy.s);
        assert_true(store_backup(k->s, "/nonexistent/dir/x", &k->e) < 0);
        kit_fill(k, m, 6, 7);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(idle_work_checkpoints_and_tells_sizes),
            T(a_busy_store_checkpoints_past_the_limit), T(unreferenced_chunks_go_in_small_steps),
            T(tensors_of_pruned_versions_go_when_idle), T(flipped_bits_are_found),
            T(a_flipped_bit_in_a_packed_fisher_is_found), T(a_reference_to_nothing_is_found),
            T(an_unknown_number_is_damage), T(a_backup_is_a_whole_store)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
