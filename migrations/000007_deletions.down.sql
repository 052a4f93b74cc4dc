ALTER TABLE deletions DROP COLUMN pending;
COMMENT ON TABLE deletions IS 'Deletions of the last day: after a crash, a deletion may be delivered before the post that it is of.';
COMMENT ON COLUMN deletions.seen_at IS 'When the deletion was honoured.';
