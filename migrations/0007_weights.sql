-- Schema level 7: a closed task's weight follows the champion's line of parents.

-- The weight a task was closed with. task.alpha is that of the newest reweight of it on the champion's line, else this.
ALTER TABLE task ADD COLUMN closed_alpha REAL NOT NULL DEFAULT 1 CHECK (closed_alpha >= 0);
-- A version that had learned from a source closed it, and the source was unlearned: in what jobs after this one make,
-- its weight is 0 where no reweight on the line says another.
ALTER TABLE task ADD COLUMN given_up INTEGER REFERENCES job (id);

UPDATE task SET closed_alpha = alpha WHERE state = 2 AND id NOT IN (SELECT alpha_task FROM job WHERE kind = 3 AND
        state = 10);

-- Until now a rollback left the weights as they were. What was given up for a source stays given up: weight 0 of a task
-- that the champion's line did not close. The others take what the line says, and the audit tells of it.
CREATE TABLE weight_line (model INTEGER, id INTEGER, place INTEGER);
INSERT INTO weight_line WITH RECURSIVE line (model, id, place) AS (SELECT model, version, 0 FROM alias WHERE
        name = 'champion' UNION ALL SELECT l.model, v.parent, l.place + 1 FROM line l JOIN version v ON v.id = l.id
        WHERE v.parent IS NOT NULL) SELECT model, id, place FROM line;
UPDATE task SET given_up = (SELECT max(j.id) FROM job j WHERE j.model = task.model) WHERE state = 2 AND alpha = 0 AND
        closed_by NOT IN (SELECT id FROM weight_line);
CREATE TABLE weight_due (task INTEGER, alpha REAL);
INSERT INTO weight_due SELECT t.id, coalesce((SELECT j.alpha FROM weight_line l JOIN version v ON v.id = l.id JOIN job j
        ON j.id = v.job WHERE j.kind = 3 AND j.alpha_task = t.id ORDER BY l.place LIMIT 1),
        CASE WHEN t.given_up IS NULL THEN t.closed_alpha ELSE 0.0 END) FROM task t WHERE t.state = 2;
DELETE FROM weight_due WHERE alpha = (SELECT t.alpha FROM task t WHERE t.id = weight_due.task);
INSERT INTO audit (at_ms, model, who, what, detail) SELECT CAST(strftime('%s') AS INTEGER) * 1000, t.model, 'ewcd',
        'task.alpha', printf('alpha of task %s from %g to %g: the champion''s line of parents says so', t.name,
        t.alpha, d.alpha) FROM weight_due d JOIN task t ON t.id = d.task ORDER BY d.task;
UPDATE task SET alpha = (SELECT d.alpha FROM weight_due d WHERE d.task = task.id) WHERE id IN (SELECT task FROM
        weight_due);
DROP TABLE weight_due;
DROP TABLE weight_line;
