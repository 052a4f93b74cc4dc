-- How long raw rows are kept, in what form, and how far back windows are refreshed: horizons that must fit together, so one function sets
-- them all from one table.
CREATE TABLE retention (
    what text PRIMARY KEY CHECK (what IN ('trades', 'posts')),
    keep interval,
    CHECK (keep >= CASE what WHEN 'trades' THEN INTERVAL '7 days' ELSE INTERVAL '21 days' END)
);
COMMENT ON TABLE retention IS 'How long raw rows are kept after they came; windows are kept for ever. Changed by keep: in the YAML file and rcas migrate up.';
COMMENT ON COLUMN retention.what IS 'trades (prices) or posts (tweets, sentiments, term_counts).';
COMMENT ON COLUMN retention.keep IS 'How long; NULL: for ever. At least 7 days of trades and 21 of posts: windows are corrected by late rows as long.';
-- A database that holds rows already keeps them as long as it has promised.
INSERT INTO retention
SELECT w.what, CASE WHEN EXISTS (SELECT FROM timescaledb_information.chunks WHERE hypertable_schema = 'public' AND hypertable_name IN ('prices', 'tweets'))
                    THEN INTERVAL '20 years' ELSE w.keep END
FROM (VALUES ('trades', INTERVAL '90 days'), ('posts', INTERVAL '2 years')) AS w (what, keep);
GRANT SELECT ON retention TO rcas_writer, rcas_reader;

-- A chunk is dropped by the age of the chunk, not of its rows: so an archive of another year, replayed today, is kept as long as today's posts.
--
-- Dropping a chunk makes TimescaleDB forget that the windows over it are right: the next refresh that reaches them empties them. So a
-- refresh policy reaches back for a month, less where rows are kept for less, and never to what may be gone. Older rows, which come from
-- replays, are refreshed by rcas.refresh_archive, which goes only where there are raw rows.
CREATE FUNCTION rcas.apply_retention() RETURNS void LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT v.name::regclass AS hypertable, v.packed, r.keep
        FROM (VALUES ('prices', 'trades', INTERVAL '2 days'), ('tweets', 'posts', INTERVAL '7 days'),
                     ('sentiments', 'posts', INTERVAL '7 days'), ('term_counts', 'posts', INTERVAL '7 days')) AS v (name, what, packed)
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
                 ('term_counts_1h', 'posts', INTERVAL '8 days')) AS w (name, what, margin)
    JOIN retention AS r USING (what)
    JOIN timescaledb_information.continuous_aggregates AS c ON c.view_schema = 'public' AND c.view_name = w.name
    JOIN timescaledb_information.jobs AS j ON j.proc_name = 'policy_refresh_continuous_aggregate'
        AND j.hypertable_name IN (c.view_name, c.materialization_hypertable_name); -- the one or the other by TimescaleDB's version
    -- The narrow windows are many rows in a year, so they are compressed when nothing but a replay changes them any more.
    FOR t IN
        SELECT v.name::regclass AS hypertable, v.segment, c.compression_enabled
        FROM (VALUES ('prices_1m', 'symbol, venue'), ('prices_5m', 'symbol, venue'), ('mood_1m', 'symbol, model, source'),
                     ('mood_5m', 'symbol, model, source'), ('term_counts_1h', 'symbol')) AS v (name, segment)
        JOIN timescaledb_information.continuous_aggregates AS c ON c.view_schema = 'public' AND c.view_name = v.name
    LOOP
        IF NOT t.compression_enabled THEN
            EXECUTE format('ALTER MATERIALIZED VIEW %s SET (timescaledb.compress, timescaledb.compress_segmentby = %L, '
                           'timescaledb.compress_orderby = ''bucket DESC'')', t.hypertable, t.segment);
        END IF;
        PERFORM add_compression_policy(t.hypertable, compress_after => INTERVAL '35 days', if_not_exists => true);
    END LOOP;
END $$;
COMMENT ON FUNCTION rcas.apply_retention IS
'Sets the policies of compression and refresh to what the table retention says, and compresses old narrow windows. The owner calls it; twice is fine.';

CREATE PROCEDURE rcas.refresh_archive(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
    w record;
BEGIN
    FOR w IN
        SELECT v.name, a.starts, a.ends
        FROM (VALUES (1, 'prices_1m', 'prices'), (2, 'prices_5m', 'prices'), (3, 'prices_1h', 'prices'), (4, 'prices_1d', 'prices'),
                     (5, 'mood_1m', 'sentiments'), (6, 'mood_5m', 'sentiments'), (7, 'mood_1h', 'sentiments'), (8, 'mood_1d', 'sentiments'),
                     (9, 'term_counts_1h', 'term_counts')) AS v (step, name, hypertable)
        CROSS JOIN LATERAL rcas.kept(v.hypertable) AS a
        WHERE a.starts < now() - INTERVAL '7 days' ORDER BY v.step, a.starts
    LOOP
        COMMIT;
        CALL public.refresh_continuous_aggregate(format('public.%I', w.name)::regclass, w.starts, least(w.ends, now() - INTERVAL '1 minute'),
                                                 options => '{"buckets_per_batch": 0}');
    END LOOP;
END $$;
COMMENT ON PROCEDURE rcas.refresh_archive IS
'Job: refreshes the windows of replayed rows that are older than the refresh policies reach, wherever there are raw rows and nowhere else.';

CREATE FUNCTION rcas.kept(hypertable text, OUT starts timestamptz, OUT ends timestamptz) RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT min(range_start), max(range_end)
    FROM (SELECT range_start, range_end, sum(new::integer) OVER (ORDER BY range_start) AS stretch
          FROM (SELECT range_start, range_end, lag(range_end) OVER (ORDER BY range_start) IS DISTINCT FROM range_start AS new
                FROM timescaledb_information.chunks WHERE hypertable_schema = 'public' AND hypertable_name = $1) AS c) AS s
    GROUP BY stretch ORDER BY 1
$$;
COMMENT ON FUNCTION rcas.kept IS 'Stretches of time of which a hypertable holds raw rows, oldest first: what was dropped lies outside.';
GRANT EXECUTE ON FUNCTION rcas.kept TO rcas_writer, rcas_reader;

-- (A policy could do it by drop_created_before; in TimescaleDB 2.23 that one fails.)
CREATE PROCEDURE rcas.drop_old(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT v.name, r.keep
        FROM (VALUES ('prices', 'trades'), ('tweets', 'posts'), ('sentiments', 'posts'), ('term_counts', 'posts')) AS v (name, what)
        JOIN public.retention AS r USING (what) WHERE r.keep IS NOT NULL
    LOOP
        PERFORM public.drop_chunks(format('public.%I', t.name)::regclass, created_before => now() - t.keep);
        COMMIT;
    END LOOP;
END $$;
COMMENT ON PROCEDURE rcas.drop_old IS 'Job: drops chunks of raw rows that were made longer ago than the table retention says. Windows stay.';

CREATE TABLE database_sizes (
    time  timestamptz PRIMARY KEY DEFAULT now(),
    bytes bigint NOT NULL
);
COMMENT ON TABLE database_sizes IS 'What the database takes on disk, noted every hour for a year: how fast it grows.';
COMMENT ON COLUMN database_sizes.time IS 'When it was noted.';
COMMENT ON COLUMN database_sizes.bytes IS 'Size of all tables and indexes; the log of changes (WAL) is not in it.';
GRANT SELECT ON database_sizes TO rcas_writer, rcas_reader;

CREATE PROCEDURE rcas.note_size(job_id integer, config jsonb) LANGUAGE sql AS $$
    INSERT INTO public.database_sizes SELECT now(), pg_database_size(current_database());
    DELETE FROM public.database_sizes WHERE time < now() - INTERVAL '1 year';
$$;
COMMENT ON PROCEDURE rcas.note_size IS 'Job: notes the size of the database.';

SELECT rcas.apply_retention();
SELECT add_job('rcas.note_size', INTERVAL '1 hour');
SELECT add_job('rcas.drop_old', INTERVAL '1 day');
SELECT add_job('rcas.refresh_archive', INTERVAL '5 minutes');
