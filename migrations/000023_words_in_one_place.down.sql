-- Words that stand with their posts are counted as before, but not taken back any more; of posts that were dropped, the hours that are left.
DROP VIEW term_counts, term_counts_1h;
INSERT INTO earlier_term_counts (bucket, symbol, source, term, n)
SELECT time_bucket(INTERVAL '5 minutes', s.time), s.symbol, s.source, w.term, count(*)
FROM sentiments AS s, string_to_table(s.terms, ' ') AS w (term)
WHERE NOT s.repeat AND coalesce(s.kind, 'person') = 'person'
GROUP BY 1, 2, 3, 4;
DO $$
BEGIN
    EXECUTE (SELECT format($query$INSERT INTO %I.%I (bucket, symbol, term, n)
                                  SELECT time_bucket(INTERVAL '1 hour', h.bucket), h.symbol, w.term, sum(w.n)
                                  FROM term_windows_15m AS h, ROWS FROM (string_to_table((h.counts).terms, ' '), unnest((h.counts).posts)) AS w (term, n)
                                  WHERE NOT EXISTS (SELECT FROM rcas.kept('sentiments') AS k WHERE h.bucket >= k.starts AND h.bucket < k.ends)
                                  GROUP BY 1, 2, 3$query$,
                           c.materialization_hypertable_schema, c.materialization_hypertable_name)
             FROM timescaledb_information.continuous_aggregates AS c WHERE c.view_schema = 'public' AND c.view_name = 'earlier_term_counts_1h');
END $$;
DROP TRIGGER take_back_terms ON sentiments;
DROP FUNCTION rcas.take_back_terms, rcas.earlier_terms;
DROP MATERIALIZED VIEW term_windows_15m;
DROP FUNCTION rcas.count_terms;
DROP TYPE rcas.term_window;
ALTER TABLE sentiments DROP COLUMN terms;
ALTER TABLE sentiments RENAME COLUMN earlier_terms TO terms;
-- The functions go by their names, as those before them would.
ALTER MATERIALIZED VIEW earlier_term_counts_1h RENAME TO term_counts_1h;
ALTER TABLE earlier_term_counts RENAME TO term_counts;
