-- Schema level 2: what a rollover measured, and in which form a closed task's Fisher is stored.

-- What stands in place of the Fisher: 0 the Fisher itself (fisher_kind says which), 1 si, 2 mas.
ALTER TABLE task ADD COLUMN importance INTEGER NOT NULL DEFAULT 0 CHECK (importance IN (0, 1, 2));
ALTER TABLE version ADD COLUMN importance INTEGER NOT NULL DEFAULT 0 CHECK (importance IN (0, 1, 2));

-- The blob task.fisher: 0 plain floats, n_params of them; else packed bytes of include/ewc/pack.h, which say the same
-- of themselves: 2 bitmap16, 3 log8, 4 csr16. theta_old is always plain.
ALTER TABLE task ADD COLUMN fisher_encoding INTEGER NOT NULL DEFAULT 0 CHECK (fisher_encoding IN (0, 2, 3, 4));
-- Entries stored one by one; the others are their tensor's mean of the rest. NULL: all.
ALTER TABLE task ADD COLUMN fisher_kept INTEGER CHECK (fisher_kept >= 0);
