-- Which terminal a phone number is of: the first that registered by it (JT/T 808, 0x0100), as its maker's
-- and its own id. Null until one did.

ALTER TABLE identities ADD COLUMN terminal text COLLATE "C"
    CHECK (length(terminal) BETWEEN 1 AND 124);
