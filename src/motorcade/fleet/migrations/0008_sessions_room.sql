-- A session's row changes with every link that comes or goes, and no index with it: with room for the new
-- row on the page of the old one PostgreSQL leaves the three indexes alone, which halves what it costs.

ALTER TABLE sessions SET (fillfactor = 50);
