-- A deletion is remembered first and honoured after it, chunk by chunk, so that one which meets a large archive can go on where it stopped.
ALTER TABLE deletions ADD COLUMN pending boolean NOT NULL DEFAULT false;
CREATE INDEX deletions_pending ON deletions (source, id) WHERE pending;
COMMENT ON TABLE deletions IS 'Deletions of the last day, since one may be delivered before the post that it is of, and those that are not honoured yet.';
COMMENT ON COLUMN deletions.seen_at IS 'When it was last delivered.';
COMMENT ON COLUMN deletions.pending IS 'Not all stored posts have been searched for it yet.';
