-- Every answer about a divergence says how much of what was said adverts, bots, news and repeats were, an alert too.
ALTER TABLE alerts ADD COLUMN adverts double precision, ADD COLUMN bots double precision, ADD COLUMN news double precision,
    ADD COLUMN repeated double precision;
COMMENT ON COLUMN alerts.adverts IS 'Share of adverts among all judged posts of the bucket in which it fired; NULL in alerts of before.';
COMMENT ON COLUMN alerts.bots IS 'Share of automatic reports among them.';
COMMENT ON COLUMN alerts.news IS 'Share of headlines among them.';
COMMENT ON COLUMN alerts.repeated IS 'Share of repeats among them.';

DROP VIEW divergence_now;
DROP FUNCTION divergence_state, lead_lag, divergence_events, rcas.events;

CREATE FUNCTION rcas.events(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, start_time timestamptz, fired_at timestamptz, end_time timestamptz, side integer, price float8,
    divergence float8, mood_z float8, return_z float8, peak float8, peak_time timestamptz, posts bigint,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
WITH judged AS MATERIALIZED (
    SELECT d.*, d.side IS DISTINCT FROM lag(d.side) OVER (PARTITION BY d.symbol ORDER BY d.bucket) AS turn
    FROM rcas.divergences(symbols, rcas.shift(events.lo, r.width, -r.persistence), events.hi, r) AS d
), runs AS (
    SELECT j.*, count(*) FILTER (WHERE j.turn) OVER (PARTITION BY j.symbol ORDER BY j.bucket) AS run FROM judged AS j
), fired AS (
    SELECT u.symbol, u.side, min(u.bucket) AS first_bucket, max(u.bucket) AS last_bucket,
           rcas.shift(min(u.bucket), r.width, 1 - r.persistence) AS start_time
    FROM runs AS u
    WHERE u.side <> 0
    GROUP BY u.symbol, u.run, u.side
    HAVING min(u.bucket) >= events.lo
)
SELECT f.symbol, f.start_time, rcas.shift(f.first_bucket, r.width, 1), rcas.shift(f.last_bucket, r.width, 1), f.side,
       max(j.close) FILTER (WHERE j.bucket = f.first_bucket), max(j.divergence) FILTER (WHERE j.bucket = f.first_bucket),
       max(j.mood_z) FILTER (WHERE j.bucket = f.first_bucket), max(j.return_z) FILTER (WHERE j.bucket = f.first_bucket),
       f.side * max(abs(j.divergence)), last(j.bucket, abs(j.divergence)), sum(j.posts)::bigint,
       max(j.adverts) FILTER (WHERE j.bucket = f.first_bucket), max(j.bots) FILTER (WHERE j.bucket = f.first_bucket),
       max(j.news) FILTER (WHERE j.bucket = f.first_bucket), max(j.repeated) FILTER (WHERE j.bucket = f.first_bucket)
FROM fired AS f JOIN judged AS j ON j.symbol = f.symbol AND j.bucket BETWEEN f.start_time AND f.last_bucket
GROUP BY f.symbol, f.side, f.first_bucket, f.last_bucket, f.start_time
$$;
COMMENT ON FUNCTION rcas.events IS
'Runs of buckets in which a rule fires, if they begin at lo or later: an event belongs to the range in which it began, whatever '
'the bounds. price, divergence, mood_z, return_z and the shares as they were when it fired; peak, peak_time and posts of all buckets from start_time to '
'end_time, which are those that disagree.';
CREATE FUNCTION divergence_events(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (
    start_time timestamptz, fired_at timestamptz, end_time timestamptz, direction text, peak float8, peak_time timestamptz,
    posts bigint, price float8, return_1h float8, return_4h float8, return_24h float8,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
WITH asked AS MATERIALIZED (
    SELECT r, s.lo, s.hi
    FROM rcas.rule(divergence_events.width, divergence_events.baseline, divergence_events.threshold, divergence_events.min_posts,
                   divergence_events.persistence, divergence_events.repeats, divergence_events.venue, divergence_events.source,
                   divergence_events.model, divergence_events.who) AS r,
         rcas.rule_span(ARRAY[divergence_events.symbol], divergence_events.from_time, divergence_events.to_time, r) AS s
), closes AS MATERIALIZED (
    SELECT c.*
    FROM asked AS a, rcas.closes(divergence_events.symbol, a.lo, a.hi, divergence_events.width, divergence_events.venue) AS c
)
SELECT e.start_time, e.fired_at, e.end_time, CASE e.side WHEN 1 THEN 'bullish' ELSE 'bearish' END, e.peak, e.peak_time,
       e.posts, c.close, ln(c1.close / c.close), ln(c4.close / c.close), ln(c24.close / c.close),
       e.adverts, e.bots, e.news, e.repeated
FROM asked AS a
CROSS JOIN rcas.events(ARRAY[divergence_events.symbol], a.lo, a.hi, a.r) AS e
LEFT JOIN closes AS c ON c.at = e.fired_at
LEFT JOIN closes AS c1 ON c1.at = e.fired_at + INTERVAL '1 hour'
LEFT JOIN closes AS c4 ON c4.at = e.fired_at + INTERVAL '4 hours'
LEFT JOIN closes AS c24 ON c24.at = e.fired_at + INTERVAL '24 hours'
ORDER BY 2
$$;
COMMENT ON FUNCTION divergence_events IS
'The times when divergence() began to fire within the range, one row each. start_time: start of the first bucket that '
'disagreed; fired_at: end of the bucket in which the rule first fired, the earliest that one could have known; end_time: end of '
'the last firing bucket. Of the buckets from start_time to end_time: peak: the largest divergence (positive bullish, negative bearish), and '
'its bucket; posts. price: close at fired_at; return_1h, 4h, 24h = ln(price then / price at fired_at), NULL where nothing traded '
'just before that time. adverts, bots, news, repeated: their shares of all judged posts in the bucket in which it fired.';

CREATE FUNCTION lead_lag(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, max_lag integer DEFAULT 12,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (lag integer, correlation float8, n bigint, effective_n float8, p_single float8, p_value float8,
                 adverts float8, bots float8, news float8, repeated float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 25 AS $$
#variable_conflict use_column
DECLARE
    span record := rcas.span(ARRAY[symbol], from_time, to_time, width, 1);
    size bigint := round(extract(epoch FROM span.hi - span.lo) / rcas.seconds(width));
BEGIN
    IF max_lag IS NULL OR max_lag NOT BETWEEN 0 AND 500 OR size * (2 * max_lag + 1) > 5000000 THEN
        RAISE EXCEPTION 'max_lag must be 0 to 500 buckets, with at most 5 million pairs in all, not %',
            coalesce(max_lag::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for fewer lags, a shorter time or a wider width.';
    END IF;
    RETURN QUERY
    WITH numbered AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY v.bucket) AS i, v.weighted_mood AS x, v.log_return AS y
        FROM rcas.series(ARRAY[symbol], span.start, span.hi, width, venue, source, model, repeats, who) AS v
        WHERE v.bucket >= span.lo
    ), series AS MATERIALIZED (
        SELECT n.*, n.x - avg(n.x) OVER () AS dx, n.y - avg(n.y) OVER () AS dy FROM numbered AS n
    ), memory AS (
        SELECT k.j, coalesce(avg(a.dx * b.dx) / nullif((SELECT var_pop(x) FROM series), 0), 0) AS rx,
                    coalesce(avg(a.dy * b.dy) / nullif((SELECT var_pop(y) FROM series), 0), 0) AS ry,
                    count(a.dx * b.dx * a.dy * b.dy) / greatest((SELECT regr_count(x, y) FROM series), 1)::float8 AS part
        FROM generate_series(0, (SELECT floor(2 * sqrt(regr_count(x, y)))::int FROM series)) AS k (j), series AS a, series AS b
        WHERE b.i = a.i + k.j
        GROUP BY 1
    ), inflation AS (
        SELECT greatest(2 * sum(m.rx * m.ry * m.part) - 1, 0.2) AS factor,
               coalesce(sum((m.rx * next.ry + next.rx * m.ry) * next.part), 0) AS beside
        FROM memory AS m LEFT JOIN memory AS next ON next.j = m.j + 1
    ), pairs AS (
        SELECT k.lag, corr(a.x, b.y) AS r, regr_count(a.x, b.y) AS n
        FROM generate_series(-max_lag, max_lag) AS k (lag), series AS a, series AS b
        WHERE b.i = a.i + k.lag
        GROUP BY 1
    ), tested AS (
        SELECT p.*, CASE WHEN p.r IS NOT NULL THEN p.n / greatest(f.factor, 1) END AS effective, f.beside / f.factor AS likeness,
               CASE WHEN p.r IS NOT NULL
                    THEN atanh(greatest(least(p.r, 1 - 1e-15), 1e-15 - 1)) * sqrt(greatest(p.n / greatest(f.factor, 1) - 3, 0)) END AS z
        FROM pairs AS p, inflation AS f
    ), single AS (
        SELECT t.*, rcas.normal_p(t.z) AS p1 FROM tested AS t
    )
    SELECT k.lag, t.r, coalesce(t.n, 0), t.effective, t.p1, rcas.family_p(t.p1, t.z, t.likeness, 2 * max_lag + 1),
           f.adverts, f.bots, f.news, f.repeated
    FROM generate_series(-max_lag, max_lag) AS k (lag) LEFT JOIN single AS t ON t.lag = k.lag
    LEFT JOIN rcas.felt_between(span.lo, span.hi, model, source, repeats, who) AS f ON f.symbol = lead_lag.symbol
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION lead_lag IS
'Does mood move before price, or after? correlation of the weighted mood of a bucket with the return of the bucket lag buckets '
'later: positive lag: mood leads; negative: price leads. n: pairs of buckets that have both. effective_n: what n is worth given '
'that both series remember their past (Bartlett 1946), never more. p_single: two-sided p of this lag alone; p_value: the same for having '
'tried all lags. A lead in the past is no promise. adverts, bots, news, repeated: their shares of all judged posts of the whole time, the '
'same in each row.';

CREATE FUNCTION divergence_state(
    at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes', baseline integer DEFAULT 96, threshold float8 DEFAULT 1,
    min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false, venue text DEFAULT NULL,
    source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (
    symbol text, signal float8, direction text, bucket timestamptz, divergence float8, mood_z float8, return_z float8,
    posts bigint, adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
WITH judged AS (
    SELECT d.*
    FROM rcas.rule(divergence_state.width, divergence_state.baseline, divergence_state.threshold, divergence_state.min_posts,
                   divergence_state.persistence, divergence_state.repeats, divergence_state.venue, divergence_state.source,
                   divergence_state.model, divergence_state.who) AS r,
         LATERAL (SELECT time_bucket(r.width, rcas.check_at(divergence_state.at)), array_agg(a.symbol) FROM assets AS a) AS b (hi, symbols),
         rcas.divergences(b.symbols, rcas.shift(b.hi, r.width, -1), b.hi, r) AS d
)
SELECT a.symbol, CASE WHEN d.side <> 0 THEN d.divergence ELSE 0 END,
       CASE d.side WHEN 1 THEN 'bullish' WHEN -1 THEN 'bearish' ELSE 'none' END,
       d.bucket, d.divergence, d.mood_z, d.return_z, coalesce(d.posts, 0),
       d.adverts, d.bots, d.news, d.repeated
FROM assets AS a LEFT JOIN judged AS d ON d.symbol = a.symbol
ORDER BY 1
$$;
COMMENT ON FUNCTION divergence_state IS
'One row per coin: divergence() of the last whole bucket before at. signal: the divergence where the rule fires, 0 where it '
'does not (also when it cannot be judged: then divergence is NULL); direction: bullish, bearish or none. Shares, who and repeats as '
'in mood().';

CREATE VIEW divergence_now AS
SELECT s.* FROM divergence_state(now() - INTERVAL '30 seconds') AS s;
COMMENT ON VIEW divergence_now IS
'divergence_state() of the last whole quarter of an hour, which is judged half a minute after its end so that its posts are '
'scored. For an alert rule in Grafana, which wants one numeric column: SELECT symbol, signal FROM divergence_now, and alert '
'where abs(signal) > 0.';
GRANT SELECT ON divergence_now TO rcas_writer, rcas_reader;

CREATE OR REPLACE FUNCTION record_alerts(
    name text DEFAULT 'divergence', at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes',
    baseline integer DEFAULT 96, threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    cooldown interval DEFAULT '6 hours', lookback interval DEFAULT '1 hour', who text DEFAULT 'people'
) RETURNS SETOF alerts
LANGUAGE plpgsql VOLATILE ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    r       rcas.rule := rcas.rule(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who);
    symbols text[] := (SELECT coalesce(array_agg(a.symbol), '{}') FROM assets AS a);
    e       record;
    added   alerts;
BEGIN
    IF cooldown IS NULL OR cooldown < INTERVAL '0' THEN
        RAISE EXCEPTION 'cooldown must not be negative, but is %', coalesce(cooldown::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '6 hours is the default.';
    END IF;
    PERFORM rcas.rule_span(symbols, rcas.check_at(at) - rcas.check_duration('lookback', lookback), at, r);
    PERFORM pg_advisory_xact_lock(hashtextextended('rcas alerts', 0));
    FOR e IN
        SELECT v.* FROM rcas.events(symbols, time_bucket(width, at - lookback), time_bucket(width, at), r) AS v
        ORDER BY v.fired_at, v.symbol
    LOOP
        INSERT INTO alerts AS n (symbol, rule, direction, start_time, fired_at, price, divergence, mood_z, return_z, posts,
                                 adverts, bots, news, repeated)
        SELECT e.symbol, name, CASE e.side WHEN 1 THEN 'bullish' ELSE 'bearish' END, e.start_time, e.fired_at, e.price,
               e.divergence, e.mood_z, e.return_z, e.posts, e.adverts, e.bots, e.news, e.repeated
        WHERE NOT EXISTS (SELECT FROM alerts AS o WHERE o.symbol = e.symbol AND o.rule = name
                          AND o.fired_at > e.fired_at - cooldown AND o.fired_at < e.fired_at + cooldown)
        ON CONFLICT DO NOTHING
        RETURNING n.* INTO added;
        IF FOUND THEN
            RETURN NEXT added;
        END IF;
    END LOOP;
END $$;
