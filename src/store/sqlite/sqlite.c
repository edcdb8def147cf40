/* sqlite.c: the engine's table of verbs. Each is in the file named after its noun. */
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"

static int begin(struct store *s, struct err *e)
{
        return tx_begin(db_of(s), e);
}

static int commit(struct store *s, struct err *e)
{
        return tx_commit(db_of(s), e);
}

static void group_abort(struct store *s)
{
        tx_abort(db_of(s));
}

const struct store_ops store_sqlite = {
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = begin,
    .commit = commit,
    .abort = group_abort,
    .model_create = sqlite_model_create,
    .model_get = sqlite_model_get,
    .model_by_id = sqlite_model_by_id,
    .model_list = sqlite_model_list,
    .task_get = sqlite_task_get,
    .task_list = sqlite_task_list,
    .feedback_add = sqlite_feedback_add,
    .feedback_get = sqlite_feedback_get,
    .feedback_count = sqlite_feedback_count,
    .feedback_scan = sqlite_feedback_scan,
    .feedback_newest = sqlite_feedback_newest,
    .feedback_erase = sqlite_feedback_erase,
    .feedback_release = sqlite_feedback_release,
    .feedback_expire = sqlite_feedback_expire,
    .source_list = sqlite_source_list,
    .source_unlearn = sqlite_source_unlearn,
    .secret = sqlite_secret,
    .job_create = sqlite_job_create,
    .job_claim = sqlite_job_claim,
    .job_move = sqlite_job_move,
    .job_attempt = sqlite_job_attempt,
    .job_get = sqlite_job_get,
    .job_list = sqlite_job_list,
    .blob_chunk = sqlite_blob_chunk,
    .consolidation_commit = sqlite_consolidation_commit,
    .rollover_commit = sqlite_rollover_commit,
    .rebuild_commit = sqlite_rebuild_commit,
    .version_prune = sqlite_version_prune,
    .version_get = sqlite_version_get,
    .version_by_number = sqlite_version_by_number,
    .version_list = sqlite_version_list,
    .version_tensor = sqlite_version_tensor,
    .task_record = sqlite_task_record,
    .task_tensor = sqlite_task_tensor,
    .task_packed = sqlite_task_packed,
    .task_weight = sqlite_task_weight,
    .alias_get = sqlite_alias_get,
    .alias_list = sqlite_alias_list,
    .alias_delete = sqlite_alias_delete,
    .alias_set = sqlite_alias_set,
    .audit_list = sqlite_audit_list,
    .sizes = sqlite_sizes,
    .maintain = sqlite_maintain,
    .check = sqlite_check,
    .backup = sqlite_backup,
};
