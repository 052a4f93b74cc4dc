-- Windows hold sums and counts, never an average of averages, so that any wider window is exact. Created WITH NO DATA and
-- with the real-time part on: the newest rows always show.

CREATE MATERIALIZED VIEW prices_1m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 minute', time) AS bucket, symbol, venue,
       min(time)          AS open_time,
       max(time)          AS close_time,
       first(price, time) AS open,
       max(price)         AS high,
       min(price)         AS low,
       last(price, time)  AS close,
       sum(volume)        AS volume,
       sum(price*volume)  AS turnover,
       count(*)           AS trades
FROM prices GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW prices_5m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '5 minutes', bucket) AS bucket, symbol, venue,
       min(open_time)          AS open_time,
       max(close_time)         AS close_time,
       first(open, open_time)  AS open,
       max(high)               AS high,
       min(low)                AS low,
       last(close, close_time) AS close,
       sum(volume)             AS volume,
       sum(turnover)           AS turnover,
       sum(trades)::bigint     AS trades
FROM prices_1m GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW prices_1h WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 hour', bucket) AS bucket, symbol, venue,
       min(open_time)          AS open_time,
       max(close_time)         AS close_time,
       first(open, open_time)  AS open,
       max(high)               AS high,
       min(low)                AS low,
       last(close, close_time) AS close,
       sum(volume)             AS volume,
       sum(turnover)           AS turnover,
       sum(trades)::bigint     AS trades
FROM prices_5m GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW prices_1d WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 day', bucket) AS bucket, symbol, venue,
       min(open_time)          AS open_time,
       max(close_time)         AS close_time,
       first(open, open_time)  AS open,
       max(high)               AS high,
       min(low)                AS low,
       last(close, close_time) AS close,
       sum(volume)             AS volume,
       sum(turnover)           AS turnover,
       sum(trades)::bigint     AS trades
FROM prices_1h GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_1m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 minute', time) AS bucket, symbol, model, source, repeat,
       count(*)     AS posts,
       count(score) AS judged,
       count(*) FILTER (WHERE negative > neutral AND negative > positive)            AS negative,
       count(*) FILTER (WHERE positive > neutral AND positive > negative)            AS positive,
       sum(score::float8)                                                            AS sum_score,
       sum(score::float8 * score)                                                    AS sum_square,
       sum(weight::float8) FILTER (WHERE score IS NOT NULL)                          AS sum_weight,
       sum(score::float8 * weight)                                                   AS sum_weighted,
       sum(score * reach)                                                            AS sum_influence,
       bit_or(B'1'::bit(1024) >> (author_hash & 1023))                               AS authors
FROM sentiments GROUP BY 1, 2, 3, 4, 5
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_5m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '5 minutes', bucket) AS bucket, symbol, model, source, repeat,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_1m GROUP BY 1, 2, 3, 4, 5
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_1h WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 hour', bucket) AS bucket, symbol, model, source, repeat,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_5m GROUP BY 1, 2, 3, 4, 5
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_1d WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 day', bucket) AS bucket, symbol, model, source, repeat,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_1h GROUP BY 1, 2, 3, 4, 5
WITH NO DATA;

CREATE MATERIALIZED VIEW term_counts_1h WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 hour', bucket) AS bucket, symbol, term, sum(n) AS n
FROM term_counts GROUP BY 1, 2, 3
WITH NO DATA;

-- People ask for a coin and a time. (Each window also has an index on its time alone; one per grouping column would be waste.)
CREATE INDEX prices_1m_symbol ON prices_1m (symbol, bucket DESC);
CREATE INDEX prices_5m_symbol ON prices_5m (symbol, bucket DESC);
CREATE INDEX prices_1h_symbol ON prices_1h (symbol, bucket DESC);
CREATE INDEX prices_1d_symbol ON prices_1d (symbol, bucket DESC);
CREATE INDEX mood_1m_symbol ON mood_1m (symbol, bucket DESC);
CREATE INDEX mood_5m_symbol ON mood_5m (symbol, bucket DESC);
CREATE INDEX mood_1h_symbol ON mood_1h (symbol, bucket DESC);
CREATE INDEX mood_1d_symbol ON mood_1d (symbol, bucket DESC);
CREATE INDEX term_counts_1h_symbol ON term_counts_1h (symbol, bucket DESC);
-- Words are many: on the time alone they have an index of ranges, like their raw rows, instead of the B-tree of the other windows.
DO $$
DECLARE
    tree text;
BEGIN
    SELECT format('%I.%I', i.schemaname, i.indexname) INTO STRICT tree
    FROM timescaledb_information.continuous_aggregates AS c
    JOIN pg_indexes AS i ON i.schemaname = c.materialization_hypertable_schema AND i.tablename = c.materialization_hypertable_name
    WHERE c.view_name = 'term_counts_1h' AND i.indexdef LIKE '%btree (bucket DESC)';
    EXECUTE 'DROP INDEX ' || tree;
END $$;
CREATE INDEX term_counts_1h_bucket ON term_counts_1h USING brin (bucket) WITH (autosummarize = on);
-- A coin's share of all posts needs the posts of all coins: from the index alone, without the rows, which a backfill scatters.
CREATE INDEX mood_1m_posts ON mood_1m (bucket DESC) INCLUDE (model, source, repeat, posts);
CREATE INDEX mood_5m_posts ON mood_5m (bucket DESC) INCLUDE (model, source, repeat, posts);
CREATE INDEX mood_1h_posts ON mood_1h (bucket DESC) INCLUDE (model, source, repeat, posts);

COMMENT ON VIEW prices_1m IS
'OHLCV per minute, symbol and venue. turnover = Σ price × volume; trades = rows. Where trades share the first or last instant '
'of a window, open or close is one of them.';
COMMENT ON VIEW prices_5m IS 'OHLCV per five minutes, symbol and venue, from prices_1m.';
COMMENT ON VIEW prices_1h IS 'OHLCV per hour, symbol and venue, from prices_5m.';
COMMENT ON VIEW prices_1d IS 'OHLCV per UTC day, symbol and venue, from prices_1h.';
COMMENT ON VIEW mood_1m IS
'Sums over sentiments per minute, symbol, model, source and repeat. Mean mood = sum_score / judged; weighted mood = '
'sum_weighted / sum_weight; negative and positive count the posts whose largest probability that is; authors is a 1,024-bit '
'linear counter.';
COMMENT ON VIEW mood_5m IS 'mood_1m per five minutes.';
COMMENT ON VIEW mood_1h IS 'mood_1m per hour.';
COMMENT ON VIEW mood_1d IS 'mood_1m per UTC day.';
COMMENT ON VIEW term_counts_1h IS 'term_counts per hour: n posts that hold the term.';

-- Refresh. The log of changes makes a wide window cheap: only what changed is computed again, however late it came. The start
-- must stay younger than the retention below, or a refresh would delete the windows of dropped rows. buckets_per_batch = 0: one
-- statement per refresh (a batch per few buckets is an order of magnitude slower where there are no workers).
SELECT add_continuous_aggregate_policy(w.name::regclass, start_offset => INTERVAL '18 years', end_offset => w.newest,
                                       schedule_interval => w.every, buckets_per_batch => 0)
FROM (VALUES
    (1, 'prices_1m', INTERVAL '1 minute', INTERVAL '20 seconds'), (2, 'prices_5m', INTERVAL '5 minutes', INTERVAL '1 minute'),
    (3, 'prices_1h', INTERVAL '1 hour', INTERVAL '5 minutes'), (4, 'prices_1d', INTERVAL '1 day', INTERVAL '1 hour'),
    (5, 'mood_1m', INTERVAL '1 minute', INTERVAL '20 seconds'), (6, 'mood_5m', INTERVAL '5 minutes', INTERVAL '1 minute'),
    (7, 'mood_1h', INTERVAL '1 hour', INTERVAL '5 minutes'), (8, 'mood_1d', INTERVAL '1 day', INTERVAL '1 hour'),
    (9, 'term_counts_1h', INTERVAL '1 hour', INTERVAL '5 minutes')
) AS w (step, name, newest, every) ORDER BY w.step;

ALTER TABLE prices SET (timescaledb.compress, timescaledb.compress_segmentby = 'venue, symbol',
    timescaledb.compress_orderby = 'time DESC, trade_id');
ALTER TABLE tweets SET (timescaledb.compress, timescaledb.compress_segmentby = 'source',
    timescaledb.compress_orderby = 'time DESC, id');
ALTER TABLE sentiments SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, model',
    timescaledb.compress_orderby = 'time DESC, source, id');
ALTER TABLE term_counts SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
    timescaledb.compress_orderby = 'bucket DESC, term');
-- A month: late posts of a feed's outage land in open chunks.
SELECT add_compression_policy(t, compress_after => INTERVAL '30 days')
FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts']::regclass[]) AS t;
-- An analyst's archive is kept: twenty years, beyond the refresh above. docs/operations.md shows how to keep less.
SELECT add_retention_policy(t, drop_after => INTERVAL '20 years')
FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts']::regclass[]) AS t;
SELECT add_retention_policy('pipeline_counts', drop_after => INTERVAL '90 days');
