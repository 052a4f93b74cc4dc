-- A word stands once, with its post in sentiments, and windows are counted from there: before, each stood in term_counts, too, and in an hour's
-- row of its own, which took a third of a post's time in the database and of its bytes. So a post that turns out to be a repeat, or no person's,
-- and one that is deleted, is changed or emptied in one place.

-- What was counted before stays as it is, and is still taken back: by the database itself, so that nobody else need know of it.
ALTER TABLE term_counts RENAME TO earlier_term_counts;
ALTER MATERIALIZED VIEW term_counts_1h RENAME TO earlier_term_counts_1h;
ALTER TABLE sentiments RENAME COLUMN terms TO earlier_terms;
ALTER TABLE sentiments ADD COLUMN terms text;
COMMENT ON TABLE earlier_term_counts IS
'Words per five minutes and symbol of posts that an RCAS scored which did not count them from sentiments. term_counts has them, too.';
COMMENT ON VIEW earlier_term_counts_1h IS 'earlier_term_counts per hour: n posts that hold the term.';
COMMENT ON COLUMN sentiments.earlier_terms IS
'The words that an earlier RCAS added to earlier_term_counts with this row, to be taken back should it turn out to be a repeat or no person''s, or be deleted.';
COMMENT ON COLUMN sentiments.terms IS
'The post''s words, with spaces between. They count while the post is no repeat and a person''s. NULL: it has none, another model''s row has them, it was a repeat from the first, it was deleted, or an earlier RCAS counted them (earlier_terms).';

CREATE FUNCTION rcas.take_back_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.earlier_term_counts (bucket, symbol, source, term, n)
    SELECT public.time_bucket(INTERVAL '5 minutes', OLD.time), OLD.symbol, OLD.source, w.term, -1
    FROM string_to_table(OLD.earlier_terms, ' ') AS w (term);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION rcas.take_back_terms IS 'Takes back the words of a post that an earlier RCAS counted and that count no longer.';
CREATE TRIGGER take_back_terms AFTER UPDATE ON sentiments FOR EACH ROW
WHEN (OLD.earlier_terms IS NOT NULL AND NOT OLD.repeat AND coalesce(OLD.kind, 'person') = 'person'
      AND (NEW.earlier_terms IS NULL OR NEW.repeat OR coalesce(NEW.kind, 'person') <> 'person'))
EXECUTE FUNCTION rcas.take_back_terms();

CREATE TYPE rcas.term_window AS (terms text, posts integer[]);
COMMENT ON TYPE rcas.term_window IS 'Words, each once, with spaces between, and how many posts hold the first, the second, …';

CREATE FUNCTION rcas.count_terms(terms text) RETURNS rcas.term_window LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(string_agg(c.term, ' '), array_agg(c.posts))::rcas.term_window
    FROM (SELECT w.term, count(*)::integer AS posts FROM string_to_table($1, ' ') AS w (term) GROUP BY 1) AS c
$$;
COMMENT ON FUNCTION rcas.count_terms IS 'How often each word stands among words with spaces between.';

-- A row for each word would take longer to store than all words take to count. A quarter of an hour, because a late post has its window
-- computed anew as a whole, and because a text has at most a gigabyte: at 60 bytes of words a post, 18,000 posts a second of one coin on one network.
CREATE MATERIALIZED VIEW term_windows_15m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '15 minutes', time) AS bucket, symbol, source, rcas.count_terms(string_agg(terms, ' ')) AS counts
FROM sentiments WHERE terms IS NOT NULL AND NOT repeat AND coalesce(kind, 'person') = 'person' GROUP BY 1, 2, 3
WITH NO DATA;
COMMENT ON VIEW term_windows_15m IS
'The words of sentiments per quarter of an hour, symbol and source, all in one row: counts, for which see rcas.term_window. term_counts_1h has a row for each.';
CREATE INDEX term_windows_15m_symbol ON term_windows_15m (symbol, bucket DESC);
-- The reach is set by rcas.apply_retention.
SELECT add_continuous_aggregate_policy('term_windows_15m', start_offset => INTERVAL '18 years', end_offset => INTERVAL '15 minutes',
                                       schedule_interval => INTERVAL '5 minutes', buckets_per_batch => 0);

CREATE VIEW term_counts AS
SELECT time_bucket(INTERVAL '5 minutes', s.time) AS bucket, s.symbol, w.term, 1 AS n, s.source
FROM sentiments AS s, string_to_table(s.terms, ' ') AS w (term) WHERE NOT s.repeat AND coalesce(s.kind, 'person') = 'person'
UNION ALL
SELECT bucket, symbol, term, n, source FROM earlier_term_counts;
COMMENT ON VIEW term_counts IS
'Words of the posts per five minutes and symbol, of people''s posts that are no repeats. A term has many rows, add them up: what comes to 0 no post holds any more.';
COMMENT ON COLUMN term_counts.bucket IS 'Start of the five minutes.';
COMMENT ON COLUMN term_counts.symbol IS 'The coin that the posts speak of.';
COMMENT ON COLUMN term_counts.term IS 'The word, in lower case.';
COMMENT ON COLUMN term_counts.n IS 'Posts that hold the term; below zero in what an earlier RCAS counted and took back: add them up.';
COMMENT ON COLUMN term_counts.source IS 'The network of the posts; NULL of words that were counted before networks were kept apart.';

CREATE VIEW term_counts_1h AS
SELECT t.bucket, t.symbol, t.term, sum(t.n)::bigint AS n
FROM (SELECT time_bucket(INTERVAL '1 hour', h.bucket) AS bucket, h.symbol, w.term, w.n::bigint
      FROM term_windows_15m AS h, ROWS FROM (string_to_table((h.counts).terms, ' '), unnest((h.counts).posts)) AS w (term, n)
      UNION ALL
      SELECT bucket, symbol, term, n FROM earlier_term_counts_1h) AS t
GROUP BY 1, 2, 3 HAVING sum(t.n) <> 0;
COMMENT ON VIEW term_counts_1h IS 'term_counts per hour: n posts that hold the term. From windows: term_windows_15m, and earlier_term_counts_1h.';
COMMENT ON COLUMN term_counts_1h.bucket IS 'Start of the hour.';
COMMENT ON COLUMN term_counts_1h.symbol IS 'The coin that the posts speak of.';
COMMENT ON COLUMN term_counts_1h.term IS 'The word, in lower case.';
COMMENT ON COLUMN term_counts_1h.n IS 'Posts that hold the term.';
GRANT SELECT ON term_windows_15m, term_counts, term_counts_1h TO rcas_writer, rcas_reader;

CREATE FUNCTION rcas.earlier_terms(symbol text, from_time timestamptz, to_time timestamptz, source text) RETURNS TABLE (term text, n bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
    first_hour timestamptz := time_bucket(INTERVAL '1 hour', from_time + INTERVAL '55 minutes');
    last_hour  timestamptz := greatest(time_bucket(INTERVAL '1 hour', to_time), first_hour);
BEGIN
    IF source IS NOT NULL THEN
        RETURN QUERY EXECUTE $query$
            SELECT c.term, c.n::bigint FROM earlier_term_counts AS c
            WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < $3 AND c.source = $4$query$
        USING symbol, from_time, to_time, source;
        RETURN;
    END IF;
    RETURN QUERY EXECUTE $query$
        SELECT h.term, h.n::bigint FROM earlier_term_counts_1h AS h WHERE h.symbol = $1 AND h.bucket >= $3 AND h.bucket < $4
        UNION ALL
        SELECT c.term, c.n FROM earlier_term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < least($3, $5)
        UNION ALL
        SELECT c.term, c.n FROM earlier_term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $4 AND c.bucket < $5$query$
    USING symbol, from_time, first_hour, last_hour, to_time;
END $$;
COMMENT ON FUNCTION rcas.earlier_terms IS
'What an earlier RCAS counted, from a start of five minutes on: whole hours from earlier_term_counts_1h, the edges, and one network, from earlier_term_counts. A term has many rows.';

CREATE OR REPLACE FUNCTION rcas.terms(symbol text, from_time timestamptz, to_time timestamptz, source text) RETURNS TABLE (term text, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
    lo        timestamptz;
    hi        timestamptz;
    first_one timestamptz;
    last_one  timestamptz;
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time), rcas.source_of(source);
    lo := time_bucket(INTERVAL '5 minutes', from_time);
    hi := time_bucket(INTERVAL '5 minutes', to_time + INTERVAL '299.999999 seconds');
    first_one := time_bucket(INTERVAL '15 minutes', lo + INTERVAL '10 minutes');
    last_one := greatest(time_bucket(INTERVAL '15 minutes', hi), first_one);
    RETURN QUERY EXECUTE $query$
        SELECT t.term, sum(t.n)::bigint
        FROM (SELECT w.term, w.n::bigint
              FROM term_windows_15m AS h, ROWS FROM (string_to_table((h.counts).terms, ' '), unnest((h.counts).posts)) AS w (term, n)
              WHERE h.symbol = $1 AND h.bucket >= $3 AND h.bucket < $4 AND ($6 IS NULL OR h.source = $6)
              UNION ALL
              SELECT w.term, 1 FROM sentiments AS s, string_to_table(s.terms, ' ') AS w (term)
              WHERE s.symbol = $1 AND s.time >= $2 AND s.time < least($3, $5)
                AND ($6 IS NULL OR s.source = $6) AND NOT s.repeat AND coalesce(s.kind, 'person') = 'person'
              UNION ALL
              SELECT w.term, 1 FROM sentiments AS s, string_to_table(s.terms, ' ') AS w (term)
              WHERE s.symbol = $1 AND s.time >= $4 AND s.time < $5
                AND ($6 IS NULL OR s.source = $6) AND NOT s.repeat AND coalesce(s.kind, 'person') = 'person'
              UNION ALL
              SELECT e.term, e.n FROM rcas.earlier_terms($1, $2, $5, $6) AS e) AS t
        GROUP BY 1 HAVING sum(t.n) > 0$query$
    USING symbol, lo, first_one, last_one, hi, source;
END $$;
COMMENT ON FUNCTION rcas.terms IS
'Posts per term: whole quarters of an hour from term_windows_15m, the edges from the posts; and what an earlier RCAS counted.';

CREATE OR REPLACE FUNCTION rcas.apply_retention() RETURNS void LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT v.name::regclass AS hypertable, v.packed, r.keep
        FROM (VALUES ('prices', 'trades', INTERVAL '2 days'), ('tweets', 'posts', INTERVAL '7 days'),
                     ('sentiments', 'posts', INTERVAL '7 days'), ('earlier_term_counts', 'posts', INTERVAL '7 days')) AS v (name, what, packed)
        JOIN retention AS r USING (what)
    LOOP
        PERFORM remove_compression_policy(t.hypertable, if_exists => true);
        PERFORM add_compression_policy(t.hypertable, compress_after => t.packed);
        PERFORM remove_retention_policy(t.hypertable, if_exists => true);
    END LOOP;
    -- The width of a chunk, and a day for the job that drops it, lie between the two horizons.
    PERFORM alter_job(j.job_id, config => jsonb_set(j.config, '{start_offset}', to_jsonb(least(INTERVAL '30 days', r.keep - w.margin)::text)))
    FROM (VALUES ('prices_1m', 'trades', INTERVAL '2 days'), ('prices_5m', 'trades', INTERVAL '2 days'), ('prices_1h', 'trades', INTERVAL '2 days'),
                 ('prices_1d', 'trades', INTERVAL '2 days'), ('mood_1m', 'posts', INTERVAL '8 days'), ('mood_5m', 'posts', INTERVAL '8 days'),
                 ('mood_1h', 'posts', INTERVAL '8 days'), ('mood_1d', 'posts', INTERVAL '8 days'),
                 ('term_windows_15m', 'posts', INTERVAL '8 days'), ('earlier_term_counts_1h', 'posts', INTERVAL '8 days')) AS w (name, what, margin)
    JOIN retention AS r USING (what)
    JOIN timescaledb_information.continuous_aggregates AS c ON c.view_schema = 'public' AND c.view_name = w.name
    JOIN timescaledb_information.jobs AS j ON j.proc_name = 'policy_refresh_continuous_aggregate'
        AND j.hypertable_name IN (c.view_name, c.materialization_hypertable_name); -- the one or the other by TimescaleDB's version
    -- The narrow windows are many rows in a year, so they are compressed when nothing but a replay changes them any more.
    FOR t IN
        SELECT v.name::regclass AS hypertable, v.segment, c.compression_enabled
        FROM (VALUES ('prices_1m', 'symbol, venue'), ('prices_5m', 'symbol, venue'), ('mood_1m', 'symbol, model, source'),
                     ('mood_5m', 'symbol, model, source'), ('earlier_term_counts_1h', 'symbol')) AS v (name, segment)
        JOIN timescaledb_information.continuous_aggregates AS c ON c.view_schema = 'public' AND c.view_name = v.name
    LOOP
        IF NOT t.compression_enabled THEN
            EXECUTE format('ALTER MATERIALIZED VIEW %s SET (timescaledb.compress, timescaledb.compress_segmentby = %L, '
                           'timescaledb.compress_orderby = ''bucket DESC'')', t.hypertable, t.segment);
        END IF;
        PERFORM add_compression_policy(t.hypertable, compress_after => INTERVAL '35 days', if_not_exists => true);
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE rcas.refresh_archive(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
    w record;
BEGIN
    FOR w IN
        SELECT v.name, a.starts, a.ends
        FROM (VALUES (1, 'prices_1m', 'prices'), (2, 'prices_5m', 'prices'), (3, 'prices_1h', 'prices'), (4, 'prices_1d', 'prices'),
                     (5, 'mood_1m', 'sentiments'), (6, 'mood_5m', 'sentiments'), (7, 'mood_1h', 'sentiments'), (8, 'mood_1d', 'sentiments'),
                     (9, 'term_windows_15m', 'sentiments'), (10, 'earlier_term_counts_1h', 'earlier_term_counts')) AS v (step, name, hypertable)
        CROSS JOIN LATERAL rcas.kept(v.hypertable) AS a
        WHERE a.starts < now() - INTERVAL '7 days' ORDER BY v.step, a.starts
    LOOP
        COMMIT;
        CALL public.refresh_continuous_aggregate(format('public.%I', w.name)::regclass, w.starts, least(w.ends, now() - INTERVAL '1 minute'),
                                                 options => '{"buckets_per_batch": 0}');
    END LOOP;
END $$;

CREATE OR REPLACE PROCEDURE rcas.drop_old(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT v.name, r.keep
        FROM (VALUES ('prices', 'trades'), ('tweets', 'posts'), ('sentiments', 'posts'), ('earlier_term_counts', 'posts')) AS v (name, what)
        JOIN public.retention AS r USING (what) WHERE r.keep IS NOT NULL
    LOOP
        PERFORM public.drop_chunks(format('public.%I', t.name)::regclass, created_before => now() - t.keep);
        COMMIT;
    END LOOP;
END $$;
COMMENT ON COLUMN retention.what IS 'trades (prices) or posts (tweets, sentiments, earlier_term_counts).';
SELECT rcas.apply_retention();
