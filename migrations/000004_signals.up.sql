-- Signals: where mood and price part ways, and which of the two moves first. docs/signals.md says what they are worth.

CREATE TYPE rcas.rule AS (
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text
);
COMMENT ON TYPE rcas.rule IS 'The settings of a divergence rule, as the arguments of divergence() name them.';

CREATE FUNCTION rcas.rule(
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text
) RETURNS rcas.rule
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    PERFORM rcas.check_width(width);
    IF baseline IS NULL OR baseline NOT BETWEEN 10 AND 10000 THEN
        RAISE EXCEPTION 'baseline must be 10 to 10000 buckets, not %', coalesce(baseline::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of buckets before each bucket that say what is usual; 96 is the default.';
    ELSIF threshold IS NULL OR NOT threshold > 0 OR threshold > 100 THEN
        RAISE EXCEPTION 'threshold must be above 0 standard deviations and at most 100, not %', coalesce(threshold::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Common values are 1, the default, to 3; suggest_thresholds() counts how often each would fire.';
    ELSIF min_posts IS NULL OR min_posts < 0 THEN
        RAISE EXCEPTION 'min_posts must be 0 or more, not %', coalesce(min_posts::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of posts that a bucket needs to be believed; 20 is the default.';
    ELSIF persistence IS NULL OR persistence NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'persistence must be 1 to 1000 buckets, not %', coalesce(persistence::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of buckets in a row that must disagree before the rule fires; 2 is the default.';
    END IF;
    RETURN ROW(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model);
END $$;
COMMENT ON FUNCTION rcas.rule IS 'A rule, or an error that says which of its settings makes no sense.';

CREATE FUNCTION rcas.rule_span(
    symbols text[], from_time timestamptz, to_time timestamptz, r rcas.rule, OUT lo timestamptz, OUT hi timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT s.lo, s.hi FROM rcas.span(symbols, from_time, to_time, r.width, r.baseline + r.persistence + 1) AS s
$$;
COMMENT ON FUNCTION rcas.rule_span IS 'Bounds of a call of a rule, counting its baseline among the buckets that it needs.';

CREATE FUNCTION rcas.z_scores(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH series AS (
        SELECT v.*, v.weighted_mood::numeric AS m, v.log_return::numeric AS g
        FROM rcas.series(symbols, rcas.shift(lo, r.width, -r.baseline - 1), hi, r.width, r.venue, r.source, r.model,
                         r.repeats) AS v
    ), usual AS (
        SELECT s.*, avg(s.m) OVER past AS m_mean, stddev_samp(s.m) OVER past AS m_sd, count(s.m) OVER past AS m_n,
                    avg(s.g) OVER past AS g_mean, stddev_samp(s.g) OVER past AS g_sd, count(s.g) OVER past AS g_n
        FROM series AS s
        WINDOW past AS (PARTITION BY s.symbol ORDER BY s.bucket ROWS BETWEEN r.baseline PRECEDING AND 1 PRECEDING)
    )
    SELECT u.symbol, u.bucket, u.close, u.log_return, u.weighted_mood, u.posts,
           CASE WHEN 2 * u.m_n >= r.baseline THEN ((u.m - u.m_mean) / nullif(u.m_sd, 0))::float8 END,
           CASE WHEN 2 * u.g_n >= r.baseline THEN ((u.g - u.g_mean) / nullif(u.g_sd, 0))::float8 END
    FROM usual AS u
    WHERE u.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.z_scores IS
'Weighted mood and return as standard scores against the baseline buckets before each bucket (not itself); NULL unless half of '
'them have a value and they vary. Sums in numeric, so that the sliding windows add and subtract exactly.';

CREATE FUNCTION rcas.divergences(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, strength float8, side integer
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH scored AS (
        SELECT z.*, sign(z.mood_z)::integer AS way,
               CASE WHEN z.posts >= r.min_posts AND sign(z.mood_z) = -sign(z.return_z)
                    THEN least(abs(z.mood_z), abs(z.return_z)) ELSE 0 END AS apart
        FROM rcas.z_scores(symbols, rcas.shift(lo, r.width, 1 - r.persistence), hi, r) AS z
    ), lasting AS (
        SELECT s.*, CASE WHEN count(s.way) OVER run = r.persistence AND min(s.way) OVER run = max(s.way) OVER run
                         THEN min(s.apart) OVER run ELSE 0 END AS strength
        FROM scored AS s
        WINDOW run AS (PARTITION BY s.symbol ORDER BY s.bucket ROWS BETWEEN r.persistence - 1 PRECEDING AND CURRENT ROW)
    )
    SELECT l.symbol, l.bucket, l.close, l.log_return, l.mood, l.posts, l.mood_z, l.return_z, l.mood_z - l.return_z, l.strength,
           CASE WHEN l.strength >= r.threshold THEN l.way ELSE 0 END
    FROM lasting AS l
    WHERE l.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.divergences IS
'divergence() of several symbols on a grid without holes. strength: the largest threshold at which the rule would fire; side: 1 '
'where a bullish divergence fires, -1 a bearish one, else 0.';

CREATE FUNCTION divergence(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT true,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, direction text, firing boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
SELECT d.bucket, d.close, d.log_return, d.mood, d.posts, d.mood_z, d.return_z, d.divergence,
       CASE d.side WHEN 1 THEN 'bullish' WHEN -1 THEN 'bearish' END, d.side <> 0
FROM rcas.rule(divergence.width, divergence.baseline, divergence.threshold, divergence.min_posts, divergence.persistence,
               divergence.repeats, divergence.venue, divergence.source, divergence.model) AS r,
     rcas.rule_span(ARRAY[divergence.symbol], divergence.from_time, divergence.to_time, r) AS s,
     rcas.divergences(ARRAY[divergence.symbol], s.lo, s.hi, r) AS d
WHERE d.posts > 0 OR d.close IS NOT NULL
ORDER BY 1
$$;
COMMENT ON FUNCTION divergence IS
'How far mood and price part ways per bucket. mood is the weighted mood; mood_z and return_z count standard deviations from the '
'mean of the baseline buckets before; divergence = mood_z - return_z. firing: the signs disagree, both are at least threshold '
'away from zero, at least min_posts posts stand behind it, and it has been so for persistence buckets in a row. direction: '
'bullish (mood up, price down) or bearish (mood down, price up), NULL where it does not fire.';

CREATE FUNCTION rcas.events(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, start_time timestamptz, fired_at timestamptz, end_time timestamptz, side integer, price float8,
    divergence float8, mood_z float8, return_z float8, peak float8, peak_time timestamptz, posts bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
WITH judged AS (
    SELECT d.*, d.side IS DISTINCT FROM lag(d.side) OVER (PARTITION BY d.symbol ORDER BY d.bucket) AS turn
    FROM rcas.divergences(symbols, rcas.shift(events.lo, r.width, -1), events.hi, r) AS d
), runs AS (
    SELECT j.*, count(*) FILTER (WHERE j.turn) OVER (PARTITION BY j.symbol ORDER BY j.bucket) AS run FROM judged AS j
)
SELECT u.symbol, rcas.shift(min(u.bucket), r.width, 1 - r.persistence), rcas.shift(min(u.bucket), r.width, 1),
       rcas.shift(max(u.bucket), r.width, 1), u.side,
       first(u.close, u.bucket), first(u.divergence, u.bucket), first(u.mood_z, u.bucket), first(u.return_z, u.bucket),
       u.side * max(abs(u.divergence)), last(u.bucket, abs(u.divergence)), sum(u.posts)::bigint
FROM runs AS u
WHERE u.side <> 0
GROUP BY u.symbol, u.run, u.side
HAVING min(u.bucket) >= events.lo
$$;
COMMENT ON FUNCTION rcas.events IS
'Runs of buckets in which a rule fires, if they begin at lo or later: an event belongs to the range in which it began, whatever '
'the bounds. price, divergence, mood_z and return_z as they were when it fired.';

CREATE FUNCTION rcas.closes(symbol text, lo timestamptz, hi timestamptz, width interval, venue text)
RETURNS TABLE (at timestamptz, close float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000 AS $$
SELECT p.bucket + s.step, p.close
FROM (SELECT make_interval(secs => gcd(rcas.seconds(closes.width), 3600))) AS s (step),
     rcas.price_windows(ARRAY[closes.symbol], closes.lo, closes.hi + INTERVAL '24 hours', s.step, closes.venue) AS p
$$;
COMMENT ON FUNCTION rcas.closes IS
'Price at the ends of buckets and of the hours after them, up to a day past hi: the close of the step that ends then, a step '
'being the widest that the width and an hour are both made of. No row when nothing traded in the step.';

CREATE FUNCTION divergence_events(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT true,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (
    start_time timestamptz, fired_at timestamptz, end_time timestamptz, direction text, peak float8, peak_time timestamptz,
    posts bigint, price float8, return_1h float8, return_4h float8, return_24h float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
WITH asked AS MATERIALIZED (
    SELECT r, s.lo, s.hi
    FROM rcas.rule(divergence_events.width, divergence_events.baseline, divergence_events.threshold, divergence_events.min_posts,
                   divergence_events.persistence, divergence_events.repeats, divergence_events.venue, divergence_events.source,
                   divergence_events.model) AS r,
         rcas.rule_span(ARRAY[divergence_events.symbol], divergence_events.from_time, divergence_events.to_time, r) AS s
), closes AS MATERIALIZED (
    SELECT c.*
    FROM asked AS a, rcas.closes(divergence_events.symbol, a.lo, a.hi, divergence_events.width, divergence_events.venue) AS c
)
SELECT e.start_time, e.fired_at, e.end_time, CASE e.side WHEN 1 THEN 'bullish' ELSE 'bearish' END, e.peak, e.peak_time,
       e.posts, c.close, ln(c1.close / c.close), ln(c4.close / c.close), ln(c24.close / c.close)
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
'the last firing bucket. peak: the largest divergence (positive bullish, negative bearish), and its bucket; posts: in the '
'firing buckets; price: close at fired_at; return_1h, 4h, 24h = ln(price then / price at fired_at), NULL where nothing traded '
'just before that time.';

CREATE FUNCTION rcas.normal_p(z float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    x    float8 := abs(z) / sqrt(2::float8);
    term float8 := x;
    area float8 := 0;
    n    integer := 0;
BEGIN
    IF x > 6 THEN
        RETURN 0;
    END IF;
    WHILE area + term > area LOOP
        area := area + term;
        n := n + 1;
        term := term * 2 * x * x / (2 * n + 1);
    END LOOP;
    RETURN greatest(1 - 2 / sqrt(pi()) * exp(-x * x) * area, 0);
END $$;
COMMENT ON FUNCTION rcas.normal_p IS
'Probability that a standard normal variable lies further from zero than z: 1 - erf(|z|/√2) by the series of Abramowitz and '
'Stegun 7.1.6, to about 1e-15.';

CREATE FUNCTION rcas.family_p(p float8, z float8, likeness float8, tests bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
-- Simpson's rule over 128 steps for P(|Z₁| ≤ z, |Z₂| ≤ z) = P(|Z₁| ≤ z)² + 1/π ∫ exp(-z²/(1+sin θ)) - exp(-z²/(1-sin θ)) dθ from
-- 0 to asin r.
WITH bounds AS (
    SELECT asin(greatest(least(family_p.likeness, 0.999), -0.999)) AS top
), integral AS (
    SELECT sum(CASE WHEN k IN (0, 128) THEN 1 WHEN k % 2 = 1 THEN 4 ELSE 2 END
               * (exp(-least(z * z / (1 + sin(theta)), 700)) - exp(-least(z * z / (1 - sin(theta)), 700))))
           * max(top) / 384 / pi() AS gain
    FROM bounds, generate_series(0, 128) AS k, LATERAL (SELECT top * k / 128) AS t (theta)
), next AS (
    -- The probability that a test shows nothing when the one before it did not.
    SELECT 1 - p + gain / nullif(1 - p, 0) AS quiet FROM integral
)
-- The power by its logarithm: as a power, PostgreSQL refuses what is too small for a number.
SELECT CASE WHEN p >= 1 THEN 1
            ELSE least(greatest(1 - (1 - p) * CASE WHEN quiet > 0 THEN exp(greatest((tests - 1) * ln(quiet), -700)) ELSE 0 END, p), 1) END
FROM next
$$;
COMMENT ON FUNCTION rcas.family_p IS
'The p of the most extreme of several tests, each like the next with correlation likeness: the product-type approximation of '
'Glaz and Johnson (1984), which is Šidák''s correction where likeness is 0. p and z are those of one test.';

CREATE FUNCTION lead_lag(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, max_lag integer DEFAULT 12,
    repeats boolean DEFAULT true, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (lag integer, correlation float8, n bigint, effective_n float8, p_single float8, p_value float8)
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
        FROM rcas.series(ARRAY[symbol], span.start, span.hi, width, venue, source, model, repeats) AS v
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
        SELECT p.*, CASE WHEN p.r IS NOT NULL THEN p.n / f.factor END AS effective, f.beside / f.factor AS likeness,
               CASE WHEN p.r IS NOT NULL
                    THEN atanh(greatest(least(p.r, 1 - 1e-15), 1e-15 - 1)) * sqrt(greatest(p.n / f.factor - 3, 0)) END AS z
        FROM pairs AS p, inflation AS f
    ), single AS (
        SELECT t.*, rcas.normal_p(t.z) AS p1 FROM tested AS t
    )
    SELECT k.lag, t.r, coalesce(t.n, 0), t.effective, t.p1, rcas.family_p(t.p1, t.z, t.likeness, 2 * max_lag + 1)
    FROM generate_series(-max_lag, max_lag) AS k (lag) LEFT JOIN single AS t ON t.lag = k.lag
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION lead_lag IS
'Does mood move before price, or after? correlation of the weighted mood of a bucket with the return of the bucket lag buckets '
'later: positive lag: mood leads; negative: price leads. n: pairs of buckets that have both. effective_n: what n is worth given '
'that both series remember their past (Bartlett 1946). p_single: two-sided p of this lag alone; p_value: the same for having '
'tried all lags. A lead in the past is no promise.';

CREATE FUNCTION rcas.check_rate(per_week float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF per_week IS NULL OR NOT per_week > 0 OR per_week > 10080 THEN
        RAISE EXCEPTION 'per_week must be above 0 and at most 10080 firings, not %', coalesce(per_week::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '3 is the default.';
    END IF;
    RETURN per_week;
END $$;
COMMENT ON FUNCTION rcas.check_rate IS 'The firings a week, or an error where nobody could want so many or so few.';

CREATE FUNCTION suggest_thresholds(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, per_week float8 DEFAULT 3,
    baseline integer DEFAULT 96, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT true,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (threshold float8, firings bigint, firings_per_week float8, suggested boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 36 AS $$
WITH judged AS MATERIALIZED (
    SELECT d.bucket >= s.lo AS asked, d.divergence, d.strength,
           CASE WHEN sign(d.mood_z) = lag(sign(d.mood_z)) OVER w THEN lag(d.strength) OVER w ELSE 0 END AS before
    FROM rcas.rule(suggest_thresholds.width, suggest_thresholds.baseline, 1, suggest_thresholds.min_posts,
                   suggest_thresholds.persistence, suggest_thresholds.repeats, suggest_thresholds.venue,
                   suggest_thresholds.source, suggest_thresholds.model) AS r,
         rcas.rule_span(ARRAY[suggest_thresholds.symbol], suggest_thresholds.from_time, suggest_thresholds.to_time, r) AS s,
         rcas.divergences(ARRAY[suggest_thresholds.symbol], rcas.shift(s.lo, r.width, -1), s.hi, r) AS d
    WINDOW w AS (ORDER BY d.bucket)
), weeks AS (
    SELECT nullif(count(divergence), 0) * rcas.seconds(suggest_thresholds.width) / 604800::float8 AS n FROM judged WHERE asked
), counted AS (
    -- A rule begins to fire where its threshold lies above what the bucket before would have met, and not above this one's.
    SELECT g.tenths / 10::float8 AS threshold, count(j.strength) AS firings
    FROM generate_series(5, 40) AS g (tenths)
    LEFT JOIN judged AS j ON j.asked AND j.before < g.tenths / 10::float8 AND j.strength >= g.tenths / 10::float8
    GROUP BY 1
)
SELECT c.threshold, c.firings, c.firings / w.n, coalesce(c.firings > 0 AND row_number() OVER nearest = 1, false)
FROM counted AS c, weeks AS w
WINDOW nearest AS (ORDER BY c.firings = 0, abs(c.firings / w.n - rcas.check_rate(suggest_thresholds.per_week)), c.threshold DESC)
ORDER BY 1
$$;
COMMENT ON FUNCTION suggest_thresholds IS
'How often divergence() would have begun to fire at thresholds of 0.5 to 4 standard deviations; suggested marks the one that '
'comes nearest to per_week firings a week. A week counts only the buckets that had a baseline.';

CREATE FUNCTION rcas.bootstrap(
    sums float8[], counts float8[], resamples integer, confidence float8, seed bigint, OUT low float8, OUT high float8
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
WITH groups AS MATERIALIZED (
    SELECT g.* FROM unnest(sums, counts) WITH ORDINALITY AS g (s, n, i)
), means AS (
    SELECT sum(g.s) / sum(g.n) AS mean
    FROM generate_series(1, resamples) AS r, generate_series(1, cardinality(sums)) AS k, groups AS g
    WHERE g.i = 1 + (hashint8extended(r::bigint * 1000000 + k, seed) & 9007199254740991) % cardinality(sums)
    GROUP BY r
)
SELECT percentile_cont((1 - confidence) / 2) WITHIN GROUP (ORDER BY mean),
       percentile_cont((1 + confidence) / 2) WITHIN GROUP (ORDER BY mean)
FROM means WHERE cardinality(sums) > 1
$$;
COMMENT ON FUNCTION rcas.bootstrap IS
'Percentile interval (Efron 1979) of a mean over groups that are drawn whole, given each group''s sum and size. Its chance '
'comes from the seed alone, so that the same question has the same answer.';

CREATE FUNCTION rcas.usual_returns(symbol text, lo timestamptz, hi timestamptz, width interval, venue text)
RETURNS TABLE (side integer, hours integer, hit_rate float8, mean float8, p10 float8, median float8, p90 float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 6 AS $$
WITH closes AS MATERIALIZED (
    SELECT c.*
    FROM rcas.closes(usual_returns.symbol, usual_returns.lo, usual_returns.hi, usual_returns.width, usual_returns.venue) AS c
), returns AS (
    SELECT w.side, h.hours, w.side * ln(c.close / b.close) AS gain
    FROM (VALUES (1), (-1)) AS w (side), (VALUES (1), (4), (24)) AS h (hours), closes AS b, closes AS c
    WHERE b.at > usual_returns.lo AND b.at <= usual_returns.hi AND time_bucket(usual_returns.width, b.at) = b.at
      AND c.at = b.at + make_interval(hours => h.hours)
)
SELECT r.side, r.hours, avg((r.gain > 0)::integer), avg(r.gain), percentile_cont(0.1) WITHIN GROUP (ORDER BY r.gain),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.gain), percentile_cont(0.9) WITHIN GROUP (ORDER BY r.gain)
FROM returns AS r GROUP BY 1, 2
$$;
COMMENT ON FUNCTION rcas.usual_returns IS
'What came after any bucket, signal or none: the distribution of side × return over the hours after it.';

CREATE FUNCTION rcas.check_backtest(confidence float8, resamples integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF confidence IS NULL OR NOT (confidence > 0 AND confidence < 1) THEN
        RAISE EXCEPTION 'confidence must lie between 0 and 1, not %', coalesce(confidence::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '0.95 is the default.';
    ELSIF resamples IS NULL OR resamples NOT BETWEEN 100 AND 10000 THEN
        RAISE EXCEPTION 'resamples must be 100 to 10000, not %', coalesce(resamples::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '1000 is the default.';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION rcas.check_backtest IS 'True, or an error that says which setting of the bootstrap makes no sense.';

CREATE FUNCTION rcas.backtest_note(weeks float8, firings bigint, independent bigint, low float8, high float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN weeks IS NULL THEN 'cannot be judged: no bucket has a baseline of both mood and price'
            WHEN firings = 0 THEN 'never fired'
            WHEN independent < 30 THEN format('too few to say: %s independent firings, 30 wanted', independent)
            WHEN low <= 0 AND high >= 0 THEN 'no edge shown: the interval holds zero'
            WHEN low > 0 THEN 'price followed the mood more than usual, not counting how many rules were tried'
            ELSE 'price went against the mood more than usual, not counting how many rules were tried' END;
COMMENT ON FUNCTION rcas.backtest_note IS 'What a row of backtest() allows one to say.';

CREATE FUNCTION rcas.outcomes(symbol text, from_time timestamptz, to_time timestamptz, r rcas.rule)
RETURNS TABLE (
    direction text, hours integer, side integer, fired_at timestamptz, duration interval, gain float8, usual float8,
    usual_hit_rate float8, p10 float8, median float8, p90 float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
WITH usual AS MATERIALIZED (
    SELECT u.* FROM rcas.rule_span(ARRAY[outcomes.symbol], outcomes.from_time, outcomes.to_time, r) AS s,
                    rcas.usual_returns(outcomes.symbol, s.lo, s.hi, r.width, r.venue) AS u
), after AS (
    SELECT e.direction, h.hours, w.side, e.fired_at, e.end_time - e.start_time AS duration, w.side * h.ret AS gain
    FROM divergence_events(outcomes.symbol, outcomes.from_time, outcomes.to_time, r.width, r.baseline, r.threshold, r.min_posts,
                           r.persistence, r.repeats, r.venue, r.source, r.model) AS e,
         LATERAL (SELECT CASE e.direction WHEN 'bullish' THEN 1 ELSE -1 END) AS w (side),
         LATERAL (VALUES (1, e.return_1h), (4, e.return_4h), (24, e.return_24h)) AS h (hours, ret)
)
SELECT d.direction, a.hours, a.side, a.fired_at, a.duration, a.gain, u.mean, u.hit_rate, q.p10, q.median, q.p90
FROM after AS a
CROSS JOIN LATERAL (VALUES (a.direction), ('both')) AS d (direction)
LEFT JOIN usual AS u ON u.side = a.side AND u.hours = a.hours
LEFT JOIN usual AS q ON q.side = a.side AND q.hours = a.hours AND d.direction <> 'both'
$$;
COMMENT ON FUNCTION rcas.outcomes IS
'Each firing of a rule at each horizon, under its own direction and under both: gain = return in the mood''s direction, and '
'what is usual for it.';

CREATE FUNCTION backtest(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT true,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, confidence float8 DEFAULT 0.95,
    resamples integer DEFAULT 1000, seed bigint DEFAULT 1
) RETURNS TABLE (
    direction text, horizon interval, firings bigint, firings_per_week float8, mean_duration interval, measured bigint,
    independent bigint, hit_rate float8, usual_hit_rate float8, mean_gain float8, usual_gain float8, p10 float8, median float8,
    p90 float8, usual_p10 float8, usual_median float8, usual_p90 float8, edge float8, edge_low float8, edge_high float8,
    note text
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 9 AS $$
WITH asked AS MATERIALIZED (
    SELECT r, s.lo, s.hi
    FROM rcas.rule(backtest.width, backtest.baseline, backtest.threshold, backtest.min_posts, backtest.persistence,
                   backtest.repeats, backtest.venue, backtest.source, backtest.model) AS r,
         rcas.rule_span(ARRAY[backtest.symbol], backtest.from_time, backtest.to_time, r) AS s
    WHERE rcas.check_backtest(backtest.confidence, backtest.resamples)
), weeks AS (
    SELECT nullif(count(z.mood_z + z.return_z), 0) * rcas.seconds(backtest.width) / 604800::float8 AS n
    FROM asked AS a, rcas.z_scores(ARRAY[backtest.symbol], a.lo, a.hi, a.r) AS z
), outcomes AS MATERIALIZED (
    SELECT o.*, lag(o.fired_at) OVER (PARTITION BY o.direction, o.hours, o.gain IS NULL ORDER BY o.fired_at) AS before
    FROM asked AS a, rcas.outcomes(backtest.symbol, backtest.from_time, backtest.to_time, a.r) AS o
), grouped AS (
    -- Firings closer together than the horizon share part of their returns: they are one group, and count as one for chance.
    SELECT o.*, count(*) FILTER (WHERE o.before IS NULL OR o.fired_at - o.before >= make_interval(hours => o.hours))
                    OVER (PARTITION BY o.direction, o.hours, o.gain IS NULL ORDER BY o.fired_at) AS n
    FROM outcomes AS o
), groups AS (
    SELECT g.direction, g.hours, g.n, sum(g.gain - g.usual) AS excess, count(g.gain) AS size
    FROM grouped AS g WHERE g.gain IS NOT NULL GROUP BY 1, 2, 3
), chance AS (
    SELECT g.direction, g.hours, count(*) AS independent,
           rcas.bootstrap(array_agg(g.excess ORDER BY g.n), array_agg(g.size::float8 ORDER BY g.n), backtest.resamples,
                          backtest.confidence, backtest.seed) AS edge
    FROM groups AS g GROUP BY 1, 2
), summed AS (
    SELECT o.direction, o.hours, count(*) AS firings, avg(o.duration) AS duration, count(o.gain) AS measured,
           avg((o.gain > 0)::integer) AS hit_rate, avg(o.usual_hit_rate) FILTER (WHERE o.gain IS NOT NULL) AS usual_hit_rate,
           avg(o.gain) AS gain, avg(o.usual) FILTER (WHERE o.gain IS NOT NULL) AS usual,
           percentile_cont(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY o.gain) AS p,
           avg(o.p10) AS p10, avg(o.median) AS median, avg(o.p90) AS p90
    FROM outcomes AS o GROUP BY 1, 2
)
SELECT d.direction, make_interval(hours => h.hours), coalesce(s.firings, 0), coalesce(s.firings, 0) / w.n, s.duration,
       coalesce(s.measured, 0), coalesce(c.independent, 0), s.hit_rate, s.usual_hit_rate, s.gain, s.usual,
       s.p[1], s.p[2], s.p[3], s.p10, s.median, s.p90, s.gain - s.usual, (c.edge).low, (c.edge).high,
       rcas.backtest_note(w.n, coalesce(s.firings, 0), coalesce(c.independent, 0), (c.edge).low, (c.edge).high)
FROM (VALUES (1, 'both'), (2, 'bullish'), (3, 'bearish')) AS d (place, direction)
CROSS JOIN (VALUES (1), (4), (24)) AS h (hours)
CROSS JOIN weeks AS w
LEFT JOIN summed AS s ON s.direction = d.direction AND s.hours = h.hours
LEFT JOIN chance AS c ON c.direction = d.direction AND c.hours = h.hours
ORDER BY d.place, h.hours
$$;
COMMENT ON FUNCTION backtest IS
'What came 1, 4 and 24 hours after each firing of a divergence rule, against what came after any bucket. A gain is a return in '
'the direction of the mood: the return after a bullish firing, its negative after a bearish one. firings_per_week counts only '
'buckets that had a baseline; mean_duration from first disagreement to end; measured: firings with prices at both ends; '
'independent: the same, those closer together than the horizon counted once; hit_rate: share with a gain; p10, median, p90: of '
'the gains; usual_…: the same after any bucket (quantiles not for both); edge = mean_gain - usual_gain; edge_low and edge_high: '
'bootstrap interval at the given confidence, drawing whole groups of firings, the same for the same seed; note: what the row '
'allows one to say.';

CREATE FUNCTION divergence_state(
    at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes', baseline integer DEFAULT 96, threshold float8 DEFAULT 1,
    min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT true, venue text DEFAULT NULL,
    source text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (
    symbol text, signal float8, direction text, bucket timestamptz, divergence float8, mood_z float8, return_z float8,
    posts bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
WITH judged AS (
    SELECT d.*
    FROM rcas.rule(divergence_state.width, divergence_state.baseline, divergence_state.threshold, divergence_state.min_posts,
                   divergence_state.persistence, divergence_state.repeats, divergence_state.venue, divergence_state.source,
                   divergence_state.model) AS r,
         LATERAL (SELECT time_bucket(r.width, rcas.check_at(divergence_state.at)), array_agg(a.symbol) FROM assets AS a) AS b (hi, symbols),
         rcas.divergences(b.symbols, rcas.shift(b.hi, r.width, -1), b.hi, r) AS d
)
SELECT a.symbol, CASE WHEN d.side <> 0 THEN d.divergence ELSE 0 END,
       CASE d.side WHEN 1 THEN 'bullish' WHEN -1 THEN 'bearish' ELSE 'none' END,
       d.bucket, d.divergence, d.mood_z, d.return_z, coalesce(d.posts, 0)
FROM assets AS a LEFT JOIN judged AS d ON d.symbol = a.symbol
ORDER BY 1
$$;
COMMENT ON FUNCTION divergence_state IS
'One row per coin: divergence() of the last whole bucket before at. signal: the divergence where the rule fires, 0 where it '
'does not (also when it cannot be judged: then divergence is NULL); direction: bullish, bearish or none.';

CREATE VIEW divergence_now AS
SELECT s.* FROM divergence_state(now() - INTERVAL '30 seconds') AS s;
COMMENT ON VIEW divergence_now IS
'divergence_state() of the last whole quarter of an hour, which is judged half a minute after its end so that its posts are '
'scored. For an alert rule in Grafana, which wants one numeric column: SELECT symbol, signal FROM divergence_now, and alert '
'where abs(signal) > 0.';

CREATE TABLE alerts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol       text             NOT NULL,
    rule         text             NOT NULL,
    direction    text             NOT NULL CHECK (direction IN ('bullish', 'bearish')),
    start_time   timestamptz      NOT NULL,
    fired_at     timestamptz      NOT NULL,
    price        double precision,
    divergence   double precision NOT NULL,
    mood_z       double precision NOT NULL,
    return_z     double precision NOT NULL,
    posts        bigint           NOT NULL,
    recorded_at  timestamptz      NOT NULL DEFAULT now(),
    published_at timestamptz,
    delivered_at timestamptz,
    next_attempt timestamptz      NOT NULL DEFAULT now(),
    attempts     integer          NOT NULL DEFAULT 0,
    last_error   text,
    UNIQUE (symbol, rule, fired_at)
);
CREATE INDEX alerts_unsent ON alerts (id) WHERE published_at IS NULL OR delivered_at IS NULL;
COMMENT ON TABLE alerts IS 'Divergence events that people were, or are to be, told of: each once.';
COMMENT ON COLUMN alerts.id IS 'Number of the alert, rising.';
COMMENT ON COLUMN alerts.symbol IS 'The coin.';
COMMENT ON COLUMN alerts.rule IS 'Name of the rule, as record_alerts() was told.';
COMMENT ON COLUMN alerts.direction IS 'bullish: mood up, price down; bearish: mood down, price up.';
COMMENT ON COLUMN alerts.start_time IS 'Start of the first bucket that disagreed.';
COMMENT ON COLUMN alerts.fired_at IS 'End of the bucket in which the rule first fired.';
COMMENT ON COLUMN alerts.price IS 'Close of that bucket, in quote currency.';
COMMENT ON COLUMN alerts.divergence IS 'mood_z - return_z of that bucket, in standard deviations.';
COMMENT ON COLUMN alerts.mood_z IS 'Mood of that bucket, in standard deviations from its baseline''s mean.';
COMMENT ON COLUMN alerts.return_z IS 'Return of that bucket, in standard deviations from its baseline''s mean.';
COMMENT ON COLUMN alerts.posts IS 'Posts in the firing buckets when recorded.';
COMMENT ON COLUMN alerts.recorded_at IS 'When it was stored.';
COMMENT ON COLUMN alerts.published_at IS 'When it went out on NATS as alerts.<symbol>; NULL: not yet.';
COMMENT ON COLUMN alerts.delivered_at IS 'When the webhook took it; NULL: not yet, or no webhook.';
COMMENT ON COLUMN alerts.next_attempt IS 'When to try the webhook next; infinity: given up, last_error says why.';
COMMENT ON COLUMN alerts.attempts IS 'Times that the webhook was tried.';
COMMENT ON COLUMN alerts.last_error IS 'What the webhook answered last.';

CREATE FUNCTION record_alerts(
    name text DEFAULT 'divergence', at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes',
    baseline integer DEFAULT 96, threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2,
    repeats boolean DEFAULT true, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    cooldown interval DEFAULT '6 hours', lookback interval DEFAULT '1 hour'
) RETURNS SETOF alerts
LANGUAGE plpgsql VOLATILE ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    r       rcas.rule := rcas.rule(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model);
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
        INSERT INTO alerts AS n (symbol, rule, direction, start_time, fired_at, price, divergence, mood_z, return_z, posts)
        SELECT e.symbol, name, CASE e.side WHEN 1 THEN 'bullish' ELSE 'bearish' END, e.start_time, e.fired_at, e.price,
               e.divergence, e.mood_z, e.return_z, e.posts
        WHERE NOT EXISTS (SELECT FROM alerts AS o WHERE o.symbol = e.symbol AND o.rule = name
                          AND o.fired_at > e.fired_at - cooldown AND o.fired_at < e.fired_at + cooldown)
        ON CONFLICT DO NOTHING
        RETURNING n.* INTO added;
        IF FOUND THEN
            RETURN NEXT added;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION record_alerts IS
'Stores the divergence events of all coins that fired in the lookback before at, unless an alert of the same coin and rule lies '
'within the cooldown, and returns the new ones. Calling it again, or from two places, stores nothing twice. Only whole buckets '
'count.';
