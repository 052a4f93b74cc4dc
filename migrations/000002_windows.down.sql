SELECT remove_retention_policy(t)
FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts', 'pipeline_counts']::regclass[]) AS t;
SELECT remove_compression_policy(t) FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts']::regclass[]) AS t;
DROP MATERIALIZED VIEW term_counts_1h;
DROP MATERIALIZED VIEW mood_1d;
DROP MATERIALIZED VIEW mood_1h;
DROP MATERIALIZED VIEW mood_5m;
DROP MATERIALIZED VIEW mood_1m;
DROP MATERIALIZED VIEW prices_1d;
DROP MATERIALIZED VIEW prices_1h;
DROP MATERIALIZED VIEW prices_5m;
DROP MATERIALIZED VIEW prices_1m;
