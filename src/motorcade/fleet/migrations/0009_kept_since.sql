-- Which login a kept session is of: a gateway that was not told that its vehicle has come back
-- elsewhere says its last word later, and must not undo what the newer login has kept.

ALTER TABLE kept_sessions ADD COLUMN since_us bigint NOT NULL DEFAULT 0;
