-- Answers are about people's words unless one asks otherwise: without adverts, bots and news, and each voice once. Every answer says what
-- share of all judged posts the others are.

DROP VIEW divergence_now;
DROP FUNCTION record_alerts, divergence_state, backtest, suggest_thresholds, lead_lag, divergence_events, divergence, market_overview, influence,
              authors, mood_price, mood;
DROP FUNCTION rcas.outcomes, rcas.events, rcas.divergences, rcas.z_scores, rcas.rule_span, rcas.rule, rcas.series, rcas.post_totals,
              rcas.mood_windows, rcas.felt_between, rcas.backtest_note;
DROP TYPE rcas.rule;

CREATE FUNCTION rcas.kinds_of(who text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    kinds text[] := CASE who WHEN 'all' THEN ARRAY['person', 'advert', 'bot', 'news'] WHEN 'people' THEN ARRAY['person']
                             WHEN 'adverts' THEN ARRAY['advert'] WHEN 'bots' THEN ARRAY['bot'] WHEN 'news' THEN ARRAY['news'] END;
BEGIN
    IF kinds IS NULL THEN
        RAISE EXCEPTION 'who must be all, people, adverts, bots or news, not %', coalesce(format('"%s"', who), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'people is the default.';
    END IF;
    RETURN kinds;
END $$;
COMMENT ON FUNCTION rcas.kinds_of IS 'The kinds that are asked for, as sentiments and windows name them.';

CREATE FUNCTION rcas.mood_windows(
    symbols text[], lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean, who text
) RETURNS TABLE (
    symbol text, bucket timestamptz, posts bigint, unique_posts bigint, judged bigint, negative bigint, positive bigint,
    sum_score float8, sum_square float8, sum_weight float8, sum_weighted float8, sum_influence float8, authors bit(1024),
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT m.symbol, %2$s,
               coalesce(sum(m.posts) FILTER (WHERE %3$s), 0)::bigint,
               coalesce(sum(m.posts) FILTER (WHERE %3$s AND NOT m.repeat), 0)::bigint,
               coalesce(sum(m.judged) FILTER (WHERE %3$s), 0)::bigint, coalesce(sum(m.negative) FILTER (WHERE %3$s), 0)::bigint,
               coalesce(sum(m.positive) FILTER (WHERE %3$s), 0)::bigint, sum(m.sum_score) FILTER (WHERE %3$s),
               sum(m.sum_square) FILTER (WHERE %3$s), sum(m.sum_weight) FILTER (WHERE %3$s), sum(m.sum_weighted) FILTER (WHERE %3$s),
               sum(m.sum_influence) FILTER (WHERE %3$s), bit_or(m.authors) FILTER (WHERE %3$s),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'advert'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'bot'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'news'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.repeat), 0)::float8 / nullif(sum(m.judged), 0)
        FROM mood_%1$s AS m
        WHERE m.symbol = ANY ($1) AND m.bucket >= $2 AND m.bucket < $3 AND m.model = $5 AND ($6 IS NULL OR m.source = $6)
        GROUP BY 1, 2$query$, rcas.window_of(width), rcas.bucket_of(width, '$4'), 'm.kind = ANY ($8) AND ($7 OR NOT m.repeat)')
    USING symbols, lo, hi, width, rcas.model_of(model), rcas.source_of(source), coalesce(repeats, false), rcas.kinds_of(who);
END $$;
COMMENT ON FUNCTION rcas.mood_windows IS
'Sums over those sentiments of several symbols that are asked for, from the coarsest stored window; buckets from lo to before hi; no rows for '
'gaps. adverts, bots, news, repeated: shares of all judged posts, whoever is asked for.';

CREATE FUNCTION rcas.post_totals(lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean, who text)
RETURNS TABLE (bucket timestamptz, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT %2$s, sum(m.posts)::bigint
        FROM mood_%1$s AS m
        WHERE m.bucket >= $1 AND m.bucket < $2 AND m.model = $4 AND ($5 IS NULL OR m.source = $5) AND ($6 OR NOT m.repeat)
          AND m.kind = ANY ($7)
        GROUP BY 1$query$, rcas.window_of(width), rcas.bucket_of(width, '$3'))
    USING lo, hi, width, rcas.model_of(model), source, coalesce(repeats, false), rcas.kinds_of(who);
END $$;
COMMENT ON FUNCTION rcas.post_totals IS 'Posts about all symbols together; a post about two symbols counts twice.';

CREATE FUNCTION mood(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT false,
    source text DEFAULT NULL, model text DEFAULT NULL, momentum_windows integer DEFAULT 12, who text DEFAULT 'people'
) RETURNS TABLE (
    bucket timestamptz, mood float8, weighted_mood float8, mood_error float8, negative float8, neutral float8, positive float8,
    posts bigint, unique_posts bigint, judged bigint, authors float8, dominance float8, momentum float8, influence float8,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT * FROM rcas.span(ARRAY[mood.symbol], mood.from_time, mood.to_time, mood.width, mood.momentum_windows)
), found AS (
    SELECT m.*
    FROM span AS s,
         rcas.mood_windows(ARRAY[mood.symbol], s.start, s.hi, mood.width, mood.model, mood.source, mood.repeats, mood.who) AS m
), total AS (
    SELECT t.* FROM span AS s, rcas.post_totals(s.lo, s.hi, mood.width, mood.model, mood.source, mood.repeats, mood.who) AS t
), with_past AS (
    SELECT f.*, sum(f.sum_weighted) OVER before / nullif(sum(f.sum_weight) OVER before, 0) AS mood_before
    FROM found AS f
    WINDOW before AS (ORDER BY f.bucket AT TIME ZONE 'UTC'
                      RANGE BETWEEN mood.width * mood.momentum_windows PRECEDING AND mood.width PRECEDING)
)
SELECT f.bucket, f.sum_score / nullif(f.judged, 0), f.sum_weighted / nullif(f.sum_weight, 0),
       sqrt(greatest(f.sum_square - f.sum_score ^ 2 / nullif(f.judged, 0), 0) / (nullif(f.judged, 1) - 1) / nullif(f.judged, 0)),
       f.negative / nullif(f.judged, 0)::float8, (f.judged - f.negative - f.positive) / nullif(f.judged, 0)::float8,
       f.positive / nullif(f.judged, 0)::float8, f.posts, f.unique_posts, f.judged,
       least(coalesce(rcas.distinct_estimate(f.authors), 0), f.posts),
       f.posts / nullif(t.posts, 0)::float8, f.sum_weighted / nullif(f.sum_weight, 0) - f.mood_before, f.sum_influence,
       f.adverts, f.bots, f.news, f.repeated
FROM span AS s, with_past AS f LEFT JOIN total AS t ON t.bucket = f.bucket
WHERE f.bucket >= s.lo
ORDER BY 1
$$;
COMMENT ON FUNCTION mood IS
'What people felt about a coin per bucket; buckets without posts of anybody have no row. mood = mean score of the judged posts, in [-1, 1]; '
'weighted_mood the same weighted by reach and engagement, damped; mood_error = standard error of mood. negative, neutral, '
'positive: shares of the judged posts, summing to 1, each post by its likeliest class. posts: all; unique_posts: without '
'reposts and repeated texts; judged: those the model could read; authors: different authors, estimated by linear counting '
'(standard error about 2 % below 1,000 authors, full at 7,098), at most posts; dominance: share of the posts about all coins; momentum: '
'weighted_mood less that of the momentum_windows buckets before; influence: Σ score × followers × (likes+1) × (retweets+1), '
'undamped. All of these are about those asked for: who: people, the default, adverts, bots, news or all; repeats: true also counts reposts, '
'repeated texts, and an author''s posts beyond the third of an hour. adverts, bots, news, repeated: their shares of all judged posts, '
'whoever is asked for; a post can be an advert and repeated. source, model: one network, one model; NULL means '
'all networks and the active model.';

CREATE FUNCTION rcas.series(
    symbols text[], lo timestamptz, hi timestamptz, width interval, venue text, source text, model text, repeats boolean, who text
) RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, volume float8, trades bigint, mood float8,
    weighted_mood float8, negative float8, neutral float8, positive float8, posts bigint, unique_posts bigint,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
SELECT g.symbol, g.bucket, p.close,
       CASE WHEN p.close > 0 AND lag(p.close) OVER past > 0 THEN ln(p.close / lag(p.close) OVER past) END,
       coalesce(p.volume, 0), coalesce(p.trades, 0), m.sum_score / nullif(m.judged, 0), m.sum_weighted / nullif(m.sum_weight, 0),
       m.negative / nullif(m.judged, 0)::float8, (m.judged - m.negative - m.positive) / nullif(m.judged, 0)::float8,
       m.positive / nullif(m.judged, 0)::float8, coalesce(m.posts, 0), coalesce(m.unique_posts, 0),
       m.adverts, m.bots, m.news, m.repeated
FROM rcas.grid(symbols, lo, hi, width) AS g
LEFT JOIN rcas.price_windows(symbols, lo, hi, width, venue) AS p ON p.symbol = g.symbol AND p.bucket = g.bucket
LEFT JOIN rcas.mood_windows(symbols, lo, hi, width, model, source, repeats, who) AS m ON m.symbol = g.symbol AND m.bucket = g.bucket
WINDOW past AS (PARTITION BY g.symbol ORDER BY g.bucket)
$$;
COMMENT ON FUNCTION rcas.series IS
'Price and mood of several symbols on one grid without holes. log_return = ln(close / close of the bucket before), NULL unless '
'both buckets traded.';

CREATE FUNCTION mood_price(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, volatility_windows integer DEFAULT 12,
    who text DEFAULT 'people'
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, realised_volatility float8, volume float8, trades bigint, mood float8,
    weighted_mood float8, negative float8, neutral float8, positive float8, posts bigint, unique_posts bigint,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT *
    FROM rcas.span(ARRAY[mood_price.symbol], mood_price.from_time, mood_price.to_time, mood_price.width,
                   nullif(mood_price.volatility_windows, 0))
), series AS (
    SELECT v.*, avg((v.log_return ^ 2)::numeric) OVER past AS variance, count(v.log_return) OVER past AS returns
    FROM span AS s, rcas.series(ARRAY[mood_price.symbol], s.start, s.hi, mood_price.width, mood_price.venue, mood_price.source,
                                mood_price.model, mood_price.repeats, mood_price.who) AS v
    WINDOW past AS (ORDER BY v.bucket ROWS BETWEEN greatest(mood_price.volatility_windows, 1) - 1 PRECEDING AND CURRENT ROW)
)
SELECT v.bucket, v.close, v.log_return,
       CASE WHEN 2 * v.returns >= mood_price.volatility_windows
            THEN sqrt(v.variance::float8 * 31536000 / rcas.seconds(mood_price.width)) END,
       v.volume, v.trades, v.mood, v.weighted_mood, v.negative, v.neutral, v.positive, v.posts, v.unique_posts,
       v.adverts, v.bots, v.news, v.repeated
FROM span AS s, series AS v
WHERE v.bucket >= s.lo AND (v.trades > 0 OR v.posts > 0 OR v.adverts IS NOT NULL)
ORDER BY 1
$$;
COMMENT ON FUNCTION mood_price IS
'Price and mood of a coin on one time line; a bucket with neither trades nor posts has no row. close in quote currency; return '
'= ln(close / close of the bucket before), NULL unless both buckets traded; realised_volatility = root mean square return of '
'the last volatility_windows buckets, per year of 365 days (0.8 is 80 %), NULL unless half of them have a return; volume in '
'coins. Mood, shares and posts, who and repeats as in mood().';

CREATE FUNCTION authors(symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT false,
                        who text DEFAULT 'people')
RETURNS TABLE (bucket timestamptz, authors bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
DECLARE
    span  record := rcas.span(ARRAY[symbol], from_time, to_time, width);
    kinds text[] := rcas.kinds_of(who);
BEGIN
    RETURN QUERY
    SELECT time_bucket(width, t.time), count(DISTINCT t.author_hash)
    FROM sentiments AS t
    WHERE t.symbol = authors.symbol AND t.time >= span.lo AND t.time < span.hi AND t.model = rcas.active_model()
      AND coalesce(t.kind, 'person') = ANY (kinds) AND (coalesce(authors.repeats, false) OR NOT t.repeat)
    GROUP BY 1 ORDER BY 1;
END $$;
COMMENT ON FUNCTION authors IS
'Different authors of posts about a coin per bucket, counted exactly from every post: slow over long times, where '
'mood().authors estimates. who and repeats as in mood().';

CREATE FUNCTION influence(symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 20,
                          repeats boolean DEFAULT false, who text DEFAULT 'people')
RETURNS TABLE (
    "time" timestamptz, source text, id text, author text, text text, score real, weight real, reach float8, influence float8, kind text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 AS $$
#variable_conflict use_column
DECLARE
    kinds text[] := rcas.kinds_of(who);
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    RETURN QUERY
    WITH loudest AS (
        SELECT t.*, t.score * t.reach AS signed
        FROM sentiments AS t
        WHERE t.symbol = influence.symbol AND t.time >= from_time AND t.time < to_time AND t.model = rcas.active_model()
          AND t.score IS NOT NULL AND coalesce(t.kind, 'person') = ANY (kinds) AND (coalesce(influence.repeats, false) OR NOT t.repeat)
        ORDER BY abs(t.score * t.reach) DESC, t.time, t.id
        LIMIT "limit"
    )
    SELECT l.time, l.source, l.id, w.author, w.text, l.score, l.weight, l.reach, l.signed, l.kind
    FROM loudest AS l LEFT JOIN tweets AS w ON w.source = l.source AND w.id = l.id AND w.time = l.time
    ORDER BY abs(l.signed) DESC, l.time, l.id;
END $$;
COMMENT ON FUNCTION influence IS
'The posts about a coin that could sway most people, loudest first: influence = score × followers × (likes+1) × (retweets+1), '
'undamped and signed; reach = the same without the score; weight = the damped weight that weighted_mood uses; kind: who '
'speaks, NULL where no model has told. who and repeats as in mood().';

CREATE TYPE rcas.rule AS (
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text, who text
);
COMMENT ON TYPE rcas.rule IS 'The settings of a divergence rule, as the arguments of divergence() name them.';

CREATE FUNCTION rcas.rule(
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text, who text
) RETURNS rcas.rule
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    PERFORM rcas.check_width(width), rcas.kinds_of(who);
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
    RETURN ROW(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who);
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
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8,
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH series AS (
        SELECT v.*, v.weighted_mood::numeric AS m, v.log_return::numeric AS g
        FROM rcas.series(symbols, rcas.shift(lo, r.width, -r.baseline - 1), hi, r.width, r.venue, r.source, r.model,
                         r.repeats, r.who) AS v
    ), usual AS (
        SELECT s.*, avg(s.m) OVER past AS m_mean, stddev_samp(s.m) OVER past AS m_sd, count(s.m) OVER past AS m_n,
                    avg(s.g) OVER past AS g_mean, stddev_samp(s.g) OVER past AS g_sd, count(s.g) OVER past AS g_n
        FROM series AS s
        WINDOW past AS (PARTITION BY s.symbol ORDER BY s.bucket ROWS BETWEEN r.baseline PRECEDING AND 1 PRECEDING)
    )
    SELECT u.symbol, u.bucket, u.close, u.log_return, u.weighted_mood, u.posts,
           CASE WHEN 2 * u.m_n >= r.baseline THEN ((u.m - u.m_mean) / nullif(u.m_sd, 0))::float8 END,
           CASE WHEN 2 * u.g_n >= r.baseline THEN ((u.g - u.g_mean) / nullif(u.g_sd, 0))::float8 END,
           u.adverts, u.bots, u.news, u.repeated
    FROM usual AS u
    WHERE u.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.z_scores IS
'Weighted mood and return as standard scores against the baseline buckets before each bucket (not itself); NULL unless half of '
'them have a value and they vary. Sums in numeric, so that the sliding windows add and subtract exactly.';

CREATE FUNCTION rcas.divergences(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, strength float8, side integer, adverts float8, bots float8, news float8, repeated float8
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
           CASE WHEN l.strength >= r.threshold THEN l.way ELSE 0 END,
           l.adverts, l.bots, l.news, l.repeated
    FROM lasting AS l
    WHERE l.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.divergences IS
'divergence() of several symbols on a grid without holes. strength: the largest threshold at which the rule would fire; side: 1 '
'where a bullish divergence fires, -1 a bearish one, else 0.';

CREATE FUNCTION divergence(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, direction text, firing boolean, adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
SELECT d.bucket, d.close, d.log_return, d.mood, d.posts, d.mood_z, d.return_z, d.divergence,
       CASE d.side WHEN 1 THEN 'bullish' WHEN -1 THEN 'bearish' END, d.side <> 0,
       d.adverts, d.bots, d.news, d.repeated
FROM rcas.rule(divergence.width, divergence.baseline, divergence.threshold, divergence.min_posts, divergence.persistence,
               divergence.repeats, divergence.venue, divergence.source, divergence.model, divergence.who) AS r,
     rcas.rule_span(ARRAY[divergence.symbol], divergence.from_time, divergence.to_time, r) AS s,
     rcas.divergences(ARRAY[divergence.symbol], s.lo, s.hi, r) AS d
WHERE d.posts > 0 OR d.adverts IS NOT NULL OR d.close IS NOT NULL
ORDER BY 1
$$;
COMMENT ON FUNCTION divergence IS
'How far mood and price part ways per bucket. mood is the weighted mood; mood_z and return_z count standard deviations from the '
'mean of the baseline buckets before; divergence = mood_z - return_z. firing: the signs disagree, both are at least threshold '
'away from zero, at least min_posts posts stand behind it, and it has been so for persistence buckets in a row. direction: '
'bullish (mood up, price down) or bearish (mood down, price up), NULL where it does not fire. Shares, who and repeats as in mood().';

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

CREATE FUNCTION divergence_events(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (
    start_time timestamptz, fired_at timestamptz, end_time timestamptz, direction text, peak float8, peak_time timestamptz,
    posts bigint, price float8, return_1h float8, return_4h float8, return_24h float8
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

CREATE FUNCTION lead_lag(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, max_lag integer DEFAULT 12,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
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
    SELECT k.lag, t.r, coalesce(t.n, 0), t.effective, t.p1, rcas.family_p(t.p1, t.z, t.likeness, 2 * max_lag + 1)
    FROM generate_series(-max_lag, max_lag) AS k (lag) LEFT JOIN single AS t ON t.lag = k.lag
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION lead_lag IS
'Does mood move before price, or after? correlation of the weighted mood of a bucket with the return of the bucket lag buckets '
'later: positive lag: mood leads; negative: price leads. n: pairs of buckets that have both. effective_n: what n is worth given '
'that both series remember their past (Bartlett 1946), never more. p_single: two-sided p of this lag alone; p_value: the same for having '
'tried all lags. A lead in the past is no promise.';

CREATE FUNCTION suggest_thresholds(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, per_week float8 DEFAULT 3,
    baseline integer DEFAULT 96, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (threshold float8, firings bigint, firings_per_week float8, suggested boolean)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 36 AS $$
WITH judged AS MATERIALIZED (
    SELECT d.bucket >= s.lo AS asked, d.divergence, d.strength,
           CASE WHEN sign(d.mood_z) = lag(sign(d.mood_z)) OVER w THEN lag(d.strength) OVER w ELSE 0 END AS before
    FROM rcas.rule(suggest_thresholds.width, suggest_thresholds.baseline, 1, suggest_thresholds.min_posts,
                   suggest_thresholds.persistence, suggest_thresholds.repeats, suggest_thresholds.venue,
                   suggest_thresholds.source, suggest_thresholds.model, suggest_thresholds.who) AS r,
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

CREATE FUNCTION rcas.least_firings() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 30;
COMMENT ON FUNCTION rcas.least_firings IS 'Independent firings below which backtest() says nothing about chance.';

CREATE FUNCTION rcas.backtest_note(weeks float8, firings bigint, independent bigint, low float8, high float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN weeks IS NULL THEN 'cannot be judged: no bucket has a baseline of both mood and price'
            WHEN firings = 0 THEN 'never fired'
            WHEN independent < rcas.least_firings()
                 THEN format('too few to say: %s independent firings, %s wanted', independent, rcas.least_firings())
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
                           r.persistence, r.repeats, r.venue, r.source, r.model, r.who) AS e,
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
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, confidence float8 DEFAULT 0.95,
    resamples integer DEFAULT 1000, seed bigint DEFAULT 1,
    who text DEFAULT 'people'
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
                   backtest.repeats, backtest.venue, backtest.source, backtest.model, backtest.who) AS r,
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
       s.p[1], s.p[2], s.p[3], s.p10, s.median, s.p90, s.gain - s.usual,
       CASE WHEN c.independent >= rcas.least_firings() THEN (c.edge).low END, CASE WHEN c.independent >= rcas.least_firings() THEN (c.edge).high END,
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
'bootstrap interval at the given confidence, drawing whole groups of firings, the same for the same seed, NULL below '
'30 independent firings; note: what the row '
'allows one to say.';

CREATE FUNCTION divergence_state(
    at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes', baseline integer DEFAULT 96, threshold float8 DEFAULT 1,
    min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false, venue text DEFAULT NULL,
    source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people'
) RETURNS TABLE (
    symbol text, signal float8, direction text, bucket timestamptz, divergence float8, mood_z float8, return_z float8,
    posts bigint
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
GRANT SELECT ON divergence_now TO rcas_writer, rcas_reader;

CREATE FUNCTION record_alerts(
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
REVOKE EXECUTE ON FUNCTION record_alerts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_alerts TO rcas_writer;

CREATE FUNCTION rcas.felt_between(from_time timestamptz, to_time timestamptz, model text, source text, repeats boolean, who text)
RETURNS TABLE (symbol text, posts bigint, mood float8, adverts float8, bots float8, news float8, repeated float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 30 AS $$
DECLARE
    h record;
BEGIN
    SELECT * INTO h FROM rcas.whole_hours(from_time, to_time);
    RETURN QUERY EXECUTE $query$
        WITH windows AS (
            SELECT m.symbol, m.model, m.source, m.repeat, m.kind, m.posts, m.judged, m.sum_weighted, m.sum_weight
            FROM mood_1h AS m WHERE m.bucket >= $3 AND m.bucket < $4
            UNION ALL
            SELECT m.symbol, m.model, m.source, m.repeat, m.kind, m.posts, m.judged, m.sum_weighted, m.sum_weight
            FROM mood_1m AS m WHERE m.bucket >= $1 AND m.bucket < $2 AND (m.bucket < $3 OR m.bucket >= $4)
        )
        SELECT w.symbol, coalesce(sum(w.posts) FILTER (WHERE w.counted), 0)::bigint,
               sum(w.sum_weighted) FILTER (WHERE w.counted) / nullif(sum(w.sum_weight) FILTER (WHERE w.counted), 0),
               coalesce(sum(w.judged) FILTER (WHERE w.kind = 'advert'), 0)::float8 / nullif(sum(w.judged), 0),
               coalesce(sum(w.judged) FILTER (WHERE w.kind = 'bot'), 0)::float8 / nullif(sum(w.judged), 0),
               coalesce(sum(w.judged) FILTER (WHERE w.kind = 'news'), 0)::float8 / nullif(sum(w.judged), 0),
               coalesce(sum(w.judged) FILTER (WHERE w.repeat), 0)::float8 / nullif(sum(w.judged), 0)
        FROM (SELECT o.*, o.kind = ANY ($8) AND ($7 OR NOT o.repeat) AS counted FROM windows AS o) AS w
        WHERE w.model = $5 AND ($6 IS NULL OR w.source = $6)
        GROUP BY 1$query$
    USING h.lo, to_time, h.first_hour, h.last_hour, rcas.model_of(model), rcas.source_of(source), coalesce(repeats, false), rcas.kinds_of(who);
END $$;
COMMENT ON FUNCTION rcas.felt_between IS 'Posts and weighted mood of every coin over a time, to the minute, of those asked for, and the shares of all judged posts.';

CREATE FUNCTION market_overview(from_time timestamptz, to_time timestamptz, repeats boolean DEFAULT false, venue text DEFAULT NULL,
                                source text DEFAULT NULL, model text DEFAULT NULL,
                                who text DEFAULT 'people')
RETURNS TABLE (symbol text, name text, price float8, price_time timestamptz, change float8, low float8, high float8, turnover float8, trades bigint,
               mood float8, mood_before float8, posts bigint, posts_before bigint, dominance float8,
               adverts float8, bots float8, news float8, repeated float8)
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
       coalesce(f.posts, 0), coalesce(b.posts, 0), f.posts / nullif(sum(f.posts) OVER (), 0)::float8, f.adverts, f.bots, f.news, f.repeated
FROM assets AS a
LEFT JOIN priced AS p ON p.symbol = a.symbol
LEFT JOIN (SELECT f.* FROM checked, rcas.felt_between(from_time, to_time, market_overview.model, market_overview.source, market_overview.repeats, market_overview.who) AS f) AS f
       ON f.symbol = a.symbol
LEFT JOIN (SELECT f.* FROM checked AS c, rcas.felt_between(c.before, from_time, market_overview.model, market_overview.source, market_overview.repeats, market_overview.who) AS f) AS b
       ON b.symbol = a.symbol
ORDER BY coalesce(p.turnover, 0) DESC, a.symbol
$$;
COMMENT ON FUNCTION market_overview IS
'One row per coin for the time from from_time to to_time, to the minute. price: the last trade, in quote currency, and when it was; change = last / first price - 1; turnover in quote currency; mood: weighted mean score of the judged posts; mood_before, posts_before: the same for as long a time before; dominance: share of the posts about all coins; adverts, bots, news, repeated: their shares of all judged posts. who and repeats as in mood(). Largest turnover first. A coin without data has its row, with NULLs.';
