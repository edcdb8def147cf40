/* h_recall.h: predictions named, remembered, and found again by a label. On the loop. */
#pragma once
#include "infer/recall.h"
#include "server/prediction_id.h"
#include <stdbool.h>

struct batch_job;
struct served;
struct server;

bool h_remembers(const struct server *server, const struct served *s); /* predict.retain_rows is not 0 */
/* Row i of an answer: its id, by which it is found until it is overwritten or too old. */
void h_remember(
    struct server *server, const struct batch_job *j, size_t i, int64_t now_ms, char ret[PREDICTION_ID_SIZE]);

enum { H_RECALL_UNKNOWN = 1, H_RECALL_FORGOTTEN = 2 };
/* The prediction that id names, its inputs in inputs (spec.n_inputs). UNKNOWN: no version of the model gave it,
 * loaded or not, or it is none. FORGOTTEN: genuine, and no longer there; version and at_ms are filled, class is -1.
 * The store is not asked. */
int h_recall(struct server *server, const struct served *s, const char *id, int64_t now_ms, float *inputs,
    struct recalled *ret);
/* One prediction is one event: as recall_claim, recall_unclaim. When the event is erased, what was remembered goes,
 * too. Any thread. */
enum recall_claimed h_recall_claim(
    struct server *server, model_id m, const char *id, const char *event, char ret_first[KEY_SIZE]);
void h_recall_unclaim(struct server *server, model_id m, const char *id, const char *event);
/* The event of this id was erased: what was remembered of the prediction it named, or has its id of, goes, too. */
void h_recall_forget(struct server *server, model_id m, const char *id);
void h_recall_clear(struct server *server, model_id m); /* all that was remembered of the model's predictions */
