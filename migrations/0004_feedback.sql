-- Schema level 4: a label's later life. A row of feedback that is live (it counts, and is learned from) needs no row
-- in any of these tables. They hold what is exceptional: another state, the prediction a row answers, trust.

-- State and history of the rows that are not live.
CREATE TABLE feedback_fate (
        seq    INTEGER PRIMARY KEY REFERENCES feedback (seq),
        state  INTEGER NOT NULL CHECK (state IN (2, 3, 4, 5, 6)), -- 2 quarantined, 3 late, 4 superseded by another
               -- label of its event, 5 erased, 6 expired. Of 5 and 6 inputs and label are gone: inputs and targets are
               -- empty, class is -1, weight 0; of 5 the payload is zero too.
        at_ms  INTEGER NOT NULL,
        reason TEXT    NOT NULL,
        policy INTEGER NOT NULL CHECK (policy IN (0, 1, 2)),      -- which label of an event counts: 0 the earliest,
               -- 1 the latest, 2 the majority
        event  INTEGER NOT NULL CHECK (event IN (0, 1)),          -- 1: erased with its event: no source sends it again
        job    INTEGER REFERENCES job (id),                       -- first that used it, and last that may have
        until  INTEGER REFERENCES job (id),
        CHECK ((job IS NULL) = (until IS NULL))
) STRICT;
CREATE INDEX feedback_fate_kept ON feedback_fate (seq) WHERE state < 5;

-- How many rows of a model are in such a state. Kept in step by every transaction, as task_count is for live rows.
CREATE TABLE fate_count (
        model INTEGER NOT NULL REFERENCES model (id),
        state INTEGER NOT NULL CHECK (state IN (2, 3, 4, 5, 6)),
        n     INTEGER NOT NULL CHECK (n >= 0),
        PRIMARY KEY (model, state)
) STRICT, WITHOUT ROWID;

-- A live row that was not live before: jobs up to this one have not used it.
CREATE TABLE feedback_since (
        seq INTEGER PRIMARY KEY REFERENCES feedback (seq),
        job INTEGER NOT NULL REFERENCES job (id)
) STRICT;

-- A row whose (source, event_id) came again with another label, which has the key now: here is its source. What stands
-- in feedback.source holds its place, longer than any source can be.
CREATE TABLE feedback_former (
        seq    INTEGER PRIMARY KEY REFERENCES feedback (seq),
        source TEXT    NOT NULL
) STRICT;
CREATE INDEX feedback_former_source ON feedback_former (source);

-- The prediction a row answers.
CREATE TABLE feedback_served (
        seq         INTEGER PRIMARY KEY REFERENCES feedback (seq),
        version     INTEGER NOT NULL CHECK (version >= 1),        -- version.number
        class       INTEGER NOT NULL CHECK (class >= -1),         -- what it said, or -1
        probability REAL
) STRICT;

-- Holdout rows that came from an operator.
CREATE TABLE feedback_trusted (
        seq INTEGER PRIMARY KEY REFERENCES feedback (seq)
) STRICT;

-- Events whose labels came into conflict with rows of an active job. Which one counts is settled at the next claim.
CREATE TABLE feedback_vote (
        model    INTEGER NOT NULL REFERENCES model (id),
        event_id TEXT    NOT NULL,
        policy   INTEGER NOT NULL CHECK (policy IN (0, 1, 2)),
        PRIMARY KEY (model, event_id)
) STRICT, WITHOUT ROWID;

-- 32 random bytes by name, made once.
CREATE TABLE secret (
        name  TEXT PRIMARY KEY NOT NULL,
        value BLOB NOT NULL CHECK (length(value) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX feedback_source ON feedback (model, source, task, holdout);
