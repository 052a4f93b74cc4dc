-- Who speaks in a post, and windows that keep the kinds apart.

ALTER TABLE sentiments ADD COLUMN kind text;
COMMENT ON COLUMN sentiments.kind IS 'Who speaks: person, advert, bot or news; NULL where no model has told, which counts as a person''s.';
COMMENT ON COLUMN sentiments.repeat IS
'A voice that was counted before: a repost, the same template as another post of the hour before it, or more than its author''s third post about the coin in an hour of UTC.';
COMMENT ON COLUMN sentiments.text_hash IS
'Hash of the template: the text without links, names, numbers, cashtags, names of coins, emoji and punctuation. For finding repeats.';
-- Serves the search for an author's other posts of the hour.
CREATE INDEX sentiments_author ON sentiments (author_hash, time);

-- Windows are made anew from the raw rows. Those of rows that were dropped are carried over as they were, without a kind: no refresh goes there.
CREATE TEMPORARY TABLE policies ON COMMIT DROP AS
SELECT w.name, w.step, (j.config->>'start_offset')::interval AS start_offset, (j.config->>'end_offset')::interval AS end_offset,
       j.schedule_interval AS every
FROM unnest(ARRAY['1m', '5m', '1h', '1d']) WITH ORDINALITY AS w (name, step)
JOIN timescaledb_information.continuous_aggregates AS a ON a.view_schema = 'public' AND a.view_name = 'mood_' || w.name
JOIN timescaledb_information.jobs AS j ON j.proc_name = 'policy_refresh_continuous_aggregate'
    AND j.hypertable_name IN (a.view_name, a.materialization_hypertable_name); -- the one or the other by TimescaleDB's version

CREATE TEMPORARY TABLE carried_1m ON COMMIT DROP AS SELECT * FROM mood_1m AS m
WHERE NOT EXISTS (SELECT FROM rcas.kept('sentiments') AS k WHERE m.bucket >= k.starts AND m.bucket < k.ends);
CREATE TEMPORARY TABLE carried_5m ON COMMIT DROP AS SELECT * FROM mood_5m AS m
WHERE NOT EXISTS (SELECT FROM rcas.kept('sentiments') AS k WHERE m.bucket >= k.starts AND m.bucket < k.ends);
CREATE TEMPORARY TABLE carried_1h ON COMMIT DROP AS SELECT * FROM mood_1h AS m
WHERE NOT EXISTS (SELECT FROM rcas.kept('sentiments') AS k WHERE m.bucket >= k.starts AND m.bucket < k.ends);
CREATE TEMPORARY TABLE carried_1d ON COMMIT DROP AS SELECT * FROM mood_1d AS m
WHERE NOT EXISTS (SELECT FROM rcas.kept('sentiments') AS k WHERE m.bucket >= k.starts AND m.bucket < k.ends);

DROP MATERIALIZED VIEW mood_1d;
DROP MATERIALIZED VIEW mood_1h;
DROP MATERIALIZED VIEW mood_5m;
DROP MATERIALIZED VIEW mood_1m;

CREATE MATERIALIZED VIEW mood_1m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 minute', time) AS bucket, symbol, model, source, repeat, coalesce(kind, 'person') AS kind,
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
FROM sentiments GROUP BY 1, 2, 3, 4, 5, 6
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_5m WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '5 minutes', bucket) AS bucket, symbol, model, source, repeat, kind,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_1m GROUP BY 1, 2, 3, 4, 5, 6
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_1h WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 hour', bucket) AS bucket, symbol, model, source, repeat, kind,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_5m GROUP BY 1, 2, 3, 4, 5, 6
WITH NO DATA;

CREATE MATERIALIZED VIEW mood_1d WITH (
    timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) AS
SELECT time_bucket(INTERVAL '1 day', bucket) AS bucket, symbol, model, source, repeat, kind,
       sum(posts)::bigint AS posts, sum(judged)::bigint AS judged,
       sum(negative)::bigint AS negative, sum(positive)::bigint AS positive,
       sum(sum_score) AS sum_score, sum(sum_square) AS sum_square, sum(sum_weight) AS sum_weight,
       sum(sum_weighted) AS sum_weighted, sum(sum_influence) AS sum_influence, bit_or(authors) AS authors
FROM mood_1h GROUP BY 1, 2, 3, 4, 5, 6
WITH NO DATA;

CREATE INDEX mood_1m_symbol ON mood_1m (symbol, bucket DESC);
CREATE INDEX mood_5m_symbol ON mood_5m (symbol, bucket DESC);
CREATE INDEX mood_1h_symbol ON mood_1h (symbol, bucket DESC);
CREATE INDEX mood_1d_symbol ON mood_1d (symbol, bucket DESC);
CREATE INDEX mood_1m_posts ON mood_1m (bucket DESC) INCLUDE (model, source, repeat, kind, posts);
CREATE INDEX mood_5m_posts ON mood_5m (bucket DESC) INCLUDE (model, source, repeat, kind, posts);
CREATE INDEX mood_1h_posts ON mood_1h (bucket DESC) INCLUDE (model, source, repeat, kind, posts);

COMMENT ON VIEW mood_1m IS
'Sums over sentiments per minute, symbol, model, source, repeat and kind; a post whose kind no model has told stands under person. Mean '
'mood = sum_score / judged; weighted mood = sum_weighted / sum_weight; negative and positive count the posts whose largest probability '
'that is; authors is a 1,024-bit linear counter.';
COMMENT ON VIEW mood_5m IS 'mood_1m per five minutes.';
COMMENT ON VIEW mood_1h IS 'mood_1m per hour.';
COMMENT ON VIEW mood_1d IS 'mood_1m per UTC day.';

DO $$
DECLARE
    w record;
BEGIN
    FOR w IN
        SELECT c.*, format('%I.%I', a.materialization_hypertable_schema, a.materialization_hypertable_name) AS rows
        FROM policies AS c JOIN timescaledb_information.continuous_aggregates AS a
          ON a.view_schema = 'public' AND a.view_name = 'mood_' || c.name
        ORDER BY c.step
    LOOP
        EXECUTE format('INSERT INTO %s (bucket, symbol, model, source, repeat, kind, posts, judged, negative, positive, sum_score, sum_square,
                               sum_weight, sum_weighted, sum_influence, authors)
                        SELECT bucket, symbol, model, source, repeat, ''person'', posts, judged, negative, positive, sum_score, sum_square,
                               sum_weight, sum_weighted, sum_influence, authors FROM carried_%s', w.rows, w.name);
        PERFORM add_continuous_aggregate_policy(('mood_' || w.name)::regclass, start_offset => w.start_offset, end_offset => w.end_offset,
                                                schedule_interval => w.every, buckets_per_batch => 0);
    END LOOP;
END $$;
SELECT rcas.apply_retention();
GRANT SELECT ON mood_1m, mood_5m, mood_1h, mood_1d TO rcas_writer, rcas_reader;
