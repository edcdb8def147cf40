/* bundle.h: the three files between daemon and learner, as safetensors (architecture reference 5.2).
 *
 * job         theta/<tensor>, past.<k>.fisher/<tensor>, past.<k>.anchor/<tensor>, train.x .y .weight,
 *             replay.<k>.x .y, holdout.<k>.x .y; metadata ewcd.format "job/1", ewcd.job: kind, id, net, plan, tasks,
 *             heads as JSON
 * checkpoint  theta/…, optim, best/…, fisher_sum; metadata ewcd.format "checkpoint/2", ewcd.job_sha256, ewcd.state
 * result      theta/…, fisher/… (rollover); metadata ewcd.format "result/2", ewcd.job_sha256, ewcd.metrics (with
 *             reason when it diverged: the learner's own words)
 *
 * Parameters are one tensor per layer tensor, in vector order without gaps, so a reader maps them as one (P) vector
 * while other programs see named tensors. Readers trust nothing: every shape is checked against the net, every number
 * for being finite, labels and head indices against the outputs. What a reader returns points into the mapping and
 * the arena. */
#pragma once
#include "base/digest.h"
#include "base/file.h"
#include "domain/learn_job.h"

struct arena;
struct err;

#define BUNDLE_MAX_BYTES ((size_t)8 << 30)

int bundle_write_job(const char *path, const struct learn_job *job, struct err *e);
/* The digest identifies the job in checkpoint and result. map is filled and must outlive *ret. */
int bundle_read_job(const char *path, struct arena *a, struct file_map *map, struct learn_job *ret,
    struct digest *ret_digest, struct err *e);

int bundle_write_checkpoint(const char *path, const struct digest *job, const struct ewc_spec *net,
    const struct learn_state *s, struct err *e);
/* BUNDLE_OTHER_JOB: it belongs to another job. -ENOENT: none. */
enum { BUNDLE_OTHER_JOB = 1 };
int bundle_read_checkpoint(const char *path, const struct digest *job, const struct ewc_spec *net, struct arena *a,
    struct file_map *map, struct learn_state *ret, struct err *e);

int bundle_write_result(const char *path, const struct digest *job, const struct ewc_spec *net,
    const struct learn_result *r, struct err *e);
/* ret owns copies (learn_result_free). BUNDLE_OTHER_JOB as above. */
int bundle_read_result(
    const char *path, const struct digest *job, const struct ewc_spec *net, struct learn_result *ret, struct err *e);

int bundle_job_digest(const char *path, struct digest *ret, struct err *e); /* SHA-256 of the file */
