-- Schema level 9: what a version's uncertainty is measured by.

-- Prior precision of its output layer, chosen on the holdouts when it was trained; NULL: none was.
ALTER TABLE version ADD COLUMN prior REAL CHECK (prior > 0);
