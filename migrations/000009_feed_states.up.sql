CREATE TABLE feed_states (
    source   text PRIMARY KEY,
    state    text NOT NULL CHECK (state IN ('connecting', 'reading', 'waiting', 'unreadable', 'ended')),
    since    timestamptz NOT NULL,
    error    text,
    error_at timestamptz,
    next_try timestamptz,
    left_out jsonb NOT NULL,
    gaps     integer NOT NULL,
    missing  bigint NOT NULL,
    newest   jsonb NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50); -- a few rows, replaced in their page
COMMENT ON TABLE feed_states IS 'How each live feed is doing, as its source says: saved when that changes, and every half minute.';
COMMENT ON COLUMN feed_states.source IS 'The posts'' source or the trades'' venue.';
COMMENT ON COLUMN feed_states.state IS 'connecting: no data yet; reading; waiting: refused or cut off, tries again; unreadable: what comes is not of a known form; ended.';
COMMENT ON COLUMN feed_states.since IS 'When it came to be so.';
COMMENT ON COLUMN feed_states.error IS 'The last error, also of one that is mended; NULL where there was none.';
COMMENT ON COLUMN feed_states.error_at IS 'When that was.';
COMMENT ON COLUMN feed_states.next_try IS 'When a source that waits tries again; NULL when it does not wait.';
COMMENT ON COLUMN feed_states.left_out IS 'What is not read, and why: reason by coin, rule or channel.';
COMMENT ON COLUMN feed_states.gaps IS 'Gaps in the numbers of trades, or in time, that are still being filled.';
COMMENT ON COLUMN feed_states.missing IS 'How many trades or posts these gaps lack, where that is known.';
COMMENT ON COLUMN feed_states.newest IS 'Time of the newest trade or post by coin; under the empty name of what is not about a single coin.';
COMMENT ON COLUMN feed_states.saved_at IS 'When this row was written (database time). A source that has not written for two minutes is gone.';
GRANT SELECT ON feed_states TO rcas_writer, rcas_reader;
GRANT INSERT, UPDATE, DELETE ON feed_states TO rcas_writer;
