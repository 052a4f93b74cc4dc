-- Coins against their own past and against one another: what is usual for a mood, correlations of all coins, leads and lags of all coins, and an
-- index of one number.

CREATE FUNCTION mood_range(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96, repeats boolean DEFAULT false,
    source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (
    bucket timestamptz, mood float8, low float8, high float8, usual_low float8, usual_high float8, z float8, posts bigint,
    adverts float8, bots float8, news float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT * FROM rcas.span(ARRAY[mood_range.symbol], mood_range.from_time, mood_range.to_time, mood_range.width, mood_range.baseline)
), felt AS (
    SELECT g.bucket, m.sum_weighted / nullif(m.sum_weight, 0) AS mood, coalesce(m.posts, 0) AS posts, m.adverts, m.bots, m.news,
           sqrt(greatest(m.sum_square - m.sum_score ^ 2 / nullif(m.judged, 0), 0) / (nullif(m.judged, 1) - 1) / nullif(m.judged, 0)) AS error
    FROM span AS s
    CROSS JOIN LATERAL rcas.grid(ARRAY[mood_range.symbol], s.start, s.hi, mood_range.width) AS g
    LEFT JOIN LATERAL (SELECT w.* FROM rcas.mood_windows(ARRAY[mood_range.symbol], s.start, s.hi, mood_range.width, mood_range.model,
                                                         mood_range.source, mood_range.repeats, mood_range.who) AS w) AS m ON m.bucket = g.bucket
), usual AS (
    SELECT f.*, (avg(f.mood::numeric) OVER past)::float8 AS mean, (stddev_samp(f.mood::numeric) OVER past)::float8 AS sd, count(f.mood) OVER past AS n
    FROM felt AS f
    WINDOW past AS (ORDER BY f.bucket ROWS BETWEEN mood_range.baseline PRECEDING AND 1 PRECEDING)
), known AS (
    SELECT u.*, CASE WHEN 2 * u.n >= mood_range.baseline THEN nullif(u.sd, 0) END AS deviation FROM usual AS u
)
SELECT k.bucket, k.mood, k.mood - k.error, k.mood + k.error, k.mean - k.deviation, k.mean + k.deviation, (k.mood - k.mean) / k.deviation,
       k.posts, k.adverts, k.bots, k.news
FROM span AS s, known AS k
WHERE k.bucket >= s.lo AND k.bucket <= now()
ORDER BY 1
$$;
COMMENT ON FUNCTION mood_range IS
'The weighted mood of a coin per bucket beside what is usual for it; every bucket up to now has its row, with NULLs where nobody was judged. low, high: '
'mood less and plus the standard error of the mean; usual_low, usual_high: mean less and plus one standard deviation of the baseline buckets '
'before (not itself), NULL unless half of them have a mood and it varies; z: mood in these standard deviations from that mean, as in '
'divergence(). adverts, bots, news, who and repeats as in mood().';

CREATE FUNCTION rcas.some_coins(symbols text[], lo timestamptz, hi timestamptz, width interval) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    chosen text[] := coalesce(symbols, (SELECT array_agg(a.symbol ORDER BY a.symbol) FROM assets AS a), '{}');
    cells  float8;
BEGIN
    PERFORM rcas.check_symbols(chosen);
    cells := cardinality(chosen)::float8 ^ 2 * extract(epoch FROM hi - lo) / rcas.seconds(width);
    IF cells > 3000000 THEN
        RAISE EXCEPTION '% coins at % are more than can be compared at once', cardinality(chosen), width
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a shorter time, a wider width, or fewer coins (symbols => ARRAY[''BTC'', ''ETH'']).';
    END IF;
    RETURN chosen;
END $$;
COMMENT ON FUNCTION rcas.some_coins IS 'The coins asked for, or all; an error where comparing each with each would take too long.';

CREATE FUNCTION rcas.least_pairs() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 30;
COMMENT ON FUNCTION rcas.least_pairs IS 'Pairs of buckets below which nothing is said about a correlation.';

CREATE FUNCTION correlations(
    from_time timestamptz, to_time timestamptz, width interval, symbols text[] DEFAULT NULL, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (symbol text, measure text, other_symbol text, other_measure text, correlation float8, n bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000 AS $$
WITH span AS MATERIALIZED (
    SELECT s.start, s.lo, s.hi, rcas.some_coins(correlations.symbols, s.lo, s.hi, correlations.width) AS coins
    FROM rcas.span('{}', correlations.from_time, correlations.to_time, correlations.width, 1) AS s
), series AS MATERIALIZED (
    SELECT v.symbol, w.measure, v.bucket, w.value
    FROM span AS s,
         rcas.series(s.coins, s.start, s.hi, correlations.width, correlations.venue, correlations.source, correlations.model,
                     correlations.repeats, correlations.who) AS v,
         LATERAL (VALUES ('return', v.log_return), ('mood', v.weighted_mood)) AS w (measure, value)
    WHERE v.bucket >= s.lo AND w.value IS NOT NULL
), pairs AS (
    SELECT a.symbol, a.measure, b.symbol AS other_symbol, b.measure AS other_measure, corr(a.value, b.value) AS r, count(*) AS n
    FROM series AS a JOIN series AS b ON b.bucket = a.bucket
    GROUP BY 1, 2, 3, 4
), known AS (
    SELECT DISTINCT e.symbol, e.measure FROM series AS e
)
SELECT k.symbol, k.measure, o.symbol, o.measure, CASE WHEN p.n >= rcas.least_pairs() THEN p.r END, coalesce(p.n, 0)
FROM known AS k CROSS JOIN known AS o
LEFT JOIN pairs AS p ON p.symbol = k.symbol AND p.measure = k.measure AND p.other_symbol = o.symbol AND p.other_measure = o.measure
ORDER BY 2 DESC, 1, 4 DESC, 3
$$;
COMMENT ON FUNCTION correlations IS
'How the returns and weighted moods of coins move together, bucket by bucket: a square matrix as rows, each series with each, itself '
'included. symbol, measure (return or mood) and other_symbol, other_measure name the two; correlation: Pearson''s r over the n buckets that have '
'both, NULL below 30. Series without a single value have no rows. symbols: these coins only. who and repeats as in mood().';

CREATE FUNCTION lead_lags(
    from_time timestamptz, to_time timestamptz, width interval, max_lag integer DEFAULT 12, symbols text[] DEFAULT NULL,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (symbol text, lag integer, correlation float8, n bigint, effective_n float8, p_single float8, q_value float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 500 AS $$
WITH span AS MATERIALIZED (
    SELECT rcas.some_coins(lead_lags.symbols, s.lo, s.hi, lead_lags.width) AS coins
    FROM rcas.span('{}', lead_lags.from_time, lead_lags.to_time, lead_lags.width, 1) AS s
), tested AS MATERIALIZED (
    SELECT c.symbol, l.*
    FROM span AS s, unnest(s.coins) AS c (symbol),
         lead_lag(c.symbol, lead_lags.from_time, lead_lags.to_time, lead_lags.width, lead_lags.max_lag, lead_lags.repeats, lead_lags.venue,
                  lead_lags.source, lead_lags.model, lead_lags.who) AS l
    WHERE l.n >= rcas.least_pairs() AND l.p_single IS NOT NULL
), ranked AS (
    SELECT t.*, row_number() OVER (ORDER BY t.p_single, t.symbol, t.lag) AS place, count(*) OVER () AS tests FROM tested AS t
)
SELECT r.symbol, r.lag, r.correlation, r.n, r.effective_n, r.p_single,
       least(min(r.p_single * r.tests / r.place) OVER (ORDER BY r.place DESC ROWS UNBOUNDED PRECEDING), 1)
FROM ranked AS r
ORDER BY 1, 2
$$;
COMMENT ON FUNCTION lead_lags IS
'lead_lag() of all coins, or of symbols, as one family of tests: q_value is p_single adjusted by Benjamini and Hochberg (1995) for all coins and '
'lags: of the rows with q_value below 0.05, about one in twenty is chance. Lags with fewer than 30 pairs of buckets have no row.';

CREATE TABLE index_weights (
    part   text PRIMARY KEY CHECK (part IN ('mood', 'momentum', 'posts', 'dominance', 'volatility', 'price_momentum')),
    weight double precision NOT NULL CHECK (weight BETWEEN 0 AND 1000)
);
COMMENT ON TABLE index_weights IS 'How much each part counts in mood_index(). Changed by index: in the YAML file and rcas migrate up.';
COMMENT ON COLUMN index_weights.part IS 'A part of the index, a column of mood_index().';
COMMENT ON COLUMN index_weights.weight IS 'Its weight beside the others''; 0 leaves it out.';
INSERT INTO index_weights VALUES ('mood', 30), ('momentum', 15), ('posts', 10), ('dominance', 10), ('volatility', 15), ('price_momentum', 20);
GRANT SELECT ON index_weights TO rcas_writer, rcas_reader;
GRANT UPDATE ON index_weights TO rcas_writer;

CREATE FUNCTION rcas.percent(x float8, mean float8, sd float8, n bigint, baseline integer) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN 2 * n >= baseline AND sd > 0
            THEN CASE WHEN x >= mean THEN 100 - 50 * rcas.normal_p((x - mean) / sd) ELSE 50 * rcas.normal_p((x - mean) / sd) END END;
COMMENT ON FUNCTION rcas.percent IS '100 times the probability that a normal variable of this mean and deviation is less than x; NULL unless half of the baseline is there.';

CREATE FUNCTION rcas.index_parts(symbols text[], lo timestamptz, hi timestamptz, width interval, baseline integer, repeats boolean, venue text, source text,
                                 model text, who text)
RETURNS TABLE (symbol text, bucket timestamptz, people bigint, mood float8, momentum float8, posts float8, dominance float8, volatility float8,
               price_momentum float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH series AS (
    SELECT v.symbol, v.bucket, v.posts, v.weighted_mood, v.log_return,
           v.weighted_mood - avg(v.weighted_mood) OVER dozen AS momentum,
           v.posts / nullif(t.posts, 0)::float8 AS dominance,
           CASE WHEN count(v.log_return) OVER latest >= 6 THEN sqrt(avg(v.log_return ^ 2) OVER latest) END AS volatility,
           CASE WHEN count(v.log_return) OVER latest >= 6 THEN sum(v.log_return) OVER latest END AS price_momentum
    FROM rcas.series(index_parts.symbols, rcas.shift(index_parts.lo, index_parts.width, -index_parts.baseline - 13), index_parts.hi,
                     index_parts.width, index_parts.venue, index_parts.source, index_parts.model, index_parts.repeats, index_parts.who) AS v
    LEFT JOIN rcas.post_totals(rcas.shift(index_parts.lo, index_parts.width, -index_parts.baseline - 13), index_parts.hi, index_parts.width,
                               index_parts.model, index_parts.source, index_parts.repeats, index_parts.who) AS t ON t.bucket = v.bucket
    WINDOW dozen AS (PARTITION BY v.symbol ORDER BY v.bucket ROWS BETWEEN 12 PRECEDING AND 1 PRECEDING),
           latest AS (PARTITION BY v.symbol ORDER BY v.bucket ROWS BETWEEN 11 PRECEDING AND CURRENT ROW)
), measures AS (
    SELECT s.symbol, s.bucket, s.posts, m.part, m.value
    FROM series AS s,
         LATERAL (VALUES ('mood', s.weighted_mood), ('momentum', s.momentum), ('posts', s.posts::float8), ('dominance', s.dominance),
                         ('volatility', -s.volatility), ('price_momentum', s.price_momentum)) AS m (part, value)
), usual AS (
    SELECT m.*, (avg(m.value::numeric) OVER past)::float8 AS mean, (stddev_samp(m.value::numeric) OVER past)::float8 AS sd, count(m.value) OVER past AS n
    FROM measures AS m
    WINDOW past AS (PARTITION BY m.symbol, m.part ORDER BY m.bucket ROWS BETWEEN index_parts.baseline PRECEDING AND 1 PRECEDING)
), placed AS (
    SELECT u.symbol, u.bucket, u.posts, u.part, rcas.percent(u.value, u.mean, u.sd, u.n, index_parts.baseline) AS place
    FROM usual AS u WHERE u.bucket >= index_parts.lo
)
SELECT p.symbol, p.bucket, max(p.posts), max(p.place) FILTER (WHERE p.part = 'mood'), max(p.place) FILTER (WHERE p.part = 'momentum'),
       max(p.place) FILTER (WHERE p.part = 'posts'), max(p.place) FILTER (WHERE p.part = 'dominance'),
       max(p.place) FILTER (WHERE p.part = 'volatility'), max(p.place) FILTER (WHERE p.part = 'price_momentum')
FROM placed AS p
GROUP BY 1, 2
$$;
COMMENT ON FUNCTION rcas.index_parts IS 'The parts of mood_index() of several coins, and how many posts stand behind them.';

CREATE FUNCTION mood_index(
    symbol text, from_time timestamptz, to_time timestamptz, width interval DEFAULT '1 hour', baseline integer DEFAULT 48,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (
    bucket timestamptz, index float8, mood float8, momentum float8, posts float8, dominance float8, volatility float8, price_momentum float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT s.lo, s.hi, CASE WHEN mood_index.symbol IS NULL THEN rcas.some_coins(NULL, s.lo, s.hi, mood_index.width) ELSE ARRAY[mood_index.symbol] END AS coins
    FROM rcas.rule(mood_index.width, mood_index.baseline, 1, 0, 1, mood_index.repeats, mood_index.venue, mood_index.source, mood_index.model,
                   mood_index.who) AS r,
         rcas.span(CASE WHEN mood_index.symbol IS NULL THEN '{}' ELSE ARRAY[mood_index.symbol] END, mood_index.from_time, mood_index.to_time,
                   mood_index.width, mood_index.baseline + 13) AS s
), weights AS (
    SELECT coalesce(sum(w.weight) FILTER (WHERE w.part = 'mood'), 0) AS mood, coalesce(sum(w.weight) FILTER (WHERE w.part = 'momentum'), 0) AS momentum,
           coalesce(sum(w.weight) FILTER (WHERE w.part = 'posts'), 0) AS posts, coalesce(sum(w.weight) FILTER (WHERE w.part = 'dominance'), 0) AS dominance,
           coalesce(sum(w.weight) FILTER (WHERE w.part = 'volatility'), 0) AS volatility,
           coalesce(sum(w.weight) FILTER (WHERE w.part = 'price_momentum'), 0) AS price_momentum
    FROM index_weights AS w
), parts AS (
    SELECT p.* FROM span AS s,
         rcas.index_parts(s.coins, s.lo, s.hi, mood_index.width, mood_index.baseline, mood_index.repeats, mood_index.venue, mood_index.source,
                          mood_index.model, mood_index.who) AS p
    WHERE p.mood IS NOT NULL AND p.bucket <= now()
), joined AS (
    SELECT p.bucket, sum(p.mood * p.people) / nullif(sum(p.people) FILTER (WHERE p.mood IS NOT NULL), 0) AS mood,
           sum(p.momentum * p.people) / nullif(sum(p.people) FILTER (WHERE p.momentum IS NOT NULL), 0) AS momentum,
           sum(p.posts * p.people) / nullif(sum(p.people) FILTER (WHERE p.posts IS NOT NULL), 0) AS posts,
           CASE WHEN mood_index.symbol IS NOT NULL THEN sum(p.dominance * p.people) / nullif(sum(p.people) FILTER (WHERE p.dominance IS NOT NULL), 0) END AS dominance,
           sum(p.volatility * p.people) / nullif(sum(p.people) FILTER (WHERE p.volatility IS NOT NULL), 0) AS volatility,
           sum(p.price_momentum * p.people) / nullif(sum(p.people) FILTER (WHERE p.price_momentum IS NOT NULL), 0) AS price_momentum
    FROM parts AS p GROUP BY 1
)
SELECT j.bucket,
       (coalesce(j.mood * w.mood, 0) + coalesce(j.momentum * w.momentum, 0) + coalesce(j.posts * w.posts, 0) + coalesce(j.dominance * w.dominance, 0)
        + coalesce(j.volatility * w.volatility, 0) + coalesce(j.price_momentum * w.price_momentum, 0))
       / nullif(CASE WHEN j.mood IS NOT NULL THEN w.mood ELSE 0 END + CASE WHEN j.momentum IS NOT NULL THEN w.momentum ELSE 0 END
                + CASE WHEN j.posts IS NOT NULL THEN w.posts ELSE 0 END + CASE WHEN j.dominance IS NOT NULL THEN w.dominance ELSE 0 END
                + CASE WHEN j.volatility IS NOT NULL THEN w.volatility ELSE 0 END + CASE WHEN j.price_momentum IS NOT NULL THEN w.price_momentum ELSE 0 END, 0),
       j.mood, j.momentum, j.posts, j.dominance, j.volatility, j.price_momentum
FROM joined AS j, weights AS w
ORDER BY 1
$$;
COMMENT ON FUNCTION mood_index IS
'An index from 0 (fear) to 100 (greed) per bucket, 50 being what is usual; of the market for a symbol of NULL. Each part places what is now among the '
'baseline buckets before: 100 Φ(z), z being its standard deviations from their mean, NULL unless half of them are known. mood: weighted mood; '
'momentum: weighted mood less the mean of the 12 buckets before; posts: their number; dominance: share of the posts about all coins, not of the market; '
'volatility: root mean square return of the last 12 buckets, inverted: calm is high; price_momentum: return over the last 12 buckets. index: mean '
'of the parts that are known, weighted by index_weights. Of the market: the parts'' means over the coins, weighted by their posts. A bucket whose '
'mood cannot be placed has no row. venue, source, model, who and repeats as in mood() and candles().';
