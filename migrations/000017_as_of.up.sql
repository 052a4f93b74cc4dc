-- As it was known: what mood(), mood_price() and divergence() would have answered at an earlier time, so that a signal can be tried on the past
-- without looking ahead.
--
-- Windows hold what is known now. What was known then is counted anew from the raw rows: those stored by then, by the model that was active
-- then, with what had been found out by then about who speaks and who repeats. Rows are stamped when the transaction that adds them begins: what
-- was under way at that very moment, for a second or so, counts although nobody could see it yet.

ALTER TABLE sentiments ADD COLUMN repeat_at timestamptz, ADD COLUMN kind_at timestamptz;
COMMENT ON COLUMN sentiments.repeat_at IS 'When it was found to be a repeat, if that was after it was stored; else NULL.';
COMMENT ON COLUMN sentiments.kind_at IS 'When it was found out who speaks, if that was after it was stored; else NULL.';

CREATE TABLE model_activations (
    time  timestamptz PRIMARY KEY,
    model text
);
COMMENT ON TABLE model_activations IS 'Which model was the active one from when on. Kept by a trigger on models.';
COMMENT ON COLUMN model_activations.time IS 'Since when; -infinity: since before it was written down.';
COMMENT ON COLUMN model_activations.model IS 'Name, as in models; NULL: none.';
-- Of what was before, a database knows the last change: who gave way, at the time at which the active model came.
INSERT INTO model_activations
SELECT '-infinity', min(before.name) FROM models AS now JOIN models AS before ON before.changed_at = now.changed_at AND NOT before.active
WHERE now.active HAVING count(*) = 1
UNION ALL SELECT changed_at, name FROM models WHERE active;
GRANT SELECT ON model_activations TO rcas_writer, rcas_reader;
GRANT INSERT, UPDATE ON model_activations TO rcas_writer;

CREATE FUNCTION rcas.note_activation() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    INSERT INTO model_activations
    SELECT now(), rcas.active_model()
    WHERE rcas.active_model() IS DISTINCT FROM (SELECT a.model FROM model_activations AS a ORDER BY a.time DESC LIMIT 1)
    ON CONFLICT (time) DO UPDATE SET model = excluded.model;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION rcas.note_activation IS 'Trigger: writes down which model is active from now on.';
CREATE TRIGGER models_note_activation AFTER INSERT OR UPDATE OR DELETE ON models FOR EACH STATEMENT EXECUTE FUNCTION rcas.note_activation();

CREATE FUNCTION rcas.reigns(model text) RETURNS TABLE (name text, starts timestamptz, ends timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3 AS $$
SELECT a.model, a.time, lead(a.time, 1, 'infinity') OVER (ORDER BY a.time) FROM model_activations AS a WHERE reigns.model IS NULL
UNION ALL SELECT reigns.model, '-infinity', 'infinity' WHERE reigns.model IS NOT NULL
$$;
COMMENT ON FUNCTION rcas.reigns IS 'Whose sentiments count when: the model asked for always, or for NULL each model while it was active.';

CREATE FUNCTION rcas.check_known(as_of timestamptz, delay interval) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF as_of IS NOT NULL AND (NOT isfinite(as_of) OR as_of NOT BETWEEN '0001-01-01Z' AND '9999-12-31Z') THEN
        RAISE EXCEPTION 'as_of must be a time, not %', as_of USING ERRCODE = 'invalid_parameter_value', HINT = 'For example now() - interval ''1 day''; NULL is now.';
    ELSIF delay IS NOT NULL AND NOT delay BETWEEN INTERVAL '0' AND INTERVAL '1000 years' THEN
        RAISE EXCEPTION 'delay must be 0 to 1000 years, not %', delay USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''1 minute''.';
    END IF;
    RETURN as_of IS NOT NULL OR delay IS NOT NULL;
END $$;
COMMENT ON FUNCTION rcas.check_known IS 'Whether what was known earlier is asked for; an error where as_of is no time or delay no duration.';

CREATE FUNCTION rcas.check_kept(hypertable text, symbols text[], lo timestamptz, hi timestamptz) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    gone timestamptz;
BEGIN
    EXECUTE format($query$
        SELECT min(w.bucket) FROM %s AS w
        WHERE w.symbol = ANY ($1) AND w.bucket >= time_bucket('1 day', $2) AND w.bucket < $3
          AND NOT EXISTS (SELECT FROM rcas.kept($4) AS k WHERE w.bucket + INTERVAL '1 day' > k.starts AND w.bucket < k.ends)$query$,
        CASE hypertable WHEN 'prices' THEN 'prices_1d' ELSE 'mood_1d' END) INTO gone USING symbols, lo, hi, hypertable;
    IF gone IS NOT NULL THEN
        RAISE EXCEPTION 'the rows of % are no longer kept, only their windows: what was known earlier cannot be told', gone
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a later time, or without as_of and delay. The table retention says how long rows are kept.';
    END IF;
END $$;
COMMENT ON FUNCTION rcas.check_kept IS 'Raises an error where a day of the range has windows but no raw rows any more.';

CREATE FUNCTION rcas.cut(width text, at text, as_of text, delay text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format('least(%3$s::timestamptz, rcas.shift(time_bucket(%1$s, %2$s), %1$s, 1) + %4$s::interval)', width, at, as_of, delay);
COMMENT ON FUNCTION rcas.cut IS
'The expression for the time by which a row must have been stored to count: as_of, or the end of its bucket and a delay, whichever is earlier.';

CREATE FUNCTION rcas.final_before(model text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    active text := rcas.active_model();
    newest timestamptz;
BEGIN
    IF active IS NULL OR active <> coalesce(model, active) THEN
        RETURN '-infinity';
    END IF;
    SELECT s.time INTO newest FROM sentiments AS s WHERE s.model = active AND s.time > now() - INTERVAL '7 days' ORDER BY s.time DESC LIMIT 1;
    IF newest IS NULL THEN
        SELECT s.time INTO newest FROM sentiments AS s WHERE s.model = active ORDER BY s.time DESC LIMIT 1;
    END IF;
    RETURN coalesce(least(newest, now()) - INTERVAL '7 days', '-infinity');
END $$;
COMMENT ON FUNCTION rcas.final_before IS
'The end of the buckets that do not change any more by themselves: a week before the newest post that the active model has scored (posts are scored in the order '
'in which they come, and a feed that was away catches up within days). Never, for another model.';

CREATE FUNCTION rcas.is_final(ends timestamptz, before timestamptz, as_of timestamptz, delay interval) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN as_of IS NULL AND delay IS NULL THEN ends <= before ELSE least(as_of, ends + delay) <= now() - INTERVAL '10 minutes' END;
COMMENT ON FUNCTION rcas.is_final IS
'Whether the answer about a bucket that ends then stays what it is: what was known ten minutes ago or earlier does; what is known now, as final_before says.';

DROP FUNCTION mood, mood_price, divergence;
DROP FUNCTION rcas.mood_windows, rcas.post_totals, rcas.price_windows, rcas.series, rcas.rule, rcas.z_scores;

CREATE FUNCTION rcas.price_windows(
    symbols text[], lo timestamptz, hi timestamptz, width interval, venue text, by_venue boolean DEFAULT false,
    as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS TABLE (
    symbol text, bucket timestamptz, venue_name text, open float8, high float8, low float8, close float8, volume float8,
    turnover float8, trades bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
DECLARE
    known  boolean := rcas.check_known(as_of, delay);
    source text := format('prices_%s', rcas.window_of(width));
    bucket text := rcas.bucket_of(width, '$4');
BEGIN
    IF known THEN
        PERFORM rcas.check_kept('prices', symbols, lo, hi);
        bucket := 'bucket';
        source := format($rows$(
            SELECT r.symbol, time_bucket($4, r.time) AS bucket, r.venue, r.time AS open_time, r.time AS close_time, r.price AS open, r.price AS high,
                   r.price AS low, r.price AS close, r.volume, r.price * r.volume AS turnover, 1 AS trades
            FROM prices AS r WHERE r.symbol = ANY ($1) AND r.time >= $2 AND r.time < $3 AND r.stored_at <= %s)$rows$, rcas.cut('$4', 'r.time', '$6', '$7'));
    END IF;
    -- Archived bars of two venues begin and end at the same instants: the venue's name decides then, or the answer would change
    -- from call to call.
    RETURN QUERY EXECUTE format($query$
        SELECT p.symbol, %3$s, %2$s,
               (array_agg(p.open ORDER BY p.open_time, p.venue))[1], max(p.high), min(p.low),
               (array_agg(p.close ORDER BY p.close_time DESC, p.venue))[1], sum(p.volume), sum(p.turnover), sum(p.trades)::bigint
        FROM %1$s AS p
        WHERE p.symbol = ANY ($1) AND p.bucket >= $2 AND p.bucket < $3 AND ($5 IS NULL OR p.venue = $5)
        GROUP BY 1, 2, 3$query$,
        source, CASE WHEN by_venue THEN 'p.venue' ELSE 'NULL::text' END, bucket)
    USING symbols, lo, hi, width, rcas.venue_of(venue), as_of, delay;
END $$;
COMMENT ON FUNCTION rcas.price_windows IS
'OHLCV of several symbols, from the coarsest stored window; buckets from lo to before hi; no rows for gaps. With as_of or delay as it was known then, '
'from the raw rows.';

CREATE FUNCTION rcas.moods(width interval, known boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT known THEN format('(SELECT *, %s AS asked FROM mood_%s WHERE bucket >= $2 AND bucket < $3 AND model = $5)',
                                       rcas.bucket_of(width, '$4'), rcas.window_of(width)) ELSE format($rows$(
    SELECT r.symbol, time_bucket($4, r.time) AS asked, r.source, r.repeat AND coalesce(r.repeat_at <= c.cut, true) AS repeat,
           CASE WHEN r.kind_at > c.cut THEN 'person' ELSE coalesce(r.kind, 'person') END AS kind, 1 AS posts, (r.score IS NOT NULL)::integer AS judged,
           coalesce(r.negative > r.neutral AND r.negative > r.positive, false)::integer AS negative,
           coalesce(r.positive > r.neutral AND r.positive > r.negative, false)::integer AS positive,
           r.score::float8 AS sum_score, r.score::float8 * r.score AS sum_square, CASE WHEN r.score IS NOT NULL THEN r.weight::float8 END AS sum_weight,
           r.score::float8 * r.weight AS sum_weighted, r.score * r.reach AS sum_influence, B'1'::bit(1024) >> (r.author_hash & 1023) AS authors
    FROM sentiments AS r CROSS JOIN LATERAL (SELECT %s) AS c (cut) JOIN rcas.reigns($9) AS m ON r.model = m.name AND c.cut >= m.starts AND c.cut < m.ends
    WHERE r.time >= $2 AND r.time < $3 AND r.scored_at <= c.cut)$rows$, rcas.cut('$4', 'r.time', '$10', '$11')) END;
COMMENT ON FUNCTION rcas.moods IS
'The rows that moods are summed from: a stored window, or what was known then of the raw rows. $2 and $3 are the bounds, $4 the width, $5 and $9 the model, '
'$10 as_of and $11 the delay.';

CREATE FUNCTION rcas.mood_windows(
    symbols text[], lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean, who text,
    as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS TABLE (
    symbol text, bucket timestamptz, posts bigint, unique_posts bigint, judged bigint, negative bigint, positive bigint,
    sum_score float8, sum_square float8, sum_weight float8, sum_weighted float8, sum_influence float8, authors bit(1024),
    adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
DECLARE
    known boolean := rcas.check_known(as_of, delay);
BEGIN
    IF known THEN
        PERFORM rcas.check_kept('sentiments', symbols, lo, hi);
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT m.symbol, m.asked,
               coalesce(sum(m.posts) FILTER (WHERE %2$s), 0)::bigint,
               coalesce(sum(m.posts) FILTER (WHERE %2$s AND NOT m.repeat), 0)::bigint,
               coalesce(sum(m.judged) FILTER (WHERE %2$s), 0)::bigint, coalesce(sum(m.negative) FILTER (WHERE %2$s), 0)::bigint,
               coalesce(sum(m.positive) FILTER (WHERE %2$s), 0)::bigint, sum(m.sum_score) FILTER (WHERE %2$s),
               sum(m.sum_square) FILTER (WHERE %2$s), sum(m.sum_weight) FILTER (WHERE %2$s), sum(m.sum_weighted) FILTER (WHERE %2$s),
               sum(m.sum_influence) FILTER (WHERE %2$s), bit_or(m.authors) FILTER (WHERE %2$s),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'advert'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'bot'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.kind = 'news'), 0)::float8 / nullif(sum(m.judged), 0),
               coalesce(sum(m.judged) FILTER (WHERE m.repeat), 0)::float8 / nullif(sum(m.judged), 0)
        FROM %1$s AS m
        WHERE m.symbol = ANY ($1) AND ($6 IS NULL OR m.source = $6)
        GROUP BY 1, 2$query$, rcas.moods(width, known), 'm.kind = ANY ($8) AND ($7 OR NOT m.repeat)')
    USING symbols, lo, hi, width, rcas.model_of(model), rcas.source_of(source), coalesce(repeats, false), rcas.kinds_of(who), model, as_of, delay;
END $$;
COMMENT ON FUNCTION rcas.mood_windows IS
'Sums over those sentiments of several symbols that are asked for, from the coarsest stored window; buckets from lo to before hi; no rows for '
'gaps. adverts, bots, news, repeated: shares of all judged posts, whoever is asked for. With as_of or delay as it was known then, from the raw rows.';

CREATE FUNCTION rcas.post_totals(
    lo timestamptz, hi timestamptz, width interval, model text, source text, repeats boolean, who text, as_of timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL
) RETURNS TABLE (bucket timestamptz, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 SET seq_page_cost = 0.1 SET random_page_cost = 0.1 SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        SELECT m.asked, sum(m.posts)::bigint
        FROM %1$s AS m
        WHERE ($6 IS NULL OR m.source = $6) AND ($7 OR NOT m.repeat) AND m.kind = ANY ($8)
        GROUP BY 1$query$, rcas.moods(width, rcas.check_known(as_of, delay)))
    USING NULL::text, lo, hi, width, rcas.model_of(model), source, coalesce(repeats, false), rcas.kinds_of(who), model, as_of, delay;
END $$;
COMMENT ON FUNCTION rcas.post_totals IS 'Posts about all symbols together; a post about two symbols counts twice. as_of and delay as in mood_windows.';

CREATE FUNCTION mood(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT false,
    source text DEFAULT NULL, model text DEFAULT NULL, momentum_windows integer DEFAULT 12, who text DEFAULT 'people',
    as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS TABLE (
    bucket timestamptz, mood float8, weighted_mood float8, mood_error float8, negative float8, neutral float8, positive float8,
    posts bigint, unique_posts bigint, judged bigint, authors float8, dominance float8, momentum float8, influence float8,
    adverts float8, bots float8, news float8, repeated float8, final boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT *, rcas.final_before(mood.model) AS done FROM rcas.span(ARRAY[mood.symbol], mood.from_time, mood.to_time, mood.width, mood.momentum_windows)
), found AS (
    SELECT m.*
    FROM span AS s,
         rcas.mood_windows(ARRAY[mood.symbol], s.start, s.hi, mood.width, mood.model, mood.source, mood.repeats, mood.who, mood.as_of,
         mood.delay) AS m
), total AS (
    SELECT t.* FROM span AS s, rcas.post_totals(s.lo, s.hi, mood.width, mood.model, mood.source, mood.repeats, mood.who, mood.as_of,
         mood.delay) AS t
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
       f.adverts, f.bots, f.news, f.repeated, rcas.is_final(rcas.shift(f.bucket, mood.width, 1), s.done, mood.as_of, mood.delay)
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
'all networks and the active model. '
'as_of: as it was known then: only posts stored by then, by the model that was active then; delay: each bucket as it was known so long after '
'its end. Both are counted from the raw rows, which is slow over long times, and not to be had where only windows are kept. An archive that was '
'replayed is known since the replay. final: the row does not change any more by itself: it ended a week before the newest post that the '
'active model has scored, or what was known ten minutes ago or earlier is asked for.';

CREATE FUNCTION rcas.series(
    symbols text[], lo timestamptz, hi timestamptz, width interval, venue text, source text, model text, repeats boolean, who text,
    as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
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
LEFT JOIN rcas.price_windows(symbols, lo, hi, width, venue, false, as_of, delay) AS p ON p.symbol = g.symbol AND p.bucket = g.bucket
LEFT JOIN rcas.mood_windows(symbols, lo, hi, width, model, source, repeats, who, as_of, delay) AS m
    ON m.symbol = g.symbol AND m.bucket = g.bucket
WINDOW past AS (PARTITION BY g.symbol ORDER BY g.bucket)
$$;
COMMENT ON FUNCTION rcas.series IS
'Price and mood of several symbols on one grid without holes. log_return = ln(close / close of the bucket before), NULL unless '
'both buckets traded.';

CREATE FUNCTION mood_price(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, volatility_windows integer DEFAULT 12,
    who text DEFAULT 'people', as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, realised_volatility float8, volume float8, trades bigint, mood float8,
    weighted_mood float8, negative float8, neutral float8, positive float8, posts bigint, unique_posts bigint,
    adverts float8, bots float8, news float8, repeated float8, final boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
WITH span AS MATERIALIZED (
    SELECT *, rcas.final_before(mood_price.model) AS done
    FROM rcas.span(ARRAY[mood_price.symbol], mood_price.from_time, mood_price.to_time, mood_price.width,
                   nullif(mood_price.volatility_windows, 0))
), series AS (
    SELECT v.*, avg((v.log_return ^ 2)::numeric) OVER past AS variance, count(v.log_return) OVER past AS returns
    FROM span AS s, rcas.series(ARRAY[mood_price.symbol], s.start, s.hi, mood_price.width, mood_price.venue, mood_price.source,
                                mood_price.model, mood_price.repeats, mood_price.who, mood_price.as_of, mood_price.delay) AS v
    WINDOW past AS (ORDER BY v.bucket ROWS BETWEEN greatest(mood_price.volatility_windows, 1) - 1 PRECEDING AND CURRENT ROW)
)
SELECT v.bucket, v.close, v.log_return,
       CASE WHEN 2 * v.returns >= mood_price.volatility_windows
            THEN sqrt(v.variance::float8 * 31536000 / rcas.seconds(mood_price.width)) END,
       v.volume, v.trades, v.mood, v.weighted_mood, v.negative, v.neutral, v.positive, v.posts, v.unique_posts,
       v.adverts, v.bots, v.news, v.repeated,
       rcas.is_final(rcas.shift(v.bucket, mood_price.width, 1), s.done, mood_price.as_of, mood_price.delay)
FROM span AS s, series AS v
WHERE v.bucket >= s.lo AND (v.trades > 0 OR v.posts > 0 OR v.adverts IS NOT NULL)
ORDER BY 1
$$;
COMMENT ON FUNCTION mood_price IS
'Price and mood of a coin on one time line; a bucket with neither trades nor posts has no row. close in quote currency; return '
'= ln(close / close of the bucket before), NULL unless both buckets traded; realised_volatility = root mean square return of '
'the last volatility_windows buckets, per year of 365 days (0.8 is 80 %), NULL unless half of them have a return; volume in '
'coins. Mood, shares and posts, who, repeats, as_of, delay and final as in mood(); as_of and delay hold for trades too.';

ALTER TYPE rcas.rule ADD ATTRIBUTE as_of timestamptz, ADD ATTRIBUTE delay interval;

CREATE FUNCTION rcas.rule(
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text, who text, as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS rcas.rule
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    PERFORM rcas.check_width(width), rcas.kinds_of(who), rcas.check_known(as_of, delay);
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
    RETURN ROW(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who, as_of, delay);
END $$;
COMMENT ON FUNCTION rcas.rule IS 'A rule, or an error that says which of its settings makes no sense.';

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
                         r.repeats, r.who, r.as_of, r.delay) AS v
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

CREATE FUNCTION divergence(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT 1, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    who text DEFAULT 'people', as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL
) RETURNS TABLE (
    bucket timestamptz, close float8, "return" float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, direction text, firing boolean, adverts float8, bots float8, news float8, repeated float8, final boolean
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 300 AS $$
SELECT d.bucket, d.close, d.log_return, d.mood, d.posts, d.mood_z, d.return_z, d.divergence,
       CASE d.side WHEN 1 THEN 'bullish' WHEN -1 THEN 'bearish' END, d.side <> 0,
       d.adverts, d.bots, d.news, d.repeated, rcas.is_final(rcas.shift(d.bucket, r.width, 1), f.done, r.as_of, r.delay)
FROM rcas.rule(divergence.width, divergence.baseline, divergence.threshold, divergence.min_posts, divergence.persistence,
               divergence.repeats, divergence.venue, divergence.source, divergence.model, divergence.who,
               divergence.as_of, divergence.delay) AS r,
     LATERAL (SELECT rcas.final_before(divergence.model) OFFSET 0) AS f (done),
     rcas.rule_span(ARRAY[divergence.symbol], divergence.from_time, divergence.to_time, r) AS s,
     rcas.divergences(ARRAY[divergence.symbol], s.lo, s.hi, r) AS d
WHERE d.posts > 0 OR d.adverts IS NOT NULL OR d.close IS NOT NULL
ORDER BY 1
$$;
COMMENT ON FUNCTION divergence IS
'How far mood and price part ways per bucket. mood is the weighted mood; mood_z and return_z count standard deviations from the '
'mean of the baseline buckets before; divergence = mood_z - return_z. firing: the signs disagree, both are at least threshold '
'away from zero, at least min_posts posts stand behind it, and it has been so for persistence buckets in a row. direction: '
'bullish (mood up, price down) or bearish (mood down, price up), NULL where it does not fire. Shares, who, repeats, as_of, delay and '
'final as in mood(); as_of and delay hold for trades, and for the baseline, too.';
