CREATE TABLE author_key (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    fingerprint text        NOT NULL,
    since       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE author_key IS 'Which key authors'' names are hashed with; empty where names are stored. The key itself is not here.';
COMMENT ON COLUMN author_key.one IS 'There is one row at most.';
COMMENT ON COLUMN author_key.fingerprint IS 'Tells the key from another, and does not betray it.';
COMMENT ON COLUMN author_key.since IS 'When names were first hashed; posts of before have names.';
GRANT SELECT ON author_key TO rcas_writer, rcas_reader;
GRANT INSERT ON author_key TO rcas_writer;
