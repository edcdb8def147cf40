-- Schema level 3: what a search for lambda tried.

-- Canonical JSON, as GET jobs/{id} shows it; NULL: no search, or not judged.
ALTER TABLE job ADD COLUMN tries TEXT;
