-- The market and the mood, as people ask for them. Public functions live in the schema public; what they share lives in rcas.
--
-- Every function takes (symbol, from, to, width, …) and answers with the buckets whose start lies in [time_bucket(width, from),
-- to): whole buckets only, so that asking again with other bounds gives the same figures. Buckets of days and more begin at
-- midnight UTC.
--
-- The functions that read windows build their statement at run time: the planner then sees the bounds as constants, leaves out
-- the chunks that it does not need, and plans one window instead of all four. They tell it that windows are in memory, as the
-- newest always are: it would otherwise read all coins of a time in order to find one, because their rows lie side by side.

CREATE SCHEMA rcas;
COMMENT ON SCHEMA rcas IS 'What the public functions share. Not part of the interface: it may change with any version.';

CREATE FUNCTION rcas.shift(at timestamptz, width interval, n bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (at AT TIME ZONE 'UTC' + width * n) AT TIME ZONE 'UTC';
COMMENT ON FUNCTION rcas.shift IS 'The time n widths later, counting days and months in UTC whatever the session''s time zone.';

CREATE FUNCTION rcas.seconds(width interval) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(extract(epoch FROM width))::bigint;
COMMENT ON FUNCTION rcas.seconds IS 'Length of a width in seconds; a month counts as 30 days.';

CREATE FUNCTION rcas.window_of(width interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN rcas.seconds(width) % 86400 = 0 THEN '1d' WHEN rcas.seconds(width) % 3600 = 0 THEN '1h'
            WHEN rcas.seconds(width) % 300 = 0 THEN '5m' ELSE '1m' END;
COMMENT ON FUNCTION rcas.window_of IS 'The coarsest stored window (1m, 5m, 1h or 1d) that adds up to the width.';

CREATE FUNCTION rcas.bucket_of(width interval, parameter text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN width IN (INTERVAL '1 minute', INTERVAL '5 minutes', INTERVAL '1 hour', INTERVAL '1 day') THEN 'bucket'
            ELSE format('time_bucket(%s, bucket)', parameter) END;
COMMENT ON FUNCTION rcas.bucket_of IS
'The expression for the bucket of a row of a stored window: the row''s own, where the width is the window''s.';

CREATE FUNCTION rcas.check_symbols(symbols text[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    unknown text;
BEGIN
    IF symbols IS NULL OR array_position(symbols, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'no symbol given' USING ERRCODE = 'invalid_parameter_value', HINT = 'Name a coin, e.g. ''BTC''.';
    END IF;
    SELECT s INTO unknown FROM unnest(symbols) AS s WHERE NOT EXISTS (SELECT FROM assets AS a WHERE a.symbol = s) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown symbol "%"', unknown USING ERRCODE = 'invalid_parameter_value',
            HINT = coalesce((SELECT 'Known symbols: ' || string_agg(a.symbol, ', ' ORDER BY a.symbol) || '.' FROM assets AS a),
                            'The table assets is empty: load it with rcas.');
    END IF;
END $$;
COMMENT ON FUNCTION rcas.check_symbols IS 'Raises an error unless every symbol is a row of assets.';

CREATE FUNCTION rcas.check_times(from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF from_time IS NULL OR to_time IS NULL OR NOT isfinite(from_time) OR NOT isfinite(to_time) THEN
        RAISE EXCEPTION 'from and to must be times, not % and %', coalesce(from_time::text, 'NULL'),
            coalesce(to_time::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example now() - interval ''1 day'' and now().';
    ELSIF from_time >= to_time THEN
        RAISE EXCEPTION 'from (%) must lie before to (%)', from_time, to_time
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The arguments are symbol, from, to, width: from comes first.';
    ELSIF from_time < '0001-01-01Z' OR to_time > '9999-12-31Z' THEN
        RAISE EXCEPTION 'from and to must lie in the years 1 to 9999, not % and %', from_time, to_time
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example now() - interval ''1 day'' and now().';
    END IF;
END $$;
COMMENT ON FUNCTION rcas.check_times IS 'Raises an error unless both times are finite, in order, and such as calendars know.';

CREATE FUNCTION rcas.check_at(at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF at IS NULL OR NOT isfinite(at) OR at NOT BETWEEN '0001-01-01Z' AND '9999-12-31Z' THEN
        RAISE EXCEPTION 'at must be a time, not %', coalesce(at::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example now().';
    END IF;
    RETURN at;
END $$;
COMMENT ON FUNCTION rcas.check_at IS 'The time, or an error where it is none.';

CREATE FUNCTION rcas.check_duration(name text, duration interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF duration IS NULL OR NOT duration > INTERVAL '0' OR duration > INTERVAL '1000 years' THEN
        RAISE EXCEPTION '% must be longer than nothing and at most 1000 years, not %', name, coalesce(duration::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''15 minutes'' or ''7 days''.';
    END IF;
    RETURN duration;
END $$;
COMMENT ON FUNCTION rcas.check_duration IS 'The duration, or an error that names the argument where it is no time to look back over.';

CREATE FUNCTION rcas.check_width(width interval) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF width IS NULL OR width < INTERVAL '1 minute' THEN
        RAISE EXCEPTION 'width must be one minute or more, not %', coalesce(nullif(width::text, ''), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''5 minutes'', ''1 hour'' or ''1 day''.';
    ELSIF extract(month FROM width) + 12 * extract(year FROM width) > 0
          AND width <> make_interval(months => (extract(month FROM width) + 12 * extract(year FROM width))::int) THEN
        RAISE EXCEPTION 'width % mixes months with days or hours', width
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use whole months, or days, hours and minutes.';
    ELSIF extract(epoch FROM width) % 60 <> 0 THEN
        RAISE EXCEPTION 'width % is not whole minutes', width
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The smallest stored window is one minute.';
    END IF;
END $$;
COMMENT ON FUNCTION rcas.check_width IS 'Raises an error unless the width is whole minutes or whole months.';

CREATE FUNCTION rcas.most_buckets() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 120000;
COMMENT ON FUNCTION rcas.most_buckets IS 'The most buckets that one call may ask for: a year at five minutes fits.';

CREATE FUNCTION rcas.span(
    symbols text[], from_time timestamptz, to_time timestamptz, width interval, lookback bigint DEFAULT 0, OUT start timestamptz,
    OUT lo timestamptz, OUT hi timestamptz
)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    buckets bigint;
BEGIN
    PERFORM rcas.check_symbols(symbols), rcas.check_times(from_time, to_time), rcas.check_width(width);
    IF lookback IS NULL OR lookback NOT BETWEEN 0 AND rcas.most_buckets() THEN
        RAISE EXCEPTION 'cannot look back % buckets', coalesce(lookback::text, 'no')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = format('Ask for momentum_windows or volatility_windows of 1 or more, and at most %s.', rcas.most_buckets());
    END IF;
    buckets := ceil(extract(epoch FROM to_time - from_time) / rcas.seconds(width))::bigint + lookback;
    IF buckets > rcas.most_buckets() THEN
        RAISE EXCEPTION '% to % at % is % buckets, and one call gives at most %', from_time, to_time, width, buckets,
            rcas.most_buckets()
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('Ask for a shorter time, or for a wider width, such as %s.', rcas.width_for(to_time - from_time));
    END IF;
    lo := time_bucket(width, from_time);
    hi := time_bucket(width, to_time);
    IF hi < to_time THEN
        hi := rcas.shift(hi, width, 1);
    END IF;
    start := rcas.shift(lo, width, -lookback);
END $$;
COMMENT ON FUNCTION rcas.span IS
'Checks the arguments of a call and gives its bounds: buckets from lo to before hi, data needed from start (lookback buckets '
'earlier).';

CREATE FUNCTION rcas.width_for(duration interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(min(w), INTERVAL '1 month')::text
        FROM unnest(ARRAY['5 minutes', '15 minutes', '1 hour', '4 hours', '1 day', '7 days']::interval[]) AS w
        WHERE extract(epoch FROM duration) / extract(epoch FROM w) < 2000);
COMMENT ON FUNCTION rcas.width_for IS 'A sensible width for a duration, for hints.';

CREATE FUNCTION rcas.active_model() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT name FROM models WHERE active);
COMMENT ON FUNCTION rcas.active_model IS 'Name of the model whose sentiments are shown.';

CREATE FUNCTION rcas.model_of(model text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF model IS NULL THEN
        RETURN rcas.active_model();
    ELSIF NOT EXISTS (SELECT FROM models AS m WHERE m.name = model) THEN
        RAISE EXCEPTION 'unknown model "%"', model USING ERRCODE = 'invalid_parameter_value',
            HINT = coalesce((SELECT 'Models that have scored here: ' || string_agg(m.name, ', ' ORDER BY m.name) || '.'
                             FROM models AS m), 'No model has scored here yet.');
    END IF;
    RETURN model;
END $$;
COMMENT ON FUNCTION rcas.model_of IS 'The model asked for, or the active one for NULL; an error when it has never scored here.';

CREATE FUNCTION rcas.venue_of(venue text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF venue IS NOT NULL AND NOT EXISTS (SELECT FROM prices_1d AS p WHERE p.venue = venue_of.venue) THEN
        RAISE EXCEPTION 'unknown venue "%"', venue USING ERRCODE = 'invalid_parameter_value',
            HINT = coalesce((SELECT 'Venues with prices here: ' || string_agg(DISTINCT p.venue, ', ') || '.' FROM prices_1d AS p),
                            'There are no prices here yet.');
    END IF;
    RETURN venue;
END $$;
COMMENT ON FUNCTION rcas.venue_of IS 'The venue asked for, or NULL for all; an error when no price here is of it.';

CREATE FUNCTION rcas.source_of(source text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF source IS NOT NULL AND NOT EXISTS (SELECT FROM mood_1d AS m WHERE m.source = source_of.source) THEN
        RAISE EXCEPTION 'unknown source "%"', source USING ERRCODE = 'invalid_parameter_value',
            HINT = coalesce((SELECT 'Sources with scored posts here: ' || string_agg(DISTINCT m.source, ', ') || '.' FROM mood_1d AS m),
                            'There are no scored posts here yet.');
    END IF;
    RETURN source;
END $$;
COMMENT ON FUNCTION rcas.source_of IS 'The network asked for, or NULL for all; an error when no scored post here is of it.';

CREATE FUNCTION rcas.grid(symbols text[], lo timestamptz, hi timestamptz, width interval)
RETURNS TABLE (symbol text, bucket timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1000 AS $$
SELECT s, t AT TIME ZONE 'UTC'
FROM unnest(symbols) AS s, generate_series(lo AT TIME ZONE 'UTC', hi AT TIME ZONE 'UTC' - INTERVAL '1 second', width) AS t
$$;
COMMENT ON FUNCTION rcas.grid IS 'Every symbol with every bucket from lo to before hi.';

CREATE FUNCTION rcas.price_windows(
    symbols text[], lo timestamptz, hi timestamptz, width interval, venue text, by_venue boolean DEFAULT false
) RETURNS TABLE (
    symbol text, bucket timestamptz, venue_name text, open float8, high float8, low float8, close float8, volume float8,
    turnover float8, trades bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    -- Archived bars of two venues begin and end at the same instants: the venue's name decides then, or the answer would change
    -- from call to call.
    RETURN QUERY EXECUTE format($query$
        SELECT p.symbol, %3$s, %2$s,
               (array_agg(p.open ORDER BY p.open_time, p.venue))[1], max(p.high), min(p.low),
               (array_agg(p.close ORDER BY p.close_time DESC, p.venue))[1], sum(p.volume), sum(p.turnover), sum(p.trades)::bigint
        FROM prices_%1$s AS p
        WHERE p.symbol = ANY ($1) AND p.bucket >= $2 AND p.bucket < $3 AND ($5 IS NULL OR p.venue = $5)
        GROUP BY 1, 2, 3$query$,
        rcas.window_of(width), CASE WHEN by_venue THEN 'p.venue' ELSE 'NULL::text' END, rcas.bucket_of(width, '$4'))
    USING symbols, lo, hi, width, rcas.venue_of(venue);
END $$;
COMMENT ON FUNCTION rcas.price_windows IS
'OHLCV of several symbols, from the coarsest stored window; buckets from lo to before hi; no rows for gaps.';

CREATE FUNCTION rcas.mood_windows(
    symbols text[], lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean
) RETURNS TABLE (
    symbol text, bucket timestamptz, posts bigint, unique_posts bigint, judged bigint, negative bigint, positive bigint,
    sum_score float8, sum_square float8, sum_weight float8, sum_weighted float8, sum_influence float8, authors bit(1024)
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT m.symbol, %2$s,
               sum(m.posts)::bigint, coalesce(sum(m.posts) FILTER (WHERE NOT m.repeat), 0)::bigint,
               sum(m.judged)::bigint, sum(m.negative)::bigint, sum(m.positive)::bigint, sum(m.sum_score), sum(m.sum_square),
               sum(m.sum_weight), sum(m.sum_weighted), sum(m.sum_influence), bit_or(m.authors)
        FROM mood_%1$s AS m
        WHERE m.symbol = ANY ($1) AND m.bucket >= $2 AND m.bucket < $3 AND m.model = $5 AND ($6 IS NULL OR m.source = $6)
          AND ($7 OR NOT m.repeat)
        GROUP BY 1, 2$query$, rcas.window_of(width), rcas.bucket_of(width, '$4'))
    USING symbols, lo, hi, width, rcas.model_of(model), rcas.source_of(source), coalesce(repeats, true);
END $$;
COMMENT ON FUNCTION rcas.mood_windows IS
'Sums over the sentiments of several symbols, from the coarsest stored window; buckets from lo to before hi; no rows for gaps.';

CREATE FUNCTION rcas.post_totals(lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean)
RETURNS TABLE (bucket timestamptz, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT %2$s, sum(m.posts)::bigint
        FROM mood_%1$s AS m
        WHERE m.bucket >= $1 AND m.bucket < $2 AND m.model = $4 AND ($5 IS NULL OR m.source = $5) AND ($6 OR NOT m.repeat)
        GROUP BY 1$query$, rcas.window_of(width), rcas.bucket_of(width, '$3'))
    USING lo, hi, width, rcas.model_of(model), source, coalesce(repeats, true);
END $$;
COMMENT ON FUNCTION rcas.post_totals IS 'Posts about all symbols together; a post about two symbols counts twice.';

CREATE FUNCTION candles(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, venue text DEFAULT NULL, fill boolean DEFAULT false
)
RETURNS TABLE (bucket timestamptz, open float8, high float8, low float8, close float8, volume float8, vwap float8, trades bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT * FROM rcas.span(ARRAY[candles.symbol], candles.from_time, candles.to_time, candles.width)
), found AS (
    SELECT p.* FROM span AS s, rcas.price_windows(ARRAY[candles.symbol], s.lo, s.hi, candles.width, candles.venue) AS p
), timeline AS (
    SELECT g.bucket, f.open, f.high, f.low, f.close, f.volume, f.turnover, f.trades,
           count(f.close) OVER (ORDER BY g.bucket) AS run
    FROM span AS s, rcas.grid(ARRAY[candles.symbol], s.lo, least(s.hi, now()), candles.width) AS g
    LEFT JOIN found AS f ON f.bucket = g.bucket
    WHERE coalesce(candles.fill, false)
), filled AS (
    SELECT t.*, max(t.close) OVER (PARTITION BY t.run) AS known FROM timeline AS t
)
SELECT f.bucket, f.open, f.high, f.low, f.close, f.volume, f.turnover / nullif(f.volume, 0), f.trades
FROM found AS f WHERE NOT coalesce(candles.fill, false)
UNION ALL
SELECT f.bucket, coalesce(f.open, f.known), coalesce(f.high, f.known), coalesce(f.low, f.known), f.known,
       coalesce(f.volume, 0), f.turnover / nullif(f.volume, 0), coalesce(f.trades, 0)
FROM filled AS f WHERE f.run > 0
ORDER BY 1
$$;
COMMENT ON FUNCTION candles IS
'OHLCV per bucket. Prices in quote currency per coin (US dollar or a dollar stablecoin), volume in coins, vwap = Σ price × '
'volume / Σ volume, trades counted. venue: one exchange; NULL joins all. fill: a bucket without a trade carries the last close '
'forward (volume 0, vwap NULL), up to now, after the first trade in the range.';

CREATE FUNCTION candles_by_venue(symbol text, from_time timestamptz, to_time timestamptz, width interval)
RETURNS TABLE (
    bucket timestamptz, venue text, open float8, high float8, low float8, close float8, volume float8, vwap float8, trades bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 600 AS $$
SELECT p.bucket, p.venue_name, p.open, p.high, p.low, p.close, p.volume, p.turnover / nullif(p.volume, 0), p.trades
FROM rcas.span(ARRAY[candles_by_venue.symbol], candles_by_venue.from_time, candles_by_venue.to_time, candles_by_venue.width) AS s,
     rcas.price_windows(ARRAY[candles_by_venue.symbol], s.lo, s.hi, candles_by_venue.width, NULL, by_venue => true) AS p
ORDER BY 1, 2
$$;
COMMENT ON FUNCTION candles_by_venue IS 'OHLCV per bucket and venue, in the units of candles: for comparing exchanges.';

CREATE FUNCTION rcas.distinct_estimate(bits bit) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN length(bits) * ln(length(bits)::float8 / greatest(length(bits) - bit_count(bits), 1));
COMMENT ON FUNCTION rcas.distinct_estimate IS
'Linear counting (Whang, Vander-Zanden and Taylor 1990): -m ln(V/m) for V of m bits unset. Full at m ln m: 7,098 for 1,024 bits.';

CREATE FUNCTION mood(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT true,
    source text DEFAULT NULL, model text DEFAULT NULL, momentum_windows integer DEFAULT 12
) RETURNS TABLE (
    bucket timestamptz, mood float8, weighted_mood float8, mood_error float8, negative float8, neutral float8, positive float8,
    posts bigint, unique_posts bigint, judged bigint, authors float8, dominance float8, momentum float8, influence float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT * FROM rcas.span(ARRAY[mood.symbol], mood.from_time, mood.to_time, mood.width, mood.momentum_windows)
), found AS (
    SELECT m.*
    FROM span AS s,
         rcas.mood_windows(ARRAY[mood.symbol], s.start, s.hi, mood.width, mood.model, mood.source, mood.repeats) AS m
), total AS (
    SELECT t.* FROM span AS s, rcas.post_totals(s.lo, s.hi, mood.width, mood.model, mood.source, mood.repeats) AS t
), with_past AS (
    SELECT f.*, sum(f.sum_weighted) OVER before / nullif(sum(f.sum_weight) OVER before, 0) AS mood_before
    FROM found AS f
    WINDOW before AS (ORDER BY f.bucket AT TIME ZONE 'UTC'
                      RANGE BETWEEN mood.width * mood.momentum_windows PRECEDING AND mood.width PRECEDING)
)
SELECT f.bucket, f.sum_score / nullif(f.judged, 0), f.sum_weighted / nullif(f.sum_weight, 0),
       sqrt(greatest(f.sum_square - f.sum_score ^ 2 / nullif(f.judged, 0), 0) / (nullif(f.judged, 1) - 1) / nullif(f.judged, 0)),
       f.negative / nullif(f.judged, 0)::float8, (f.judged - f.negative - f.positive) / nullif(f.judged, 0)::float8,
       f.positive / nullif(f.judged, 0)::float8, f.posts, f.unique_posts, f.judged, rcas.distinct_estimate(f.authors),
       f.posts / t.posts::float8, f.sum_weighted / nullif(f.sum_weight, 0) - f.mood_before, f.sum_influence
FROM span AS s, with_past AS f LEFT JOIN total AS t ON t.bucket = f.bucket
WHERE f.bucket >= s.lo
ORDER BY 1
$$;
COMMENT ON FUNCTION mood IS
'What posts felt about a coin per bucket; buckets without posts have no row. mood = mean score of the judged posts, in [-1, 1]; '
'weighted_mood the same weighted by reach and engagement, damped; mood_error = standard error of mood. negative, neutral, '
'positive: shares of the judged posts, summing to 1, each post by its likeliest class. posts: all; unique_posts: without '
'reposts and repeated texts; judged: those the model could read; authors: different authors, estimated by linear counting '
'(standard error about 2 % below 1,000 authors, full at 7,098); dominance: share of the posts about all coins; momentum: '
'weighted_mood less that of the momentum_windows buckets before; influence: Σ score × followers × (likes+1) × (retweets+1), '
'undamped. repeats: false leaves out reposts and repeated texts everywhere. source, model: one network, one model; NULL means '
'all networks and the active model.';

CREATE FUNCTION rcas.series(
    symbols text[], lo timestamptz, hi timestamptz, width interval, venue text, source text, model text, repeats boolean
) RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, volume float8, trades bigint, mood float8,
    weighted_mood float8, negative float8, neutral float8, positive float8, posts bigint, unique_posts bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
SELECT g.symbol, g.bucket, p.close,
       CASE WHEN p.close > 0 AND lag(p.close) OVER past > 0 THEN ln(p.close / lag(p.close) OVER past) END,
       coalesce(p.volume, 0), coalesce(p.trades, 0), m.sum_score / nullif(m.judged, 0), m.sum_weighted / nullif(m.sum_weight, 0),
       m.negative / nullif(m.judged, 0)::float8, (m.judged - m.negative - m.positive) / nullif(m.judged, 0)::float8,
       m.positive / nullif(m.judged, 0)::float8, coalesce(m.posts, 0), coalesce(m.unique_posts, 0)
FROM rcas.grid(symbols, lo, hi, width) AS g
LEFT JOIN rcas.price_windows(symbols, lo, hi, width, venue) AS p ON p.symbol = g.symbol AND p.bucket = g.bucket
LEFT JOIN rcas.mood_windows(symbols, lo, hi, width, model, source, repeats) AS m ON m.symbol = g.symbol AND m.bucket = g.bucket
WINDOW past AS (PARTITION BY g.symbol ORDER BY g.bucket)
$$;
COMMENT ON FUNCTION rcas.series IS
'Price and mood of several symbols on one grid without holes. log_return = ln(close / close of the bucket before), NULL unless '
'both buckets traded.';

CREATE FUNCTION mood_price(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT true,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, volatility_windows integer DEFAULT 12
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, realised_volatility float8, volume float8, trades bigint, mood float8,
    weighted_mood float8, negative float8, neutral float8, positive float8, posts bigint, unique_posts bigint
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT *
    FROM rcas.span(ARRAY[mood_price.symbol], mood_price.from_time, mood_price.to_time, mood_price.width,
                   nullif(mood_price.volatility_windows, 0))
), series AS (
    SELECT v.*, avg((v.log_return ^ 2)::numeric) OVER past AS variance, count(v.log_return) OVER past AS returns
    FROM span AS s, rcas.series(ARRAY[mood_price.symbol], s.start, s.hi, mood_price.width, mood_price.venue, mood_price.source,
                                mood_price.model, mood_price.repeats) AS v
    WINDOW past AS (ORDER BY v.bucket ROWS BETWEEN greatest(mood_price.volatility_windows, 1) - 1 PRECEDING AND CURRENT ROW)
)
SELECT v.bucket, v.close, v.log_return,
       CASE WHEN 2 * v.returns >= mood_price.volatility_windows
            THEN sqrt(v.variance::float8 * 31536000 / rcas.seconds(mood_price.width)) END,
       v.volume, v.trades, v.mood, v.weighted_mood, v.negative, v.neutral, v.positive, v.posts, v.unique_posts
FROM span AS s, series AS v
WHERE v.bucket >= s.lo AND (v.trades > 0 OR v.posts > 0)
ORDER BY 1
$$;
COMMENT ON FUNCTION mood_price IS
'Price and mood of a coin on one time line; a bucket with neither trades nor posts has no row. close in quote currency; return '
'= ln(close / close of the bucket before), NULL unless both buckets traded; realised_volatility = root mean square return of '
'the last volatility_windows buckets, per year of 365 days (0.8 is 80 %), NULL unless half of them have a return; volume in '
'coins. Mood, shares and posts as in mood().';

CREATE FUNCTION authors(symbol text, from_time timestamptz, to_time timestamptz, width interval)
RETURNS TABLE (bucket timestamptz, authors bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
DECLARE
    span record := rcas.span(ARRAY[symbol], from_time, to_time, width);
BEGIN
    RETURN QUERY
    SELECT time_bucket(width, t.time), count(DISTINCT t.author_hash)
    FROM sentiments AS t
    WHERE t.symbol = authors.symbol AND t.time >= span.lo AND t.time < span.hi AND t.model = rcas.active_model()
    GROUP BY 1 ORDER BY 1;
END $$;
COMMENT ON FUNCTION authors IS
'Different authors of posts about a coin per bucket, counted exactly from every post: slow over long times, where '
'mood().authors estimates.';

CREATE FUNCTION influence(symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 20)
RETURNS TABLE (
    "time" timestamptz, source text, id text, author text, text text, score real, weight real, reach float8, influence float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 AS $$
#variable_conflict use_column
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    RETURN QUERY
    WITH loudest AS (
        SELECT t.*, t.score * t.reach AS signed
        FROM sentiments AS t
        WHERE t.symbol = influence.symbol AND t.time >= from_time AND t.time < to_time AND t.model = rcas.active_model()
          AND t.score IS NOT NULL
        ORDER BY abs(t.score * t.reach) DESC, t.time, t.id
        LIMIT "limit"
    )
    SELECT l.time, l.source, l.id, w.author, w.text, l.score, l.weight, l.reach, l.signed
    FROM loudest AS l LEFT JOIN tweets AS w ON w.source = l.source AND w.id = l.id AND w.time = l.time
    ORDER BY abs(l.signed) DESC, l.time, l.id;
END $$;
COMMENT ON FUNCTION influence IS
'The posts about a coin that could sway most people, loudest first: influence = score × followers × (likes+1) × (retweets+1), '
'undamped and signed; reach = the same without the score; weight = the damped weight that weighted_mood uses.';

CREATE FUNCTION rcas.terms(symbol text, from_time timestamptz, to_time timestamptz) RETURNS TABLE (term text, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
    lo         timestamptz;
    first_hour timestamptz;
    last_hour  timestamptz;
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    lo := time_bucket(INTERVAL '5 minutes', from_time);
    first_hour := time_bucket(INTERVAL '1 hour', lo + INTERVAL '55 minutes');
    last_hour := greatest(time_bucket(INTERVAL '1 hour', to_time), first_hour);
    RETURN QUERY EXECUTE $query$
        SELECT t.term, sum(t.n)::bigint
        FROM (SELECT h.term, h.n FROM term_counts_1h AS h WHERE h.symbol = $1 AND h.bucket >= $3 AND h.bucket < $4
              UNION ALL
              SELECT c.term, c.n FROM term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < least($3, $5)
              UNION ALL
              SELECT c.term, c.n FROM term_counts AS c WHERE c.symbol = $1 AND c.bucket >= $4 AND c.bucket < $5) AS t
        GROUP BY 1$query$
    USING symbol, lo, first_hour, last_hour, to_time;
END $$;
COMMENT ON FUNCTION rcas.terms IS
'Posts per term: whole hours from term_counts_1h, the edges from the five minutes of term_counts.';

CREATE FUNCTION rcas.names(symbol text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT array_agg(DISTINCT lower(word))
        FROM assets AS a, unnest(a.cashtags || a.keywords || ARRAY[a.symbol, a.name]) AS phrase,
             regexp_split_to_table(phrase, '\s+') AS word
        WHERE a.symbol = names.symbol);
COMMENT ON FUNCTION rcas.names IS 'The words that name a coin: they top every list of its terms and say nothing.';

CREATE FUNCTION top_terms(
    symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 30, own_names boolean DEFAULT false
) RETURNS TABLE (term text, posts bigint, share float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
SELECT t.term, t.posts, t.posts / sum(t.posts) OVER ()::float8
FROM rcas.terms(top_terms.symbol, top_terms.from_time, top_terms.to_time) AS t
WHERE top_terms.own_names OR t.term <> ALL (rcas.names(top_terms.symbol))
ORDER BY t.posts DESC, t.term
LIMIT top_terms."limit"
$$;
COMMENT ON FUNCTION top_terms IS
'The commonest words of the posts about a coin, commonest first: posts that hold the word, and its share of all counted words. '
'Times count in steps of five minutes. Stop words, links, @names and numbers were never counted; own_names: true keeps the '
'coin''s own names.';

CREATE FUNCTION trending_terms(
    symbol text, from_time timestamptz, to_time timestamptz, before interval DEFAULT '24 hours', "limit" integer DEFAULT 30,
    min_posts integer DEFAULT 5, own_names boolean DEFAULT false
) RETURNS TABLE (term text, posts bigint, expected float8, ratio float8, score float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
WITH recent AS (
    SELECT t.*, sum(t.posts) OVER () AS total
    FROM rcas.terms(trending_terms.symbol, trending_terms.from_time, trending_terms.to_time) AS t
), past AS (
    SELECT t.*, sum(t.posts) OVER () AS total
    FROM rcas.terms(trending_terms.symbol, trending_terms.from_time - rcas.check_duration('before', trending_terms.before), trending_terms.from_time) AS t
), compared AS (
    SELECT r.term, r.posts,
           (coalesce(p.posts, 0) + 0.5) * r.total / ((SELECT coalesce(max(total), 0) FROM past) + 0.5)::float8 AS expected
    FROM recent AS r LEFT JOIN past AS p ON p.term = r.term
    WHERE r.posts >= coalesce(trending_terms.min_posts, 0) AND (trending_terms.own_names OR r.term <> ALL (rcas.names(trending_terms.symbol)))
)
SELECT c.term, c.posts, c.expected, c.posts / c.expected,
       sign(c.posts - c.expected) * sqrt(greatest(2 * (c.posts * ln(c.posts / c.expected) - (c.posts - c.expected)), 0))
FROM compared AS c
WHERE c.posts > c.expected
ORDER BY 5 DESC, c.term
LIMIT trending_terms."limit"
$$;
COMMENT ON FUNCTION trending_terms IS
'Words that are commoner between from and to than in the time before (default 24 hours), most surprising first. expected = '
'posts that would hold the word had its share of all words stayed as before; ratio = posts / expected; score = signed root of '
'the Poisson deviance, about the number of standard deviations. Words in fewer than min_posts posts are left out, and so is '
'every word where the time before holds none.';
