-- What boards and alerts say is one thing: an event's figures count the same windows, words keep their networks apart, and only a source that is
-- read live can fall silent.

CREATE OR REPLACE FUNCTION rcas.events(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, start_time timestamptz, fired_at timestamptz, end_time timestamptz, side integer, price float8,
    divergence float8, mood_z float8, return_z float8, peak float8, peak_time timestamptz, posts bigint
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
       f.side * max(abs(j.divergence)), last(j.bucket, abs(j.divergence)), sum(j.posts)::bigint
FROM fired AS f JOIN judged AS j ON j.symbol = f.symbol AND j.bucket BETWEEN f.start_time AND f.last_bucket
GROUP BY f.symbol, f.side, f.first_bucket, f.last_bucket, f.start_time
$$;
COMMENT ON FUNCTION rcas.events IS
'Runs of buckets in which a rule fires, if they begin at lo or later: an event belongs to the range in which it began, whatever '
'the bounds. price, divergence, mood_z and return_z as they were when it fired; peak, peak_time and posts of all buckets from start_time to '
'end_time, which are those that disagree.';
COMMENT ON FUNCTION divergence_events IS
'The times when divergence() began to fire within the range, one row each. start_time: start of the first bucket that '
'disagreed; fired_at: end of the bucket in which the rule first fired, the earliest that one could have known; end_time: end of '
'the last firing bucket. Of the buckets from start_time to end_time: peak: the largest divergence (positive bullish, negative bearish), and '
'its bucket; posts. price: close at fired_at; return_1h, 4h, 24h = ln(price then / price at fired_at), NULL where nothing traded '
'just before that time.';
COMMENT ON COLUMN alerts.posts IS 'Posts in the buckets since start_time when recorded.';

ALTER TABLE term_counts ADD COLUMN source text;
COMMENT ON COLUMN term_counts.source IS 'The network of the posts; NULL of words that were counted before networks were kept apart.';

DROP FUNCTION top_terms, trending_terms;
DROP FUNCTION rcas.terms;

CREATE FUNCTION rcas.terms(symbol text, from_time timestamptz, to_time timestamptz, source text) RETURNS TABLE (term text, posts bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
    lo         timestamptz;
    first_hour timestamptz;
    last_hour  timestamptz;
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    lo := time_bucket(INTERVAL '5 minutes', from_time);
    IF rcas.source_of(source) IS NOT NULL THEN
        RETURN QUERY EXECUTE $query$
            SELECT c.term, sum(c.n)::bigint FROM term_counts AS c
            WHERE c.symbol = $1 AND c.bucket >= $2 AND c.bucket < $3 AND c.source = $4 GROUP BY 1$query$
        USING symbol, lo, to_time, source;
        RETURN;
    END IF;
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
'Posts per term: whole hours from term_counts_1h, the edges from the five minutes of term_counts; of one network, all from the five minutes.';

CREATE FUNCTION top_terms(
    symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 30, own_names boolean DEFAULT false,
    source text DEFAULT NULL
) RETURNS TABLE (term text, posts bigint, share float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
SELECT t.term, t.posts, t.posts / sum(t.posts) OVER ()::float8
FROM rcas.terms(top_terms.symbol, top_terms.from_time, top_terms.to_time, top_terms.source) AS t
WHERE top_terms.own_names OR t.term <> ALL (rcas.names(top_terms.symbol))
ORDER BY t.posts DESC, t.term
LIMIT top_terms."limit"
$$;
COMMENT ON FUNCTION top_terms IS
'The commonest words of people''s posts about a coin, each voice once, commonest first: posts that hold the word, and its share of all counted '
'words. Times count in steps of five minutes. Stop words, links, @names and numbers were never counted; own_names: true keeps the '
'coin''s own names. source: one network, of whose words those counted before networks were kept apart are missing; NULL: all.';

CREATE FUNCTION trending_terms(
    symbol text, from_time timestamptz, to_time timestamptz, before interval DEFAULT '24 hours', "limit" integer DEFAULT 30,
    min_posts integer DEFAULT 5, own_names boolean DEFAULT false, source text DEFAULT NULL
) RETURNS TABLE (term text, posts bigint, expected float8, ratio float8, score float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
WITH recent AS (
    SELECT t.*, sum(t.posts) OVER () AS total
    FROM rcas.terms(trending_terms.symbol, trending_terms.from_time, trending_terms.to_time, trending_terms.source) AS t
), past AS (
    SELECT t.*, sum(t.posts) OVER () AS total
    FROM rcas.terms(trending_terms.symbol, trending_terms.from_time - rcas.check_duration('before', trending_terms.before),
                    trending_terms.from_time, trending_terms.source) AS t
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
'every word where the time before holds none. source as in top_terms().';

DROP FUNCTION influence;

CREATE FUNCTION influence(symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 20,
                          repeats boolean DEFAULT false, who text DEFAULT 'people', network text DEFAULT NULL, model text DEFAULT NULL)
RETURNS TABLE (
    "time" timestamptz, source text, id text, author text, text text, score real, weight real, reach float8, influence float8, kind text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 AS $$
#variable_conflict use_column
DECLARE
    kinds text[] := rcas.kinds_of(who);
    wants text := rcas.source_of(network);
    judge text := rcas.model_of(influence.model);
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_times(from_time, to_time);
    RETURN QUERY
    WITH loudest AS (
        SELECT t.*, t.score * t.reach AS signed
        FROM sentiments AS t
        WHERE t.symbol = influence.symbol AND t.time >= from_time AND t.time < to_time AND t.model = judge
          AND (wants IS NULL OR t.source = wants)
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
'undamped and signed, an author counting as one follower at least, since Bluesky and Reddit do not tell them; reach = the same without the '
'score; weight = the damped weight that weighted_mood uses; kind: who speaks, NULL where no model has told. network: one of them, NULL: all. who, repeats '
'and model as in mood().';

COMMENT ON COLUMN sentiments.reach IS 'max(followers, 1) × (likes+1) × (retweets+1): undamped, for influence.';

CREATE OR REPLACE FUNCTION rcas.feeds(since timestamptz) RETURNS TABLE (feed text, kind text, live boolean, last_stored timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 AS $$
BEGIN
    RETURN QUERY EXECUTE $query$
        WITH venues AS (
            SELECT DISTINCT d.venue AS source FROM prices_1d AS d
        )
        SELECT p.source, CASE WHEN v.source IS NULL THEN 'posts' ELSE 'trades' END, s.source IS NOT NULL,
               max(p.bucket) FILTER (WHERE p.component = 'writer' AND p.event = 'stored')
        FROM pipeline_1m AS p LEFT JOIN venues AS v ON v.source = p.source
             LEFT JOIN feed_states AS s ON s.source = p.source AND s.saved_at >= $1
        WHERE p.bucket >= $1 AND p.component IN ('ingest', 'writer')
        GROUP BY 1, 2, 3$query$
    USING since;
END $$;
COMMENT ON FUNCTION rcas.feeds IS
'Feeds that were counted since a time, whether they bring posts or trades, whether a live source has told of itself since then (feed_states; an archive or a push does not), and the minute in which rows of them were last stored.';
COMMENT ON FUNCTION feed_health IS
'One row per feed that was counted in the last known time (machine time). live: a source reads it as it comes, unlike an archive that was replayed or posts that were pushed, which cannot fall silent; last_stored: when rows of it were last committed, to the minute when long ago; silent_seconds since then, NULL when never; per_second: rows stored over the recent time. Seconds over the rows whose event time is recent, NULL without any: source_lag: median from event to receipt; store_lag, store_lag_p95: from receipt to commit. dropped_share of what was read recently.';
