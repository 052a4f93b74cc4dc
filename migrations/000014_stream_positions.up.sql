CREATE TABLE stream_positions (
    stream    text        NOT NULL,
    made_at   timestamptz NOT NULL,
    sequence  bigint      NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, made_at)
) WITH (fillfactor = 50); -- a few rows, replaced in their page
COMMENT ON TABLE stream_positions IS 'How far each stream of messages has been stored. A stream that has been told of more was stored elsewhere: this database was restored, or the stream purged.';
COMMENT ON COLUMN stream_positions.stream IS 'TWEETS or PRICES.';
COMMENT ON COLUMN stream_positions.made_at IS 'When the stream was made: numbers begin anew in another one of its name.';
COMMENT ON COLUMN stream_positions.sequence IS 'Number of the newest message that has been stored, or set aside.';
COMMENT ON COLUMN stream_positions.stored_at IS 'When that was.';
GRANT SELECT ON stream_positions TO rcas_writer, rcas_reader;
GRANT INSERT, UPDATE ON stream_positions TO rcas_writer;
