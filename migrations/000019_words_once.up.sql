-- Words count as the mood does: not those of repeats, however late the post comes that makes one.

ALTER TABLE sentiments ADD COLUMN terms text;
COMMENT ON COLUMN sentiments.terms IS
'The post''s words, with spaces between, that were added to term_counts with this row, to be taken back should it turn out to be a repeat or no person''s. NULL: none were, they were counted before such a note was made, or the post was deleted.';
COMMENT ON COLUMN term_counts.n IS 'Posts that hold the term; below zero, posts that were found to be repeats: add them up.';
COMMENT ON TABLE term_counts IS
'Words of the posts per five minutes and symbol. Appended in the transaction that adds the sentiments, or marks them as repeats, so no post counts twice; a term has many rows, add them up: what comes to 0 no post holds any more.';

-- A word whose posts have all turned out to be repeats has no window. The windows are made anew from the raw rows; those of rows that were
-- dropped are carried over: no refresh goes there.
CREATE TEMPORARY TABLE policy ON COMMIT DROP AS
SELECT (j.config->>'start_offset')::interval AS start_offset, (j.config->>'end_offset')::interval AS end_offset, j.schedule_interval AS every
FROM timescaledb_information.continuous_aggregates AS a
JOIN timescaledb_information.jobs AS j ON j.proc_name = 'policy_refresh_continuous_aggregate'
    AND j.hypertable_name IN (a.view_name, a.materialization_hypertable_name) -- the one or the other by TimescaleDB's version
WHERE a.view_schema = 'public' AND a.view_name = 'term_counts_1h';

CREATE TEMPORARY TABLE carried ON COMMIT DROP AS SELECT * FROM term_counts_1h AS w
WHERE NOT EXISTS (SELECT FROM rcas.kept('term_counts') AS k WHERE w.bucket >= k.starts AND w.bucket < k.ends);

DROP MATERIALIZED VIEW term_counts_1h;

CREATE MATERIALIZED VIEW term_counts_1h WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 hour', bucket) AS bucket, symbol, term, sum(n) AS n
FROM term_counts GROUP BY 1, 2, 3 HAVING sum(n) <> 0
WITH NO DATA;
COMMENT ON VIEW term_counts_1h IS 'term_counts per hour: n posts that hold the term.';

CREATE INDEX term_counts_1h_symbol ON term_counts_1h (symbol, bucket DESC);
DO $$
DECLARE
    tree text;
    p    policy;
BEGIN
    SELECT format('%I.%I', i.schemaname, i.indexname) INTO STRICT tree
    FROM timescaledb_information.continuous_aggregates AS c
    JOIN pg_indexes AS i ON i.schemaname = c.materialization_hypertable_schema AND i.tablename = c.materialization_hypertable_name
    WHERE c.view_schema = 'public' AND c.view_name = 'term_counts_1h' AND i.indexdef LIKE '%btree (bucket DESC)';
    EXECUTE 'DROP INDEX ' || tree;
    EXECUTE (SELECT format('INSERT INTO %I.%I (bucket, symbol, term, n) SELECT bucket, symbol, term, n FROM carried',
                           c.materialization_hypertable_schema, c.materialization_hypertable_name)
             FROM timescaledb_information.continuous_aggregates AS c WHERE c.view_schema = 'public' AND c.view_name = 'term_counts_1h');
    FOR p IN SELECT * FROM policy LOOP
        PERFORM add_continuous_aggregate_policy('term_counts_1h', start_offset => p.start_offset, end_offset => p.end_offset,
                                                schedule_interval => p.every, buckets_per_batch => 0);
    END LOOP;
END $$;
CREATE INDEX term_counts_1h_bucket ON term_counts_1h USING brin (bucket) WITH (autosummarize = on);
SELECT rcas.apply_retention();
GRANT SELECT ON term_counts_1h TO rcas_writer, rcas_reader;

CREATE OR REPLACE FUNCTION rcas.terms(symbol text, from_time timestamptz, to_time timestamptz, source text) RETURNS TABLE (term text, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
    lo         timestamptz;
    first_hour timestamptz;
    last_hour  timestamptz;
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    lo := time_bucket(INTERVAL '5 minutes', from_time);
    IF rcas.source_of(source) IS NOT NULL THEN
        RETURN QUERY EXECUTE $query$
            SELECT c.term, sum(c.n)::bigint FROM term_counts AS c
            WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < $3 AND c.source = $4 GROUP BY 1 HAVING sum(c.n) > 0$query$
        USING symbol, lo, to_time, source;
        RETURN;
    END IF;
    first_hour := time_bucket(INTERVAL '1 hour', lo + INTERVAL '55 minutes');
    last_hour := greatest(time_bucket(INTERVAL '1 hour', to_time), first_hour);
    RETURN QUERY EXECUTE $query$
        SELECT t.term, sum(t.n)::bigint
        FROM (SELECT h.term, h.n FROM term_counts_1h AS h WHERE h.symbol = $1 AND h.bucket >= $3 AND h.bucket < $4
              UNION ALL
              SELECT c.term, c.n FROM term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < least($3, $5)
              UNION ALL
              SELECT c.term, c.n FROM term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $4 AND c.bucket < $5) AS t
        GROUP BY 1 HAVING sum(t.n) > 0$query$
    USING symbol, lo, first_hour, last_hour, to_time;
END $$;
