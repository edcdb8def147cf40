-- Schema level 8: a version that has learned from an unlearned source is known, and serves no more.

-- The source it had learned from, itself or by its parents, when that was unlearned.
ALTER TABLE version ADD COLUMN unlearned TEXT;

-- The rows of sources that were unlearned until now say so; what their jobs made is found as unlearning finds it. Where
-- an alias, the champion too, has come back to such a version since, it stays there until somebody moves it.
CREATE TABLE learned (id INTEGER, source TEXT);
INSERT INTO learned WITH RECURSIVE bad (id, source) AS (SELECT j.version, coalesce(o.source, f.source)
        FROM feedback_fate x JOIN feedback f ON f.seq = x.seq LEFT JOIN feedback_former o ON o.seq = x.seq
        JOIN job j ON j.model = f.model AND j.id BETWEEN x.job AND x.until
        WHERE x.state = 5 AND f.holdout = 0 AND j.kind IN (1, 2) AND j.version IS NOT NULL AND
        substr(x.reason, 1, length(coalesce(o.source, f.source)) + 21) = 'source ' || coalesce(o.source, f.source) ||
        ' unlearned by ' AND
        ((j.task = f.task AND f.seq BETWEEN j.range_first AND j.range_last) OR (j.replayed = 1 AND j.task > f.task))
        UNION SELECT v.id, b.source FROM bad b JOIN version v ON v.parent = b.id) SELECT id, source FROM bad;
UPDATE version SET unlearned = (SELECT min(l.source) FROM learned l WHERE l.id = version.id) WHERE id IN (SELECT id
        FROM learned);
DROP TABLE learned;
