-- What dashboards and alerts ask of all coins and all feeds at once.

CREATE MATERIALIZED VIEW pipeline_1m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(INTERVAL '1 minute', time) AS bucket, component, source, event, sum(n)::bigint AS n
FROM pipeline_counts GROUP BY 1, 2, 3, 4
WITH NO DATA;
COMMENT ON VIEW pipeline_1m IS 'pipeline_counts per minute of machine time.';
-- Rows of pipeline_counts come as they are counted, never late, and are dropped after 90 days: the refresh must end before that.
SELECT add_continuous_aggregate_policy('pipeline_1m', start_offset => INTERVAL '30 days', end_offset => INTERVAL '1 minute',
                                       schedule_interval => INTERVAL '1 minute', buckets_per_batch => 0);
GRANT SELECT ON pipeline_1m TO rcas_writer, rcas_reader;

-- Compiling a dashboard's many small queries takes longer than running them. Another database of the server may be setting the same at
-- this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rcas_reader' AND 'jit=off' = ANY (rolconfig)) THEN
        ALTER ROLE rcas_reader SET jit = off;
    END IF;
EXCEPTION WHEN internal_error OR unique_violation THEN
    RAISE NOTICE 'the settings of rcas_reader are being set from another database: %', SQLERRM;
END $$;

CREATE FUNCTION rcas.whole_hours(from_time timestamptz, to_time timestamptz, OUT lo timestamptz, OUT first_hour timestamptz, OUT last_hour timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(time_bucket(INTERVAL '1 minute', from_time), time_bucket(INTERVAL '1 hour', from_time + INTERVAL '59 minutes 59.999999 seconds'),
           time_bucket(INTERVAL '1 hour', to_time));
COMMENT ON FUNCTION rcas.whole_hours IS 'The whole hours from first_hour to before last_hour within a time, and the minute in which it begins.';

CREATE FUNCTION rcas.prices_between(from_time timestamptz, to_time timestamptz) RETURNS SETOF prices_1m
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000 AS $$
DECLARE
    h record;
BEGIN
    SELECT * INTO h FROM rcas.whole_hours(from_time, to_time);
    RETURN QUERY EXECUTE $query$
        SELECT p.bucket, p.symbol, p.venue, p.open_time, p.close_time, p.open, p.high, p.low, p.close, p.volume, p.turnover, p.trades::bigint
        FROM prices_1h AS p WHERE p.bucket >= $3 AND p.bucket < $4
        UNION ALL
        SELECT p.* FROM prices_1m AS p WHERE p.bucket >= $1 AND p.bucket < $2 AND (p.bucket < $3 OR p.bucket >= $4)$query$
    USING h.lo, to_time, h.first_hour, h.last_hour;
END $$;
COMMENT ON FUNCTION rcas.prices_between IS 'Windows that cover a time to the minute: whole hours from prices_1h, the edges from prices_1m.';

CREATE FUNCTION rcas.felt_between(from_time timestamptz, to_time timestamptz, model text, source text, repeats boolean)
RETURNS TABLE (symbol text, posts bigint, mood float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 30 AS $$
DECLARE
    h record;
BEGIN
    SELECT * INTO h FROM rcas.whole_hours(from_time, to_time);
    RETURN QUERY EXECUTE $query$
        WITH windows AS (
            SELECT m.symbol, m.model, m.source, m.repeat, m.posts, m.sum_weighted, m.sum_weight
            FROM mood_1h AS m WHERE m.bucket >= $3 AND m.bucket < $4
            UNION ALL
            SELECT m.symbol, m.model, m.source, m.repeat, m.posts, m.sum_weighted, m.sum_weight
            FROM mood_1m AS m WHERE m.bucket >= $1 AND m.bucket < $2 AND (m.bucket < $3 OR m.bucket >= $4)
        )
        SELECT w.symbol, sum(w.posts)::bigint, sum(w.sum_weighted) / nullif(sum(w.sum_weight), 0)
        FROM windows AS w
        WHERE w.model = $5 AND ($6 IS NULL OR w.source = $6) AND ($7 OR NOT w.repeat)
        GROUP BY 1$query$
    USING h.lo, to_time, h.first_hour, h.last_hour, rcas.model_of(model), rcas.source_of(source), coalesce(repeats, true);
END $$;
COMMENT ON FUNCTION rcas.felt_between IS 'Posts and weighted mood of every coin over a time, to the minute.';

CREATE FUNCTION market_overview(from_time timestamptz, to_time timestamptz, repeats boolean DEFAULT true, venue text DEFAULT NULL,
                                source text DEFAULT NULL, model text DEFAULT NULL)
RETURNS TABLE (symbol text, name text, price float8, price_time timestamptz, change float8, low float8, high float8, turnover float8, trades bigint,
               mood float8, mood_before float8, posts bigint, posts_before bigint, dominance float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
WITH checked AS MATERIALIZED (
    SELECT rcas.check_times(from_time, to_time), from_time - (to_time - from_time) AS before, rcas.venue_of(market_overview.venue) AS venue
), priced AS (
    SELECT p.symbol, last(p.close, p.close_time) AS price, max(p.close_time) AS price_time,
           last(p.close, p.close_time) / nullif(first(p.open, p.open_time), 0) - 1 AS change,
           min(p.low) AS low, max(p.high) AS high, sum(p.turnover) AS turnover, sum(p.trades)::bigint AS trades
    FROM checked AS c, rcas.prices_between(from_time, to_time) AS p
    WHERE c.venue IS NULL OR p.venue = c.venue
    GROUP BY 1
)
SELECT a.symbol, a.name, p.price, p.price_time, p.change, p.low, p.high, coalesce(p.turnover, 0), coalesce(p.trades, 0), f.mood, b.mood,
       coalesce(f.posts, 0), coalesce(b.posts, 0), f.posts / nullif(sum(f.posts) OVER (), 0)::float8
FROM assets AS a
LEFT JOIN priced AS p ON p.symbol = a.symbol
LEFT JOIN (SELECT f.* FROM checked, rcas.felt_between(from_time, to_time, market_overview.model, market_overview.source, market_overview.repeats) AS f) AS f
       ON f.symbol = a.symbol
LEFT JOIN (SELECT f.* FROM checked AS c, rcas.felt_between(c.before, from_time, market_overview.model, market_overview.source, market_overview.repeats) AS f) AS b
       ON b.symbol = a.symbol
ORDER BY coalesce(p.turnover, 0) DESC, a.symbol
$$;
COMMENT ON FUNCTION market_overview IS
'One row per coin for the time from from_time to to_time, to the minute. price: the last trade, in quote currency, and when it was; change = last / first price - 1; turnover in quote currency; mood: weighted mean score of the judged posts; mood_before, posts_before: the same for as long a time before; dominance: share of the posts about all coins. Largest turnover first. A coin without data has its row, with NULLs.';

CREATE FUNCTION rcas.feeds(since timestamptz) RETURNS TABLE (feed text, kind text, live boolean, last_stored timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 AS $$
BEGIN
    RETURN QUERY EXECUTE $query$
        WITH venues AS (
            SELECT d.venue AS source, max(d.bucket) AS newest FROM prices_1d AS d GROUP BY 1
        ), networks AS (
            SELECT d.source, max(d.bucket) AS newest FROM mood_1d AS d GROUP BY 1
        )
        SELECT p.source, CASE WHEN v.source IS NULL THEN 'posts' ELSE 'trades' END, coalesce(greatest(v.newest, w.newest) >= $1 - INTERVAL '1 day', false),
               max(p.bucket) FILTER (WHERE p.component = 'writer' AND p.event = 'stored')
        FROM pipeline_1m AS p LEFT JOIN venues AS v ON v.source = p.source LEFT JOIN networks AS w ON w.source = p.source
        WHERE p.bucket >= $1 AND p.component IN ('ingest', 'writer')
        GROUP BY 1, 2, 3$query$
    USING since;
END $$;
COMMENT ON FUNCTION rcas.feeds IS
'Feeds that were counted since a time, whether they bring posts or trades, whether what they bring is of that time too (an archive''s is not), and the minute in which rows of them were last stored.';

CREATE FUNCTION feed_health(recent interval DEFAULT '2 minutes', known interval DEFAULT '7 days')
RETURNS TABLE (feed text, kind text, live boolean, last_stored timestamptz, silent_seconds float8, per_second float8, source_lag float8, store_lag float8,
               store_lag_p95 float8, dropped_share float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 AS $$
WITH asked AS MATERIALIZED (
    SELECT rcas.check_duration('recent', feed_health.recent) AS recent, rcas.check_duration('known', feed_health.known) AS known
), counted AS (
    SELECT c.source, max(c.time) FILTER (WHERE c.component = 'writer' AND c.event = 'stored') AS last_time,
           sum(c.n) FILTER (WHERE c.component = 'writer' AND c.event = 'stored') AS stored,
           sum(c.n) FILTER (WHERE c.component = 'ingest' AND c.event = 'read') AS read,
           sum(c.n) FILTER (WHERE c.component = 'ingest' AND c.event LIKE 'dropped:%') AS dropped
    FROM pipeline_counts AS c WHERE c.time > now() - greatest(feed_health.recent, INTERVAL '2 minutes') GROUP BY 1
), lags AS (
    SELECT t.source, extract(epoch FROM t.received_at - t.time) AS source_lag, extract(epoch FROM t.stored_at - t.received_at) AS store_lag
    FROM tweets AS t WHERE t.time > now() - feed_health.recent
    UNION ALL
    SELECT p.venue, extract(epoch FROM p.received_at - p.time), extract(epoch FROM p.stored_at - p.received_at)
    FROM prices AS p WHERE p.time > now() - feed_health.recent
), measured AS (
    SELECT l.source, percentile_cont(0.5) WITHIN GROUP (ORDER BY l.source_lag) AS source_lag,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY l.store_lag) AS store_lag
    FROM lags AS l GROUP BY 1
)
SELECT f.feed, f.kind, f.live, coalesce(c.last_time, f.last_stored), extract(epoch FROM now() - coalesce(c.last_time, f.last_stored)),
       coalesce(c.stored, 0) / extract(epoch FROM greatest(a.recent, INTERVAL '2 minutes')), m.source_lag, m.store_lag[1], m.store_lag[2],
       c.dropped / nullif(c.read, 0)::float8
FROM asked AS a CROSS JOIN rcas.feeds(now() - a.known) AS f LEFT JOIN counted AS c ON c.source = f.feed LEFT JOIN measured AS m ON m.source = f.feed
ORDER BY 2, 1
$$;
COMMENT ON FUNCTION feed_health IS
'One row per feed that was counted in the last known time (machine time). live: what it brings is of that time too, unlike an archive''s; last_stored: when rows of it were last committed, to the minute when long ago; silent_seconds since then, NULL when never; per_second: rows stored over the recent time. Seconds over the rows whose event time is recent, NULL without any: source_lag: median from event to receipt; store_lag, store_lag_p95: from receipt to commit. dropped_share of what was read recently.';

CREATE FUNCTION scorer_health(recent interval DEFAULT '15 minutes')
RETURNS TABLE (model text, last_scored timestamptz, per_second float8, unscored bigint, behind_seconds float8, score_lag float8, skipped_share float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
WITH asked AS MATERIALIZED (
    SELECT rcas.check_duration('recent', scorer_health.recent) AS recent
), waiting AS (
    SELECT count(*) AS n, min(t.stored_at) AS oldest
    FROM tweets AS t CROSS JOIN LATERAL unnest(t.symbols) AS s (symbol)
    WHERE t.time > now() - scorer_health.recent AND t.deleted_at IS NULL
      AND NOT EXISTS (SELECT FROM sentiments AS r WHERE r.source = t.source AND r.id = t.id AND r.time = t.time AND r.symbol = s.symbol AND r.model = rcas.active_model())
), counted AS (
    SELECT max(c.time) AS last_time, sum(c.n) AS n, sum(c.n) FILTER (WHERE c.event LIKE 'skipped:%') AS skipped
    FROM pipeline_counts AS c WHERE c.time > now() - scorer_health.recent AND c.component = 'scorer'
), measured AS (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.scored_at - t.received_at)) AS lag
    FROM sentiments AS r JOIN tweets AS t ON t.source = r.source AND t.id = r.id AND t.time = r.time
    WHERE r.time > now() - LEAST(scorer_health.recent, INTERVAL '2 minutes') AND t.time > now() - LEAST(scorer_health.recent, INTERVAL '2 minutes')
      AND r.model = rcas.active_model()
)
SELECT rcas.active_model(),
       coalesce(c.last_time, (SELECT max(p.bucket) FROM pipeline_1m AS p WHERE p.component = 'scorer' AND p.bucket > now() - INTERVAL '7 days')),
       coalesce(c.n, 0) / extract(epoch FROM a.recent), w.n, coalesce(extract(epoch FROM now() - w.oldest), 0), m.lag,
       c.skipped / nullif(c.n, 0)::float8
FROM asked AS a, waiting AS w, counted AS c, measured AS m
$$;
COMMENT ON FUNCTION scorer_health IS
'One row about the scorer. last_scored: when it last counted work; per_second: rows over the recent time; unscored: rows that posts of the recent time (event time) still lack, and behind_seconds since the oldest of these posts was stored, 0 when none waits; score_lag: median seconds from receipt of a post to its sentiment; skipped_share: posts that the model could not judge.';
