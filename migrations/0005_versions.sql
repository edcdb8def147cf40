-- Schema level 5: jobs that reweight, rebuild or only try; versions that wait, and versions whose tensors are gone.
--
-- The numbers a CHECK allows cannot be changed in place, nor can a NOT NULL be taken away, so tables job and version
-- are written anew under their old names. Foreign keys are not enforced while steps run; they are checked before the
-- commit.

CREATE TABLE new_job (
        id                 INTEGER PRIMARY KEY AUTOINCREMENT,
        model              INTEGER NOT NULL REFERENCES model (id),
        kind               INTEGER NOT NULL CHECK (kind IN (1, 2, 3, 4)),  -- 1 consolidate, 2 rollover, 3 reweight,
                           -- 4 rebuild
        state              INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4, 10, 11, 12, 13, 14, 15)), -- 1 queued,
                           -- 2 exporting, 3 running, 4 judging, 10 promoted, 11 rejected, 12 cancelled, 13 failed,
                           -- 14 candidate, 15 verified
        trigger_kind       INTEGER NOT NULL CHECK (trigger_kind IN (1, 2, 3, 4, 5, 6, 7, 8)), -- 1 manual,
                           -- 2 min_feedback, 3 interval, 4 daily, 5 accuracy, 6 inputs, 7 strategy, 8 unlearn
        trigger_value      INTEGER NOT NULL,
        trigger_text       TEXT    NOT NULL DEFAULT '',                    -- the reason in words
        strategy           INTEGER NOT NULL DEFAULT 0 CHECK (strategy IN (0, 1, 2, 3)), -- 0 fixed, 1 ewc, 2 replay,
                           -- 3 distill
        dry_run            INTEGER NOT NULL DEFAULT 0 CHECK (dry_run IN (0, 1)), -- 1: judged, consumes nothing
        upto_seq           INTEGER CHECK (upto_seq > 0),                   -- newest feedback.seq it may claim
        next_task          TEXT,                                           -- rollover: the task to open
        next_classes_given INTEGER NOT NULL CHECK (next_classes_given IN (0, 1)),
        alpha_task         INTEGER REFERENCES task (id),                   -- reweight: which closed task
        alpha              REAL CHECK (alpha >= 0),                        -- and its new weight
        rebuild_of         INTEGER REFERENCES version (id),                -- rebuild: which version
        who                TEXT    NOT NULL,
        parent             INTEGER REFERENCES version (id),
        task               INTEGER REFERENCES task (id),
        range_first        INTEGER,                                        -- feedback.seq, both ends included
        range_last         INTEGER,
        seed               INTEGER,
        attempts           INTEGER NOT NULL DEFAULT 0,                     -- learner starts
        version            INTEGER REFERENCES version (id),
        reason             TEXT    NOT NULL DEFAULT '',
        tries              TEXT,                                           -- canonical JSON; NULL: no search
        created_ms         INTEGER NOT NULL,
        started_ms         INTEGER,
        ended_ms           INTEGER,
        CHECK ((kind = 2) = (next_task IS NOT NULL)),
        CHECK ((kind = 3) = (alpha_task IS NOT NULL)),
        CHECK ((alpha_task IS NULL) = (alpha IS NULL)),
        CHECK ((kind = 4) = (rebuild_of IS NOT NULL))
) STRICT;
INSERT INTO new_job (id, model, kind, state, trigger_kind, trigger_value, next_task, next_classes_given, who, parent,
        task, range_first, range_last, seed, attempts, version, reason, tries, created_ms, started_ms, ended_ms)
        SELECT id, model, kind, state, trigger_kind, trigger_value, next_task, next_classes_given, who, parent, task,
        range_first, range_last, seed, attempts, version, reason, tries, created_ms, started_ms, ended_ms FROM job;
DROP TABLE job;
ALTER TABLE new_job RENAME TO job;
CREATE UNIQUE INDEX job_active ON job (model) WHERE state < 10;
CREATE INDEX job_task ON job (task, range_last);
CREATE INDEX job_model ON job (model, ended_ms);

-- A version's tensors are dropped together, when nothing needs them any more; the row stays and says which they were.
CREATE TABLE new_version (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        model            INTEGER NOT NULL REFERENCES model (id),
        number           INTEGER NOT NULL CHECK (number >= 1),             -- per model
        state            INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4)),   -- 1 initial, 2 promoted, 3 rejected,
                         -- 4 candidate
        parent           INTEGER REFERENCES version (id),
        job              INTEGER REFERENCES job (id),
        task             INTEGER REFERENCES task (id),                     -- the open task it was trained on
        n_params         INTEGER NOT NULL CHECK (n_params > 0),
        theta            BLOB    REFERENCES blob (digest),                 -- NULL: pruned
        fisher           BLOB    REFERENCES blob (digest),
        theta_old        BLOB    REFERENCES blob (digest),
        pruned_ms        INTEGER,
        pruned_theta     BLOB    CHECK (length(pruned_theta) = 32),        -- digests of the tensors it had
        pruned_fisher    BLOB    CHECK (length(pruned_fisher) = 32),
        pruned_theta_old BLOB    CHECK (length(pruned_theta_old) = 32),
        fisher_scale     REAL    NOT NULL DEFAULT 0,
        fisher_kind      INTEGER NOT NULL DEFAULT 0,                       -- 0 none, else as task.fisher_kind
        fisher_samples   INTEGER NOT NULL DEFAULT 0,
        importance       INTEGER NOT NULL DEFAULT 0 CHECK (importance IN (0, 1, 2)), -- as task.importance
        lambda           REAL    NOT NULL DEFAULT 0,                       -- of lambda sum F (theta - theta_old)^2
        strategy         INTEGER NOT NULL DEFAULT 0 CHECK (strategy IN (0, 1, 2, 3)), -- as job.strategy
        seed             INTEGER NOT NULL,
        range_first      INTEGER NOT NULL,
        range_last       INTEGER NOT NULL,
        n_train          INTEGER NOT NULL DEFAULT 0 CHECK (n_train >= 0),  -- rows of the open task it learned
        threads          INTEGER NOT NULL DEFAULT 0 CHECK (threads >= 0),  -- of its learner
        job_file         BLOB    CHECK (length(job_file) = 32),            -- of the bundle it was trained from
        program          TEXT    NOT NULL,
        gate             TEXT,                                             -- canonical JSON of the checks
        reason           TEXT    NOT NULL,
        created_ms       INTEGER NOT NULL,
        UNIQUE (model, number),
        CHECK ((fisher IS NULL) = (theta_old IS NULL)),
        CHECK ((pruned_ms IS NULL) = (theta IS NOT NULL)),
        CHECK ((pruned_ms IS NULL) = (pruned_theta IS NULL)),
        CHECK (pruned_ms IS NULL OR fisher IS NULL)
) STRICT;
INSERT INTO new_version (id, model, number, state, parent, job, task, n_params, theta, fisher, theta_old,
        fisher_scale, fisher_kind, fisher_samples, importance, lambda, seed, range_first, range_last, program, reason,
        created_ms)
        SELECT id, model, number, state, parent, job, task, n_params, theta, fisher, theta_old, fisher_scale,
        fisher_kind, fisher_samples, importance, lambda, seed, range_first, range_last, program, reason, created_ms
        FROM version;
DROP TABLE version;
ALTER TABLE new_version RENAME TO version;
CREATE INDEX version_theta ON version (theta);
CREATE INDEX version_fisher ON version (fisher);
CREATE INDEX version_theta_old ON version (theta_old);

-- The expected calibration error, NULL where there is none; what the quadratic model expected of the task's loss,
-- NULL where it was not asked; rows that the version answers rightly and its parent does not, and the reverse.
ALTER TABLE evaluation ADD COLUMN ece REAL;
ALTER TABLE evaluation ADD COLUMN parent_ece REAL;
ALTER TABLE evaluation ADD COLUMN predicted REAL;
ALTER TABLE evaluation ADD COLUMN n_won INTEGER NOT NULL DEFAULT 0 CHECK (n_won >= 0);
ALTER TABLE evaluation ADD COLUMN n_lost INTEGER NOT NULL DEFAULT 0 CHECK (n_lost >= 0);
