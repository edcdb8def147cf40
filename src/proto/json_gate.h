/* json_gate.h: what the gate found, as it is stored with a version and shown. */
#pragma once
#include "domain/gate.h"

struct buf;

struct gate_record {
        const char *verdict; /* "promoted", "rejected" or "candidate" */
        const char *reason;
        size_t n_checks;
        const struct gate_check *checks;
        size_t n_tasks;
        const struct gate_task *tasks;
};

/* {"verdict","reason","checks":[{"check","task","class","passed","value","limit","noise","words"}],"tasks":[{"task",
 * "n","accuracy_before","accuracy_after","ece_before","ece_after","loss_before","loss_after",
 * "loss_change_predicted","n_won","n_lost"}]}. Canonical: keys in this order, no space, the shortest form of every
 * number; what is not known is null, as are noise 0 and the class of a check that is about no class. */
void json_gate_write(struct buf *b, const struct gate_record *r);
