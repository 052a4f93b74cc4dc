-- Rules of one's own: what divergence rules know (events, back-tests, alerts told once) holds for moods that move, posts against usual, adverts
-- and new words, too. Alerts end, say why, and go to any number of channels. Back-tests take costs off.
ALTER TYPE rcas.rule ADD ATTRIBUTE kind text;
COMMENT ON TYPE rcas.rule IS 'The settings of a rule, as the arguments of divergence() and record_alerts() name them.';

DROP FUNCTION record_alerts, backtest, rcas.outcomes, rcas.check_backtest, rcas.z_scores, rcas.rule;

CREATE FUNCTION rcas.rule(
    width interval, baseline integer, threshold float8, min_posts bigint, persistence integer, repeats boolean, venue text,
    source text, model text, who text, as_of timestamptz DEFAULT NULL, delay interval DEFAULT NULL, kind text DEFAULT 'divergence'
) RETURNS rcas.rule
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    PERFORM rcas.check_width(width), rcas.kinds_of(who), rcas.check_known(as_of, delay);
    IF kind IS NULL OR kind NOT IN ('divergence', 'mood', 'volume', 'adverts', 'word') THEN
        RAISE EXCEPTION 'there are no rules of the kind %', coalesce(format('"%s"', kind), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write divergence, mood, volume, adverts or word.';
    END IF;
    threshold := coalesce(threshold, CASE kind WHEN 'divergence' THEN 1 WHEN 'adverts' THEN 0.5 WHEN 'word' THEN 6 ELSE 3 END);
    persistence := coalesce(persistence, CASE kind WHEN 'divergence' THEN 2 ELSE 1 END);
    IF baseline IS NULL OR baseline NOT BETWEEN 10 AND 10000 THEN
        RAISE EXCEPTION 'baseline must be 10 to 10000 buckets, not %', coalesce(baseline::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of buckets before each bucket that say what is usual; 96 is the default.';
    ELSIF kind = 'adverts' AND NOT (threshold > 0 AND threshold <= 1) THEN
        RAISE EXCEPTION 'threshold must be a share above 0 and at most 1, not %', threshold
            USING ERRCODE = 'invalid_parameter_value', HINT = '0.5 is the default of rules about adverts.';
    ELSIF NOT threshold > 0 OR threshold > 100 THEN
        RAISE EXCEPTION 'threshold must be above 0 standard deviations (of posts: times the usual) and at most 100, not %', threshold
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Common values are 1, the default of divergences, to 3; suggest_thresholds() counts how often each would fire.';
    ELSIF min_posts IS NULL OR min_posts < 0 THEN
        RAISE EXCEPTION 'min_posts must be 0 or more, not %', coalesce(min_posts::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of posts that a bucket needs to be believed; 20 is the default.';
    ELSIF persistence NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'persistence must be 1 to 1000 buckets, not %', persistence
            USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It is the number of buckets in a row that must disagree before the rule fires; 2 is the default of divergences.';
    END IF;
    IF kind = 'adverts' THEN -- they are a share of all that is written
        who := 'all';
        repeats := true;
    END IF;
    RETURN ROW(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who, as_of, delay, kind);
END $$;
COMMENT ON FUNCTION rcas.rule IS 'A rule, with the defaults of its kind where threshold or persistence is NULL, or an error that says which of its settings makes no sense.';

CREATE FUNCTION rcas.z_scores(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8,
    adverts float8, bots float8, news float8, repeated float8, times_usual float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
DECLARE
    start timestamptz := rcas.shift(lo, r.width, -r.baseline - 1);
BEGIN
    RETURN QUERY
    WITH series AS (
        SELECT v.*, v.weighted_mood::numeric AS m, v.log_return::numeric AS g, CASE WHEN t.posts > 0 THEN v.posts END AS heard
        FROM rcas.series(symbols, start, hi, r.width, r.venue, r.source, r.model, r.repeats, r.who, r.as_of, r.delay) AS v
        LEFT JOIN (SELECT p.* FROM rcas.post_totals(start, hi, r.width, r.model, r.source, r.repeats, r.who, r.as_of, r.delay) AS p
                   WHERE r.kind = 'volume') AS t ON t.bucket = v.bucket
    ), usual AS (
        SELECT s.*, avg(s.m) OVER past AS m_mean, stddev_samp(s.m) OVER past AS m_sd, count(s.m) OVER past AS m_n,
                    avg(s.g) OVER past AS g_mean, stddev_samp(s.g) OVER past AS g_sd, count(s.g) OVER past AS g_n,
                    avg(s.heard) OVER past AS p_mean, count(s.heard) OVER past AS p_n
        FROM series AS s
        WINDOW past AS (PARTITION BY s.symbol ORDER BY s.bucket ROWS BETWEEN r.baseline PRECEDING AND 1 PRECEDING)
    )
    SELECT u.symbol, u.bucket, u.close, u.log_return, u.weighted_mood, u.posts,
           CASE WHEN 2 * u.m_n >= r.baseline THEN ((u.m - u.m_mean) / nullif(u.m_sd, 0))::float8 END,
           CASE WHEN 2 * u.g_n >= r.baseline THEN ((u.g - u.g_mean) / nullif(u.g_sd, 0))::float8 END,
           u.adverts, u.bots, u.news, u.repeated,
           CASE WHEN 2 * u.p_n >= r.baseline THEN (u.posts / greatest(u.p_mean, 1.0 / r.baseline))::float8 END
    FROM usual AS u
    WHERE u.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.z_scores IS
'Weighted mood and return as standard scores against the baseline buckets before each bucket (not itself); NULL unless half of '
'them have a value and they vary. Sums in numeric, so that the sliding windows add and subtract exactly. times_usual: posts in units of their mean '
'in those of the buckets before in which anybody spoke of any coin (at least one post in all of them), NULL unless half did; for rules about volume only.';

CREATE OR REPLACE FUNCTION rcas.divergences(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, bucket timestamptz, close float8, log_return float8, mood float8, posts bigint, mood_z float8, return_z float8,
    divergence float8, strength float8, side integer, adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH scored AS (
        SELECT z.*, CASE WHEN r.kind IN ('divergence', 'mood') THEN sign(z.mood_z)::integer ELSE 1 END AS way,
               CASE WHEN z.posts < r.min_posts THEN 0
                    WHEN r.kind = 'mood' THEN coalesce(abs(z.mood_z), 0)
                    WHEN r.kind = 'volume' THEN coalesce(z.times_usual, 0)
                    WHEN r.kind = 'adverts' THEN coalesce(z.adverts, 0)
                    WHEN r.kind = 'divergence' AND sign(z.mood_z) = -sign(z.return_z) THEN least(abs(z.mood_z), abs(z.return_z))
                    ELSE 0 END AS apart
        FROM rcas.z_scores(symbols, rcas.shift(lo, r.width, 1 - r.persistence), hi, r) AS z
    ), lasting AS (
        SELECT s.*, CASE WHEN count(s.way) OVER run = r.persistence AND min(s.way) OVER run = max(s.way) OVER run
                         THEN min(s.apart) OVER run ELSE 0 END AS strength
        FROM scored AS s
        WINDOW run AS (PARTITION BY s.symbol ORDER BY s.bucket ROWS BETWEEN r.persistence - 1 PRECEDING AND CURRENT ROW)
    )
    SELECT l.symbol, l.bucket, l.close, l.log_return, l.mood, l.posts, l.mood_z, l.return_z,
           CASE r.kind WHEN 'mood' THEN l.mood_z WHEN 'volume' THEN l.times_usual WHEN 'adverts' THEN l.adverts
                       ELSE l.mood_z - l.return_z END,
           l.strength, CASE WHEN l.strength >= r.threshold THEN l.way ELSE 0 END,
           l.adverts, l.bots, l.news, l.repeated
    FROM lasting AS l
    WHERE l.bucket >= lo;
END $$;
COMMENT ON FUNCTION rcas.divergences IS
'divergence() of several symbols on a grid without holes, or another kind of rule in its place. divergence: how far, in the measure of the kind '
'(standard deviations, times the usual, a share); strength: the largest threshold at which the rule would fire; side: 1 where it fires and mood '
'is up, or the rule is not about mood; -1 where it fires and mood is down; else 0.';

CREATE FUNCTION rcas.rising_words(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (symbol text, word text, bucket timestamptz, score float8, posts bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20 AS $$
SELECT s.symbol, t.term, s.bucket, t.score, t.posts
FROM rcas.mood_windows(symbols, lo, hi, r.width, r.model, r.source, r.repeats, 'people') AS s,
     trending_terms(s.symbol, s.bucket, rcas.shift(s.bucket, r.width, 1), s.bucket - rcas.shift(s.bucket, r.width, -r.baseline), 100,
                    least(r.min_posts, 1000000)::integer, false, r.source) AS t
WHERE s.posts >= r.min_posts AND t.score >= r.threshold AND t.expected < 1
$$;
COMMENT ON FUNCTION rcas.rising_words IS
'Words per bucket that at least min_posts posts hold, of which by the baseline buckets before less than one was expected, and that rise by threshold '
'standard deviations (the score of trending_terms()).';

CREATE FUNCTION rcas.check_backtest(confidence float8, resamples integer, cost float8) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF confidence IS NULL OR NOT (confidence > 0 AND confidence < 1) THEN
        RAISE EXCEPTION 'confidence must lie between 0 and 1, not %', coalesce(confidence::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '0.95 is the default.';
    ELSIF resamples IS NULL OR resamples NOT BETWEEN 100 AND 10000 THEN
        RAISE EXCEPTION 'resamples must be 100 to 10000, not %', coalesce(resamples::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '1000 is the default.';
    ELSIF cost IS NULL OR NOT (cost >= 0 AND cost < 1) THEN
        RAISE EXCEPTION 'cost must be a share of the price from 0 to below 1, not %', coalesce(cost::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '0.001 is a tenth of a percent for going in and out together; 0 is the default.';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION rcas.check_backtest IS 'True, or an error that says which setting of the back-test makes no sense.';

CREATE FUNCTION rcas.outcomes(symbol text, from_time timestamptz, to_time timestamptz, r rcas.rule, cost float8)
RETURNS TABLE (
    direction text, hours integer, side integer, fired_at timestamptz, duration interval, gain float8, usual float8,
    usual_hit_rate float8, p10 float8, median float8, p90 float8
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
WITH span AS MATERIALIZED (
    SELECT s.lo, s.hi FROM rcas.rule_span(ARRAY[outcomes.symbol], outcomes.from_time, outcomes.to_time, r) AS s
), usual AS MATERIALIZED (
    SELECT u.* FROM span AS s, rcas.usual_returns(outcomes.symbol, s.lo, s.hi, r.width, r.venue) AS u
), closes AS MATERIALIZED (
    SELECT c.* FROM span AS s, rcas.closes(outcomes.symbol, s.lo, s.hi, r.width, r.venue) AS c
), after AS (
    SELECT e.side, h.hours, e.fired_at, e.end_time - e.start_time AS duration, e.side * ln(l.close / c.close) + ln(1 - outcomes.cost) AS gain
    FROM span AS s
    CROSS JOIN rcas.events(ARRAY[outcomes.symbol], s.lo, s.hi, r) AS e
    CROSS JOIN (VALUES (1), (4), (24)) AS h (hours)
    LEFT JOIN closes AS c ON c.at = e.fired_at
    LEFT JOIN closes AS l ON l.at = e.fired_at + make_interval(hours => h.hours)
)
SELECT d.direction, a.hours, a.side, a.fired_at, a.duration, a.gain, u.mean, u.hit_rate, q.p10, q.median, q.p90
FROM after AS a
CROSS JOIN LATERAL (VALUES (CASE a.side WHEN 1 THEN 'bullish' ELSE 'bearish' END), ('both')) AS d (direction)
LEFT JOIN usual AS u ON u.side = a.side AND u.hours = a.hours
LEFT JOIN usual AS q ON q.side = a.side AND q.hours = a.hours AND d.direction <> 'both'
$$;
COMMENT ON FUNCTION rcas.outcomes IS
'Each firing of a rule at each horizon, under its own direction and under both: gain = return in the mood''s direction less the cost of going in '
'and out, and what is usual for it, of which nothing is taken off.';

CREATE FUNCTION backtest(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, baseline integer DEFAULT 96,
    threshold float8 DEFAULT NULL, min_posts bigint DEFAULT 20, persistence integer DEFAULT NULL, repeats boolean DEFAULT false,
    venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, confidence float8 DEFAULT 0.95,
    resamples integer DEFAULT 1000, seed bigint DEFAULT 1,
    who text DEFAULT 'people', cost float8 DEFAULT 0, kind text DEFAULT 'divergence'
) RETURNS TABLE (
    direction text, horizon interval, firings bigint, firings_per_week float8, mean_duration interval, measured bigint,
    independent bigint, hit_rate float8, usual_hit_rate float8, mean_gain float8, usual_gain float8, p10 float8, median float8,
    p90 float8, usual_p10 float8, usual_median float8, usual_p90 float8, edge float8, edge_low float8, edge_high float8,
    note text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 9 AS $$
#variable_conflict use_column
DECLARE
    r     rcas.rule := rcas.rule(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who, kind => kind);
    span  record := rcas.rule_span(ARRAY[symbol], from_time, to_time, r);
BEGIN
    PERFORM rcas.check_backtest(confidence, resamples, cost);
    IF kind = 'word' THEN
        RAISE EXCEPTION 'rules about words are not back-tested: each word comes once'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write divergence, mood, volume or adverts.';
    END IF;
    RETURN QUERY
    WITH weeks AS (
        SELECT nullif(count(*) FILTER (WHERE CASE kind WHEN 'divergence' THEN z.mood_z + z.return_z WHEN 'mood' THEN z.mood_z
                                                       WHEN 'volume' THEN z.times_usual ELSE z.adverts END IS NOT NULL), 0)
               * rcas.seconds(width) / 604800::float8 AS n
        FROM rcas.z_scores(ARRAY[symbol], span.lo, span.hi, r) AS z
    ), outcomes AS MATERIALIZED (
        SELECT o.*, lag(o.fired_at) OVER (PARTITION BY o.direction, o.hours, o.gain IS NULL ORDER BY o.fired_at) AS before
        FROM rcas.outcomes(backtest.symbol, from_time, to_time, r, cost) AS o
    ), grouped AS (
        -- Firings closer together than the horizon share part of their returns: they are one group, and count as one for chance.
        SELECT o.*, count(*) FILTER (WHERE o.before IS NULL OR o.fired_at - o.before >= make_interval(hours => o.hours))
                        OVER (PARTITION BY o.direction, o.hours, o.gain IS NULL ORDER BY o.fired_at) AS n
        FROM outcomes AS o
    ), groups AS (
        SELECT g.direction, g.hours, g.n, sum(g.gain - g.usual) AS excess, count(g.gain) AS size
        FROM grouped AS g WHERE g.gain IS NOT NULL GROUP BY 1, 2, 3
    ), judged AS (
        SELECT g.direction, g.hours, count(*) AS independent, array_agg(g.excess ORDER BY g.n) AS sums, array_agg(g.size::float8 ORDER BY g.n) AS sizes
        FROM groups AS g GROUP BY 1, 2
    ), chance AS MATERIALIZED (
        SELECT j.direction, j.hours, j.independent, b.low, b.high
        FROM judged AS j LEFT JOIN LATERAL rcas.bootstrap(j.sums, j.sizes, resamples, confidence, seed) AS b ON j.independent >= rcas.least_firings()
    ), summed AS (
        SELECT o.direction, o.hours, count(*) AS firings, avg(o.duration) AS duration, count(o.gain) AS measured,
               avg((o.gain > 0)::integer)::float8 AS hit_rate, avg(o.usual_hit_rate) FILTER (WHERE o.gain IS NOT NULL) AS usual_hit_rate,
               avg(o.gain) AS gain, avg(o.usual) FILTER (WHERE o.gain IS NOT NULL) AS usual,
               percentile_cont(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY o.gain) AS p,
               avg(o.p10) AS p10, avg(o.median) AS median, avg(o.p90) AS p90
        FROM outcomes AS o GROUP BY 1, 2
    )
    SELECT d.direction, make_interval(hours => h.hours), coalesce(s.firings, 0), coalesce(s.firings, 0) / w.n, s.duration,
           coalesce(s.measured, 0), coalesce(c.independent, 0), s.hit_rate, s.usual_hit_rate, s.gain, s.usual,
           s.p[1], s.p[2], s.p[3], s.p10, s.median, s.p90, s.gain - s.usual, c.low, c.high,
           rcas.backtest_note(w.n, coalesce(s.firings, 0), coalesce(c.independent, 0), c.low, c.high)
    FROM (VALUES (1, 'both'), (2, 'bullish'), (3, 'bearish')) AS d (place, direction)
    CROSS JOIN (VALUES (1), (4), (24)) AS h (hours)
    CROSS JOIN weeks AS w
    LEFT JOIN summed AS s ON s.direction = d.direction AND s.hours = h.hours
    LEFT JOIN chance AS c ON c.direction = d.direction AND c.hours = h.hours
    ORDER BY d.place, h.hours;
END $$;
COMMENT ON FUNCTION backtest IS
'What came 1, 4 and 24 hours after each firing of a divergence rule (or one of another kind: mood, volume, adverts), against what came after any '
'bucket. A gain is a return in '
'the direction of the mood: the return after a bullish firing, its negative after a bearish one, less cost; rules about volume and adverts fire as bullish '
'ones. cost: what going in and out together takes, as a share of the price (0.001 is a tenth of a percent); nothing is taken off what is usual. '
'firings_per_week counts only '
'buckets that had a baseline; mean_duration from first disagreement to end; measured: firings with prices at both ends; '
'independent: the same, those closer together than the horizon counted once; hit_rate: share with a gain; p10, median, p90: of '
'the gains; usual_…: the same after any bucket (quantiles not for both); edge = mean_gain - usual_gain; edge_low and edge_high: '
'bootstrap interval at the given confidence, drawing whole groups of firings, the same for the same seed, NULL below '
'30 independent firings; note: what the row '
'allows one to say. threshold and persistence: those of record_alerts() where NULL.';

ALTER TABLE alerts
    ADD COLUMN kind text NOT NULL DEFAULT 'divergence' CHECK (kind IN ('divergence', 'mood', 'volume', 'adverts', 'word')),
    ADD COLUMN word text NOT NULL DEFAULT '',
    ADD COLUMN value double precision,
    ADD COLUMN threshold double precision,
    ADD COLUMN end_time timestamptz,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN why jsonb,
    ADD COLUMN end_published_at timestamptz,
    ALTER COLUMN divergence DROP NOT NULL, ALTER COLUMN mood_z DROP NOT NULL, ALTER COLUMN return_z DROP NOT NULL,
    DROP CONSTRAINT alerts_direction_check,
    ADD CONSTRAINT alerts_direction_check CHECK (direction IN ('bullish', 'bearish', 'up', 'down')),
    DROP CONSTRAINT alerts_symbol_rule_fired_at_key,
    ADD CONSTRAINT alerts_symbol_rule_fired_at_word_key UNIQUE (symbol, rule, fired_at, word);
-- Those recorded before ends were known are over, and nobody is told of that.
UPDATE alerts SET value = divergence, end_time = fired_at, ended_at = fired_at, end_published_at = now(), why = '{}';
ALTER TABLE alerts ALTER COLUMN value SET NOT NULL, ALTER COLUMN end_time SET NOT NULL;
COMMENT ON TABLE alerts IS 'Events that people were, or are to be, told of: each once when it begins, and once when it is over.';
COMMENT ON COLUMN alerts.kind IS 'What the rule is about: divergence, mood (it moved), volume (of posts against usual), adverts (their share), word (a new one).';
COMMENT ON COLUMN alerts.word IS 'The new word; empty where the rule is not about words.';
COMMENT ON COLUMN alerts.value IS 'How far in the bucket in which it fired: standard deviations (divergence, mood, word), times the usual posts (volume), a share (adverts).';
COMMENT ON COLUMN alerts.threshold IS 'What the rule asked for; NULL in alerts of before.';
COMMENT ON COLUMN alerts.direction IS 'bullish: mood up, price down; bearish: mood down, price up; of other rules up or down.';
COMMENT ON COLUMN alerts.divergence IS 'mood_z - return_z of that bucket, in standard deviations; NULL unless the rule is about divergences.';
COMMENT ON COLUMN alerts.end_time IS 'End of the last bucket in which it fired, as far as is known.';
COMMENT ON COLUMN alerts.ended_at IS 'When it was known to be over: the rule did not fire for persistence buckets; NULL: it goes on.';
COMMENT ON COLUMN alerts.why IS 'What a person needs to judge it, as it was when it fired: what came after earlier firings, rising words, telling posts; NULL: not asked yet.';
COMMENT ON COLUMN alerts.published_at IS 'When its beginning went out on NATS as alerts.<symbol>; NULL: not yet.';
COMMENT ON COLUMN alerts.end_published_at IS 'When its end did; NULL: not yet.';

CREATE TABLE alert_deliveries (
    alert        bigint      NOT NULL REFERENCES alerts ON DELETE CASCADE,
    channel      text        NOT NULL,
    ended        boolean     NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    next_attempt timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    last_error   text,
    PRIMARY KEY (alert, channel, ended)
);
COMMENT ON TABLE alert_deliveries IS 'What each channel was told of each alert, or will be.';
COMMENT ON COLUMN alert_deliveries.alert IS 'The alert.';
COMMENT ON COLUMN alert_deliveries.channel IS 'The channel, as the configuration names it.';
COMMENT ON COLUMN alert_deliveries.ended IS 'Whether it is about the alert''s end; else its beginning.';
COMMENT ON COLUMN alert_deliveries.attempts IS 'Times that it was tried.';
COMMENT ON COLUMN alert_deliveries.next_attempt IS 'When to try next; infinity: given up, last_error says why.';
COMMENT ON COLUMN alert_deliveries.delivered_at IS 'When the channel took it; NULL: not yet.';
COMMENT ON COLUMN alert_deliveries.last_error IS 'Why it did not last, without addresses.';
INSERT INTO alert_deliveries (alert, channel, ended, attempts, next_attempt, delivered_at, last_error)
SELECT id, 'webhook', false, attempts, next_attempt, delivered_at, last_error FROM alerts WHERE attempts > 0;
DROP INDEX alerts_unsent;
ALTER TABLE alerts DROP COLUMN delivered_at, DROP COLUMN next_attempt, DROP COLUMN attempts, DROP COLUMN last_error;
CREATE INDEX alerts_unpublished ON alerts (id) WHERE published_at IS NULL OR end_published_at IS NULL;
GRANT SELECT ON alert_deliveries TO rcas_writer, rcas_reader;
GRANT INSERT, UPDATE, DELETE ON alert_deliveries TO rcas_writer;

CREATE FUNCTION rcas.found(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (
    symbol text, word text, direction text, start_time timestamptz, fired_at timestamptz, end_time timestamptz, price float8, value float8,
    divergence float8, mood_z float8, return_z float8, posts bigint, adverts float8, bots float8, news float8, repeated float8
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 AS $$
#variable_conflict use_column
BEGIN
    IF r.kind = 'word' THEN
        RETURN QUERY
        WITH rising AS (
            SELECT w.*, lag(w.bucket) OVER (PARTITION BY w.symbol, w.word ORDER BY w.bucket)
                        IS DISTINCT FROM rcas.shift(w.bucket, r.width, -1) AS turn
            FROM rcas.rising_words(symbols, rcas.shift(lo, r.width, -r.persistence), hi, r) AS w
        ), runs AS (
            SELECT g.*, count(*) FILTER (WHERE g.turn) OVER (PARTITION BY g.symbol, g.word ORDER BY g.bucket) AS run FROM rising AS g
        ), fired AS (
            SELECT u.symbol, u.word, min(u.bucket) AS starts, rcas.shift(min(u.bucket), r.width, r.persistence) AS fires,
                   rcas.shift(max(u.bucket), r.width, 1) AS ends, first(u.score, u.bucket) AS score, sum(u.posts)::bigint AS posts
            FROM runs AS u GROUP BY u.symbol, u.word, u.run
            HAVING count(*) >= r.persistence AND rcas.shift(min(u.bucket), r.width, r.persistence - 1) >= lo
        )
        SELECT f.symbol, f.word, 'up', f.starts, f.fires, f.ends, z.close, f.score, NULL::float8, z.mood_z, z.return_z, f.posts,
               z.adverts, z.bots, z.news, z.repeated
        FROM fired AS f LEFT JOIN LATERAL rcas.z_scores(ARRAY[f.symbol], rcas.shift(f.fires, r.width, -1), f.fires, r) AS z ON true;
    ELSE
        RETURN QUERY
        SELECT e.symbol, '', CASE WHEN r.kind = 'divergence' THEN CASE e.side WHEN 1 THEN 'bullish' ELSE 'bearish' END
                                  ELSE CASE e.side WHEN 1 THEN 'up' ELSE 'down' END END,
               e.start_time, e.fired_at, e.end_time, e.price, e.divergence, CASE WHEN r.kind = 'divergence' THEN e.divergence END,
               e.mood_z, e.return_z, e.posts, e.adverts, e.bots, e.news, e.repeated
        FROM rcas.events(symbols, lo, hi, r) AS e;
    END IF;
END $$;
COMMENT ON FUNCTION rcas.found IS 'Events of a rule of any kind that begin in a time, as the table alerts has them.';

CREATE FUNCTION rcas.last_fired(symbols text[], lo timestamptz, hi timestamptz, r rcas.rule)
RETURNS TABLE (symbol text, word text, direction text, end_time timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 AS $$
#variable_conflict use_column
BEGIN
    IF r.kind = 'word' THEN
        RETURN QUERY SELECT w.symbol, w.word, 'up', rcas.shift(max(w.bucket), r.width, 1) FROM rcas.rising_words(symbols, lo, hi, r) AS w GROUP BY 1, 2;
    ELSE
        RETURN QUERY
        SELECT d.symbol, '', CASE WHEN r.kind = 'divergence' THEN CASE d.side WHEN 1 THEN 'bullish' ELSE 'bearish' END
                                  ELSE CASE d.side WHEN 1 THEN 'up' ELSE 'down' END END, rcas.shift(max(d.bucket), r.width, 1)
        FROM rcas.divergences(symbols, lo, hi, r) AS d WHERE d.side <> 0 GROUP BY d.symbol, d.side;
    END IF;
END $$;
COMMENT ON FUNCTION rcas.last_fired IS 'Ends of the last buckets of a time in which a rule fires, also in events that began earlier.';

CREATE FUNCTION record_alerts(
    name text DEFAULT 'divergence', at timestamptz DEFAULT now(), width interval DEFAULT '15 minutes',
    baseline integer DEFAULT 96, threshold float8 DEFAULT NULL, min_posts bigint DEFAULT 20, persistence integer DEFAULT NULL,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL,
    cooldown interval DEFAULT '6 hours', lookback interval DEFAULT '1 hour', who text DEFAULT 'people',
    kind text DEFAULT 'divergence', symbols text[] DEFAULT NULL
) RETURNS SETOF alerts
LANGUAGE plpgsql VOLATILE ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    r     rcas.rule := rcas.rule(width, baseline, threshold, min_posts, persistence, repeats, venue, source, model, who, kind => kind);
    going text[]; -- coins of which an alert goes on
    coins text[] := coalesce(symbols, (SELECT array_agg(a.symbol) FROM assets AS a), '{}');
    lo    timestamptz;
    hi    timestamptz;
    e     record;
    added alerts;
BEGIN
    IF cooldown IS NULL OR cooldown < INTERVAL '0' THEN
        RAISE EXCEPTION 'cooldown must not be negative, but is %', coalesce(cooldown::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = '6 hours is the default.';
    END IF;
    PERFORM rcas.rule_span(coins, rcas.check_at(at) - rcas.check_duration('lookback', lookback), at, r);
    PERFORM pg_advisory_xact_lock(hashtextextended('rcas alerts', 0));
    lo := time_bucket(width, at - lookback);
    hi := time_bucket(width, at);
    going := (SELECT array_agg(DISTINCT o.symbol) FROM alerts AS o WHERE o.rule = name AND o.ended_at IS NULL AND o.symbol = ANY (coins));
    IF going IS NOT NULL THEN
        UPDATE alerts AS a SET end_time = f.end_time
        FROM rcas.last_fired(going, least(lo, rcas.shift(hi, width, -r.persistence)), hi, r) AS f
        WHERE a.rule = name AND a.ended_at IS NULL AND a.symbol = f.symbol AND a.word = f.word AND a.direction = f.direction
          AND f.end_time > a.end_time;
    END IF;
    UPDATE alerts AS a SET ended_at = hi
    WHERE a.rule = name AND a.ended_at IS NULL AND a.symbol = ANY (coins) AND a.end_time <= rcas.shift(hi, width, -r.persistence);
    FOR e IN
        SELECT v.* FROM rcas.found(coins, lo, hi, r) AS v ORDER BY v.fired_at, v.symbol, v.word
    LOOP
        INSERT INTO alerts AS n (symbol, rule, direction, start_time, fired_at, price, divergence, mood_z, return_z, posts,
                                 adverts, bots, news, repeated, kind, word, value, threshold, end_time, ended_at)
        SELECT e.symbol, name, e.direction, e.start_time, e.fired_at, e.price, e.divergence, e.mood_z, e.return_z, e.posts,
               e.adverts, e.bots, e.news, e.repeated, kind, e.word, e.value, r.threshold, e.end_time,
               CASE WHEN e.end_time <= rcas.shift(hi, width, -r.persistence) THEN hi END
        WHERE NOT EXISTS (SELECT FROM alerts AS o WHERE o.symbol = e.symbol AND o.rule = name AND o.word = e.word
                          AND o.fired_at > e.fired_at - cooldown AND o.fired_at < e.fired_at + cooldown)
        ON CONFLICT DO NOTHING
        RETURNING n.* INTO added;
        IF FOUND THEN
            RETURN NEXT added;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION record_alerts IS
'Stores, and returns, events of a rule that fired in the lookback before at and are not among alerts yet, none within the cooldown '
'of another of the same rule and coin (and word); notes which of those stored are over. kind: divergence, mood (of which threshold standard deviations '
'are asked), volume (threshold times the usual posts), adverts (a share of all that is written), word (one hardly seen before). threshold '
'and persistence: 1 and 2 of divergences; 3 of moods and volume, 0.5 of adverts, 6 of words, and 1 of each, where NULL. symbols: '
'coins, NULL: all.';
REVOKE EXECUTE ON FUNCTION record_alerts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_alerts TO rcas_writer;
