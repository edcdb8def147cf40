-- Schema level 6: rows that were replayed are told from those that were not; trusted rows hold no key.

-- 1: it learned train rows of the tasks closed before its own, too.
ALTER TABLE job ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0 CHECK (replayed IN (0, 1));
UPDATE job SET replayed = 1 WHERE kind IN (1, 2) AND strategy >= 2 AND version IS NOT NULL;
CREATE INDEX job_replayed ON job (model, task) WHERE replayed = 1;

-- A trusted row and a label of the same (source, event_id) stand side by side: the key is the label's, the trusted
-- row's source stands in feedback_former.
INSERT OR IGNORE INTO feedback_former (seq, source) SELECT f.seq, f.source FROM feedback_trusted r
        JOIN feedback f ON f.seq = r.seq;
UPDATE feedback SET source = printf('%0130d', seq) WHERE seq IN (SELECT seq FROM feedback_trusted);
