-- ewcd, schema level 1. The schema is public: a backup may be opened with the sqlite3 shell or any tool that reads
-- SQLite files. Applied once, recorded in schema_migration with its SHA-256; never edited afterwards.
--
-- Conventions: times are milliseconds since the epoch (UTC), NULL for "not yet". Digests are 32 bytes of SHA-256.
-- Vectors are little-endian IEEE float32. Enums are integers whose numbers are frozen; each column lists them.
-- 64-bit unsigned values (seeds) are stored as the signed integer of the same bits.

-- Which steps brought the file to its level (PRAGMA user_version).
CREATE TABLE schema_migration (
        version     INTEGER PRIMARY KEY,
        name        TEXT    NOT NULL,
        sha256      TEXT    NOT NULL,            -- of the step's text, 64 hex digits
        app_version TEXT    NOT NULL,
        applied_at  INTEGER NOT NULL
) STRICT;

-- One row: whether the last program that wrote here closed the file properly. If not, the next open checks the file.
CREATE TABLE store_state (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        clean INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;
INSERT INTO store_state (id, clean) VALUES (1, 1);

-- A model: one net that learns a sequence of tasks. The two descriptions are canonical JSON, as given by its creator.
CREATE TABLE model (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        name       TEXT    NOT NULL UNIQUE,
        scenario   INTEGER NOT NULL CHECK (scenario IN (1, 2, 3)), -- 1 task, 2 domain, 3 class
        spec       TEXT    NOT NULL,
        learning   TEXT    NOT NULL,
        used_seq   INTEGER NOT NULL DEFAULT 0,   -- newest feedback a judged job has consumed
        created_ms INTEGER NOT NULL
) STRICT;

-- The classes of a model; ordinal is the identity other tables use. Grows by rollovers in scenario class.
CREATE TABLE class (
        model   INTEGER NOT NULL REFERENCES model (id),
        ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
        name    TEXT    NOT NULL,
        PRIMARY KEY (model, ordinal),
        UNIQUE (model, name)
) STRICT, WITHOUT ROWID;

-- Tensors by content. A blob is visible (complete) when all its chunks are there and their hash is the digest; equal
-- tensors of several versions are one blob. Rows nothing refers to are removed when the store is idle.
CREATE TABLE blob (
        digest    BLOB    PRIMARY KEY NOT NULL CHECK (length(digest) = 32),
        size      INTEGER NOT NULL CHECK (size > 0),               -- bytes
        complete  INTEGER NOT NULL CHECK (complete IN (0, 1)),
        staged_ms INTEGER NOT NULL                                 -- last time somebody began to write it
) STRICT;

-- Pieces of 262144 bytes, the last one shorter, numbered from 0.
CREATE TABLE blob_chunk (
        digest BLOB    NOT NULL REFERENCES blob (digest) ON DELETE CASCADE,
        number INTEGER NOT NULL CHECK (number >= 0),
        data   BLOB    NOT NULL,
        UNIQUE (digest, number)
) STRICT;

-- A task of a model: exactly one is open. A closed task carries its protection: the diagonal Fisher information
-- (mean 1 over the protected parameters) and theta_old, the parameters at its close.
CREATE TABLE task (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        model            INTEGER NOT NULL REFERENCES model (id),
        name             TEXT    NOT NULL,
        ordinal          INTEGER NOT NULL CHECK (ordinal >= 0),     -- order of opening
        state            INTEGER NOT NULL CHECK (state IN (1, 2)),  -- 1 open, 2 closed
        classes_fixed    INTEGER NOT NULL CHECK (classes_fixed IN (0, 1)), -- given, not taken from its feedback
        alpha            REAL    NOT NULL DEFAULT 1.0,              -- weight of its penalty
        opened_ms        INTEGER NOT NULL,
        closed_ms        INTEGER,
        closed_by        INTEGER REFERENCES version (id),
        fisher           BLOB    REFERENCES blob (digest),
        theta_old        BLOB    REFERENCES blob (digest),
        n_outputs        INTEGER,                                   -- layout of fisher and theta_old
        n_params         INTEGER,
        fisher_kind      INTEGER,                                   -- 1 exact, 2 empirical, 3 sample, 4 batched
        fisher_samples   INTEGER,
        fisher_protected INTEGER,                                   -- protected parameters
        fisher_factor    REAL,                                      -- raw Fisher = factor * stored
        fisher_trace     REAL,
        UNIQUE (model, name),
        UNIQUE (model, ordinal),
        CHECK (state = 1 OR (closed_ms IS NOT NULL AND closed_by IS NOT NULL AND fisher IS NOT NULL
                             AND theta_old IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX task_open ON task (model) WHERE state = 1;
CREATE INDEX task_fisher ON task (fisher);
CREATE INDEX task_theta_old ON task (theta_old);
CREATE INDEX task_closed_by ON task (closed_by);

-- Classes of a task: the given ones, or, of a closed task, those its feedback used.
CREATE TABLE task_class (
        task  INTEGER NOT NULL REFERENCES task (id),
        class INTEGER NOT NULL CHECK (class >= 0),
        PRIMARY KEY (task, class)
) STRICT, WITHOUT ROWID;

-- Labelled events, in the order they were accepted; seq is never reused. The vectors stand last, so that counting
-- does not read them.
CREATE TABLE feedback (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        model       INTEGER NOT NULL REFERENCES model (id),
        task        INTEGER NOT NULL REFERENCES task (id),
        task_named  INTEGER NOT NULL CHECK (task_named IN (0, 1)), -- 0: a rollover may hand it to the next task
        holdout     INTEGER NOT NULL CHECK (holdout IN (0, 1)),    -- 1: measured on, never trained on
        class       INTEGER NOT NULL CHECK (class >= -1),          -- class.ordinal, or -1: see targets
        weight      REAL    NOT NULL,
        observed_ms INTEGER,
        received_ms INTEGER NOT NULL,
        source      TEXT    NOT NULL,                              -- '' if none
        event_id    TEXT    NOT NULL,
        payload     BLOB    NOT NULL CHECK (length(payload) = 32), -- over all the client sent: a retry or a conflict
        content     BLOB    NOT NULL CHECK (length(content) = 32), -- SHA-256 of inputs followed by targets
        inputs      BLOB    NOT NULL,                              -- raw, before scale and offset
        targets     BLOB,
        UNIQUE (model, event_id, source),
        CHECK ((class = -1) = (targets IS NOT NULL))
) STRICT;
CREATE INDEX feedback_model ON feedback (model, seq);
CREATE INDEX feedback_task ON feedback (task, seq, holdout);

-- How many feedback rows a task has, by split and class (-1: rows with targets). Kept in step by every transaction
-- that adds or moves rows.
CREATE TABLE task_count (
        task    INTEGER NOT NULL REFERENCES task (id),
        holdout INTEGER NOT NULL CHECK (holdout IN (0, 1)),
        class   INTEGER NOT NULL CHECK (class >= -1),
        n       INTEGER NOT NULL CHECK (n >= 0),
        PRIMARY KEY (task, holdout, class)
) STRICT, WITHOUT ROWID;

-- One training: at most one per model has not ended. Parent, task, range and seed are fixed when it is claimed.
CREATE TABLE job (
        id                 INTEGER PRIMARY KEY AUTOINCREMENT,
        model              INTEGER NOT NULL REFERENCES model (id),
        kind               INTEGER NOT NULL CHECK (kind IN (1, 2)),        -- 1 consolidate, 2 rollover
        state              INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4, 10, 11, 12, 13)), -- 1 queued, 2 exporting,
                           -- 3 running, 4 judging, 10 promoted, 11 rejected, 12 cancelled, 13 failed
        trigger_kind       INTEGER NOT NULL CHECK (trigger_kind IN (1, 2, 3)), -- 1 manual, 2 min_feedback, 3 interval
        trigger_value      INTEGER NOT NULL,
        next_task          TEXT,                                           -- rollover: the task to open
        next_classes_given INTEGER NOT NULL CHECK (next_classes_given IN (0, 1)),
        who                TEXT    NOT NULL,
        parent             INTEGER REFERENCES version (id),
        task               INTEGER REFERENCES task (id),
        range_first        INTEGER,                                        -- feedback.seq, both ends included
        range_last         INTEGER,
        seed               INTEGER,
        attempts           INTEGER NOT NULL DEFAULT 0,                     -- learner starts
        version            INTEGER REFERENCES version (id),
        reason             TEXT    NOT NULL DEFAULT '',
        created_ms         INTEGER NOT NULL,
        started_ms         INTEGER,
        ended_ms           INTEGER,
        CHECK ((kind = 2) = (next_task IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX job_active ON job (model) WHERE state < 10;
CREATE INDEX job_task ON job (task, range_last);
CREATE INDEX job_model ON job (model, ended_ms);

-- Names of the classes a rollover gives its next task.
CREATE TABLE job_class (
        job     INTEGER NOT NULL REFERENCES job (id),
        ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
        name    TEXT    NOT NULL,
        PRIMARY KEY (job, ordinal)
) STRICT, WITHOUT ROWID;

-- A set of parameters and all that tells how it came to be. fisher and theta_old are the merged protection it was
-- trained under (or that it carries, after a rollover); NULL while no task has been closed.
CREATE TABLE version (
        id             INTEGER PRIMARY KEY AUTOINCREMENT,
        model          INTEGER NOT NULL REFERENCES model (id),
        number         INTEGER NOT NULL CHECK (number >= 1),               -- per model
        state          INTEGER NOT NULL CHECK (state IN (1, 2, 3)),        -- 1 initial, 2 promoted, 3 rejected
        parent         INTEGER REFERENCES version (id),
        job            INTEGER REFERENCES job (id),
        task           INTEGER REFERENCES task (id),                       -- the open task it was trained on
        n_params       INTEGER NOT NULL CHECK (n_params > 0),
        theta          BLOB    NOT NULL REFERENCES blob (digest),
        fisher         BLOB    REFERENCES blob (digest),
        theta_old      BLOB    REFERENCES blob (digest),
        fisher_scale   REAL    NOT NULL DEFAULT 0,
        fisher_kind    INTEGER NOT NULL DEFAULT 0,                         -- 0 none, else as task.fisher_kind
        fisher_samples INTEGER NOT NULL DEFAULT 0,
        lambda         REAL    NOT NULL DEFAULT 0,                         -- penalty: lambda sum F (theta - theta_old)^2
        seed           INTEGER NOT NULL,
        range_first    INTEGER NOT NULL,
        range_last     INTEGER NOT NULL,
        program        TEXT    NOT NULL,
        reason         TEXT    NOT NULL,
        created_ms     INTEGER NOT NULL,
        UNIQUE (model, number),
        CHECK ((fisher IS NULL) = (theta_old IS NULL))
) STRICT;
CREATE INDEX version_theta ON version (theta);
CREATE INDEX version_fisher ON version (fisher);
CREATE INDEX version_theta_old ON version (theta_old);

-- Whose the outputs of a version's net are; task NULL: shared by all tasks.
CREATE TABLE version_output (
        version INTEGER NOT NULL REFERENCES version (id),
        ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
        task    INTEGER REFERENCES task (id),
        class   INTEGER NOT NULL CHECK (class >= 0),
        PRIMARY KEY (version, ordinal)
) STRICT, WITHOUT ROWID;

-- Each task's holdout under a version and, measured in the same run, under its parent. NULL where n is 0.
CREATE TABLE evaluation (
        version         INTEGER NOT NULL REFERENCES version (id),
        task            INTEGER NOT NULL REFERENCES task (id),
        ordinal         INTEGER NOT NULL,
        n               INTEGER NOT NULL,
        accuracy        REAL,
        loss            REAL,
        parent_n        INTEGER NOT NULL,
        parent_accuracy REAL,
        parent_loss     REAL,
        PRIMARY KEY (version, task)
) STRICT, WITHOUT ROWID;

-- Names that point to versions; 'champion' is the one that serves. epoch counts the moves.
CREATE TABLE alias (
        model      INTEGER NOT NULL REFERENCES model (id),
        name       TEXT    NOT NULL,
        version    INTEGER NOT NULL REFERENCES version (id),
        epoch      INTEGER NOT NULL CHECK (epoch >= 1),
        updated_ms INTEGER NOT NULL,
        PRIMARY KEY (model, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_version ON alias (version);

-- Who did what, in words; written in the transaction it tells of.
CREATE TABLE audit (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms  INTEGER NOT NULL,
        model  INTEGER NOT NULL REFERENCES model (id),
        who    TEXT    NOT NULL,
        what   TEXT    NOT NULL,
        detail TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_model ON audit (model, seq);
