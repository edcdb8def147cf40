/* main.c: ewcctl: the command table, and nothing else. It talks to the daemon only, by the same HTTP API as
 * everybody. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const struct command commands[] = {
    {"status", cmd_status, "", 0, 0, 0, "what the daemon is doing, model by model"},
    {"model create", cmd_model_create, "FILE|-", 1, 1, 0, "create a model from a JSON description"},
    {"model list", cmd_model_list, "", 0, 0, 0, "names of all models"},
    {"model show", cmd_model_show, "MODEL", 1, 1, 0, "description, champion, learning settings"},
    {"feedback import", cmd_feedback_import, "MODEL FILE [LABELS]", 2, 3,
        FLAG_TASK | FLAG_ONLY | FLAG_SOURCE | FLAG_LABEL_COLUMN | FLAG_LIMIT | FLAG_SKIP | FLAG_BATCH,
        "send labelled rows: csv, ndjson, or idx images with an idx label file"},
    {"feedback show", cmd_feedback_show, "MODEL ID", 2, 2, 0, "what became of one event"},
    {"feedback erase", cmd_feedback_erase, "MODEL ID | MODEL --source NAME", 1, 2, FLAG_SOURCE | FLAG_REASON,
        "erase the features and label of one event, or of all of a source"},
    {"feedback release", cmd_feedback_release, "MODEL ID", 2, 2, FLAG_REJECT | FLAG_REASON,
        "learn from a quarantined event; with --reject erase it"},
    {"holdout import", cmd_holdout_import, "MODEL TASK FILE [LABELS]", 3, 4,
        FLAG_ONLY | FLAG_SOURCE | FLAG_LABEL_COLUMN | FLAG_LIMIT | FLAG_SKIP | FLAG_BATCH,
        "send rows you vouch for: they judge the task's versions and are never trained on"},
    {"source list", cmd_source_list, "MODEL", 1, 1, 0, "who the labels came from"},
    {"source unlearn", cmd_source_unlearn, "MODEL SOURCE", 2, 2, FLAG_WAIT | FLAG_REASON,
        "erase a source's rows, serve a version that never saw them, learn again"},
    {"predict", cmd_predict, "MODEL FILE [LABELS]", 2, 3,
        FLAG_TASK | FLAG_ONLY | FLAG_LABELS | FLAG_LABEL_COLUMN | FLAG_LIMIT | FLAG_SKIP | FLAG_BATCH,
        "print a label for every row; with --labels the accuracy"},
    {"consolidate", cmd_consolidate, "MODEL", 1, 1, FLAG_WAIT | FLAG_DRY_RUN,
        "learn from the open task's feedback now"},
    {"task list", cmd_task_list, "MODEL", 1, 1, 0, "tasks with their feedback and accuracy"},
    {"task rollover", cmd_task_rollover, "MODEL NEXT", 2, 2, FLAG_WAIT | FLAG_CLASSES,
        "close the open task, protect it, open the next"},
    {"task show", cmd_task_show, "MODEL TASK", 2, 2, 0, "what a closed task's Fisher protects, layer by layer"},
    {"task weigh", cmd_task_weigh, "MODEL TASK ALPHA", 3, 3, FLAG_WAIT | FLAG_REASON,
        "another weight of a closed task's protection; 0 drops its protection"},
    {"gate explain", cmd_gate_explain, "MODEL VERSION", 2, 2, 0, "what the gate judged, check by check"},
    {"version list", cmd_version_list, "MODEL", 1, 1, FLAG_LIMIT, "versions, newest first"},
    {"version show", cmd_version_show, "MODEL VERSION", 2, 2, 0, "lineage, evaluations and the gate's verdict"},
    {"version rollback", cmd_version_rollback, "MODEL VERSION", 2, 2, FLAG_REASON,
        "serve an older version again; closed tasks weigh again what they did on its line"},
    {"version promote", cmd_version_promote, "MODEL VERSION", 2, 2, FLAG_REASON,
        "make a version the champion, as @challenger or a dry run's candidate"},
    {"version diff", cmd_version_diff, "MODEL FROM TO", 3, 3, 0,
        "how two versions differ, layer by layer and by task"},
    {"version lineage", cmd_version_lineage, "MODEL VERSION", 2, 2, 0, "from this version back to the first"},
    {"version verify", cmd_version_verify, "MODEL VERSION --rebuild", 2, 2, FLAG_WAIT | FLAG_REBUILD,
        "train a version again and compare the bits"},
    {"version prune", cmd_version_prune, "MODEL KEEP", 2, 2, FLAG_REASON,
        "drop tensors of all but the newest KEEP versions and those something needs"},
    {"alias list", cmd_alias_list, "MODEL", 1, 1, 0, "names of versions, champion and challenger among them"},
    {"alias set", cmd_alias_set, "MODEL ALIAS VERSION", 3, 3, FLAG_REASON,
        "name a version, which stays loaded and is never pruned while it is named"},
    {"alias delete", cmd_alias_delete, "MODEL ALIAS", 2, 2, FLAG_REASON, "let a version go that was named"},
    {"job list", cmd_job_list, "MODEL", 1, 1, FLAG_LIMIT, "jobs, newest first"},
    {"job watch", cmd_job_watch, "MODEL JOB", 2, 2, 0, "live epoch, loss and penalty ratio"},
    {"job cancel", cmd_job_cancel, "MODEL JOB", 2, 2, 0, "stop a job; the champion keeps serving"},
};
const size_t n_commands = ARRAY_LEN(commands);

int main(int argc, char **argv)
{
        struct cli cli = {0};
        const struct command *command = NULL;
        struct err e = ERR_NULL;
        int r;

        signal(SIGPIPE, SIG_IGN);
        if (options_parse(argc, argv, &cli.opt, &command, &e) < 0) {
                cli.opt.json = options_json(argc, argv);
                return cli_refuse(&cli, EXIT_USAGE, 0, "%s", e.msg);
        }
        if (cli.opt.version) {
                printf("ewcctl %s\n", EWCD_VERSION);
                return EXIT_OK;
        }
        if (cli.opt.help) {
                usage_print(command, cli.opt.noun);
                return EXIT_OK;
        }
        r = command->run(&cli);
        client_free(cli.client);
        if (fflush(stdout) != 0 && r == EXIT_OK) {
                fprintf(stderr, "ewcctl: could not write to standard output\n");
                r = EXIT_FAILED;
        }
        return r;
}
