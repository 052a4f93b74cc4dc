-- What a referee asks of a signal: does mood foretell returns beyond what past returns, volume and the market do (granger)? Is the best of many
-- thresholds better than the best of many would be by chance (reality_check)? Does what was chosen on the past hold in what came after it
-- (walk_forward)? What did price do about events of one's own, beyond the market (event_study)?

CREATE FUNCTION rcas.t_p(t float8, df bigint) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    theta float8 := atan(abs(t) / sqrt(df));
    term  float8 := CASE WHEN df % 2 = 0 THEN sin(theta) ELSE sin(theta) * cos(theta) END;
    area  float8 := 0;
BEGIN
    FOR i IN 1 .. df / 2 LOOP
        area := area + term;
        term := term * cos(theta) ^ 2 * CASE WHEN df % 2 = 0 THEN (2 * i - 1) / (2 * i)::float8 ELSE 2 * i / (2 * i + 1)::float8 END;
    END LOOP;
    RETURN greatest(1 - CASE WHEN df % 2 = 0 THEN area ELSE 2 / pi() * (theta + area) END, 0);
END $$;
COMMENT ON FUNCTION rcas.t_p IS
'Probability that Student''s t with so many degrees of freedom lies further from zero than t (Abramowitz and Stegun 26.7.3 and 26.7.4), to about 1e-15.';

CREATE FUNCTION rcas.chi2_p(x float8, df integer) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    half float8 := greatest(x, 0) / 2;
    term float8 := exp(-least(half, 700)) * CASE WHEN df % 2 = 0 THEN 1 ELSE 2 * sqrt(half / pi()) END;
    p    float8 := CASE WHEN df % 2 = 0 THEN 0 ELSE rcas.normal_p(sqrt(2 * half)) END;
BEGIN
    FOR i IN 1 .. df / 2 LOOP
        p := p + term;
        term := term * half / CASE WHEN df % 2 = 0 THEN i ELSE i + 0.5::float8 END;
    END LOOP;
    RETURN least(p, 1);
END $$;
COMMENT ON FUNCTION rcas.chi2_p IS
'Probability that chi-squared with so many degrees of freedom exceeds x (Abramowitz and Stegun 26.4.4 and 26.4.5), to about 1e-15.';

CREATE FUNCTION rcas.sweep(matrix float8[], size integer, first integer, last integer) RETURNS float8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    m     float8[] := matrix;
    pivot float8;
    f     float8;
BEGIN
    FOR k IN first .. last LOOP
        pivot := m[(k - 1) * size + k];
        IF pivot <= 1e-11 * matrix[(k - 1) * size + k] OR pivot <= 0 THEN
            RETURN NULL;
        END IF;
        FOR j IN 1 .. size LOOP
            m[(k - 1) * size + j] := m[(k - 1) * size + j] / pivot;
        END LOOP;
        FOR i IN 1 .. size LOOP
            CONTINUE WHEN i = k;
            f := m[(i - 1) * size + k];
            FOR j IN 1 .. size LOOP
                m[(i - 1) * size + j] := m[(i - 1) * size + j] - f * m[(k - 1) * size + j];
            END LOOP;
            m[(i - 1) * size + k] := -f / pivot;
        END LOOP;
        m[(k - 1) * size + k] := 1 / pivot;
    END LOOP;
    RETURN m;
END $$;
COMMENT ON FUNCTION rcas.sweep IS
'A symmetric matrix, row by row, swept on the rows from first to last (Goodnight 1979): of a matrix of cross products it leaves coefficients, and cross '
'products of residuals. NULL where one of them is a combination of the others.';

CREATE FUNCTION rcas.newey_west(n bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(4 * (n / 100::float8) ^ (2 / 9::float8))::integer;
COMMENT ON FUNCTION rcas.newey_west IS 'How many lags of a series of n count in its long-run variance (Newey and West 1994).';

CREATE FUNCTION rcas.causes(
    at bigint[], z float8[], controls integer, lags integer, OUT statistic float8, OUT p_value float8, OUT share float8, OUT effect float8
)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET jit = off AS $$
DECLARE
    n        integer := cardinality(at);
    size     integer := controls + lags + 1;
    reach    integer := rcas.newey_west(n);
    gram     float8[];
    meat     float8[];
    without  float8[];
    together float8[];
BEGIN
    WITH sums AS (
        SELECT a, b, sum(z[(i - 1) * size + a] * z[(i - 1) * size + b]) AS s
        FROM generate_series(1, n) AS i, generate_series(1, size) AS a, generate_series(a, size) AS b GROUP BY 1, 2
    )
    SELECT array_agg(s.s ORDER BY i, j) INTO gram
    FROM generate_series(1, size) AS i CROSS JOIN generate_series(1, size) AS j JOIN sums AS s ON s.a = least(i, j) AND s.b = greatest(i, j);
    without := rcas.sweep(gram, size, 1, controls);
    together := rcas.sweep(without, size, controls + 1, size - 1);
    IF together IS NULL THEN
        RETURN;
    END IF;
    WITH rest AS MATERIALIZED (
        SELECT i, c, z[(i - 1) * size + controls + c]
                     - (SELECT sum(without[(a - 1) * size + controls + c] * z[(i - 1) * size + a]) FROM generate_series(1, controls) AS a) AS v
        FROM generate_series(1, n) AS i, generate_series(1, lags + 1) AS c
    ), scores AS MATERIALIZED (
        SELECT causes.at[x.i] AS at, x.c, x.v * y.v AS s FROM rest AS x JOIN rest AS y ON y.i = x.i AND y.c = lags + 1 WHERE x.c <= lags
    ), covariance AS (
        SELECT x.c AS a, y.c AS b, sum((1 - abs(j) / (reach + 1)::float8) * x.s * y.s) AS s
        FROM generate_series(-reach, reach) AS j CROSS JOIN scores AS x JOIN scores AS y ON y.at = x.at + j GROUP BY 1, 2
    )
    SELECT array_agg(CASE WHEN i <= lags AND j <= lags THEN v.s WHEN i > lags AND j > lags THEN 0
                          ELSE without[(controls + least(i, j)) * size] END ORDER BY i, j) INTO meat
    FROM generate_series(1, lags + 1) AS i CROSS JOIN generate_series(1, lags + 1) AS j LEFT JOIN covariance AS v ON v.a = i AND v.b = j;
    meat := rcas.sweep(meat, lags + 1, 1, lags);
    statistic := -meat[(lags + 1) ^ 2];
    p_value := rcas.chi2_p(statistic, lags);
    share := 1 - together[size * size] / without[size * size];
    effect := (SELECT sum(together[(controls + c) * size]) FROM generate_series(1, lags) AS c);
END $$;
COMMENT ON FUNCTION rcas.causes IS
'Whether the lags columns after the controls explain the last one. z holds the rows of [controls, lags, effect] one after the other, at the bucket of each. The '
'statistic is the score (Lagrange multiplier) form of Wald''s, b'' S⁻¹ b: b the cross products of the effect with what the controls leave of the lags, S the '
'long-run covariance of the same where the lags explain nothing (Bartlett''s weights; buckets that are missing count as zero). share of the variance that '
'the controls leave; effect: sum of the coefficients.';

CREATE FUNCTION rcas.market_returns(symbol text, market text[], lo timestamptz, hi timestamptz, width interval, venue text)
RETURNS TABLE (bucket timestamptz, log_return float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
DECLARE
    coins text[] := coalesce(market, (SELECT array_agg(a.symbol) FROM assets AS a WHERE a.symbol <> market_returns.symbol), '{}');
BEGIN
    PERFORM rcas.check_symbols(coins);
    RETURN QUERY
    WITH prices AS (
        SELECT p.symbol, p.bucket, p.close, lag(p.close) OVER past AS before, lag(p.bucket) OVER past AS bucket_before
        FROM rcas.price_windows(coins, rcas.shift(lo, width, -1), hi, width, venue) AS p
        WINDOW past AS (PARTITION BY p.symbol ORDER BY p.bucket)
    )
    SELECT p.bucket, avg(ln(p.close / p.before)) FROM prices AS p
    WHERE p.bucket >= lo AND p.close > 0 AND p.before > 0 AND p.bucket_before = rcas.shift(p.bucket, width, -1)
    GROUP BY 1;
END $$;
COMMENT ON FUNCTION rcas.market_returns IS 'The market''s return per bucket: the mean of those of its coins that traded in it and in the one before. NULL: all coins but this one.';

CREATE FUNCTION granger(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, lags integer DEFAULT 4, market text[] DEFAULT NULL,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (
    cause text, effect text, n bigint, statistic float8, p_value float8, share float8, coefficient float8, controls text, note text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 2 SET jit = off AS $$
#variable_conflict use_column
DECLARE
    span   record;
    priced boolean;
    series integer;
    rows   record;
    found  record;
BEGIN
    IF lags IS NULL OR lags NOT BETWEEN 1 AND 12 THEN
        RAISE EXCEPTION 'lags must be 1 to 12 buckets, not %', coalesce(lags::text, 'NULL') USING ERRCODE = 'invalid_parameter_value', HINT = '4 is the default.';
    END IF;
    span := rcas.span(ARRAY[symbol], from_time, to_time, width, lags + 1);
    IF extract(epoch FROM span.hi - span.lo) / rcas.seconds(width) * (4 * lags + 2) ^ 2 > 10000000 THEN
        RAISE EXCEPTION '% to % at % with % lags is more than can be computed at once', from_time, to_time, width, lags
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for fewer lags, a shorter time or a wider width.';
    END IF;
    priced := EXISTS (SELECT FROM rcas.market_returns(granger.symbol, granger.market, span.start, span.hi, width, venue));
    series := CASE WHEN priced THEN 4 ELSE 3 END;
    FOR cause, effect IN VALUES ('mood', 'return'), ('return', 'mood') LOOP
        WITH known AS (
            SELECT v.bucket, v.log_return AS r, v.weighted_mood AS m, ln(nullif(v.volume, 0)) AS u, k.log_return AS k
            FROM rcas.series(ARRAY[granger.symbol], span.start, span.hi, width, venue, source, model, repeats, who) AS v
            LEFT JOIN rcas.market_returns(granger.symbol, granger.market, span.start, span.hi, width, venue) AS k ON k.bucket = v.bucket AND priced
        ), lagged AS (
            SELECT row_number() OVER (ORDER BY v.bucket) AS i, v.bucket, CASE effect WHEN 'return' THEN v.r ELSE v.m END AS y,
                   array_agg(v.r) OVER past AS r, array_agg(v.m) OVER past AS m, array_agg(v.u) OVER past AS u, array_agg(v.k) OVER past AS k
            FROM known AS v WINDOW past AS (ORDER BY v.bucket ROWS BETWEEN granger.lags PRECEDING AND 1 PRECEDING)
        ), whole AS (
            SELECT l.i, (1 || CASE effect WHEN 'return' THEN l.r ELSE l.m END || l.u || CASE WHEN priced THEN l.k ELSE '{}' END
                           || CASE effect WHEN 'return' THEN l.m ELSE l.r END || l.y)::float8[] AS z
            FROM lagged AS l WHERE l.bucket >= span.lo AND cardinality(l.r) = granger.lags
        ), usable AS MATERIALIZED (
            SELECT w.* FROM whole AS w WHERE array_position(w.z, NULL) IS NULL
        )
        SELECT (SELECT array_agg(u.i ORDER BY u.i) FROM usable AS u) AS at,
               (SELECT array_agg(e.e ORDER BY u.i, e.k) FROM usable AS u, unnest(u.z) WITH ORDINALITY AS e (e, k)) AS z INTO rows;
        n := coalesce(cardinality(rows.at), 0);
        controls := 'past ' || effect || 's, volume' || CASE WHEN priced THEN ', market' ELSE '' END;
        found := NULL;
        IF n - series * lags >= rcas.least_pairs() THEN
            found := rcas.causes(rows.at, rows.z, (series - 1) * lags + 1, lags);
            statistic := found.statistic; p_value := found.p_value; share := found.share; coefficient := found.effect;
        ELSE
            statistic := NULL; p_value := NULL; share := NULL; coefficient := NULL;
        END IF;
        note := CASE WHEN found IS NULL THEN format('too few to say: %s buckets with all of it, %s wanted', n, rcas.least_pairs() + series * lags)
                     WHEN p_value IS NULL THEN 'cannot be judged: one of the series does not vary, or is told by the others'
                     WHEN p_value < 0.05 THEN format('past %s helps to foretell %s', cause, effect)
                     ELSE format('not shown that past %s helps to foretell %s', cause, effect) END;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION granger IS
'Granger''s causality in both directions: does the weighted mood of the lags buckets before help to foretell the return of a bucket, beyond what past returns, '
'volume (its logarithm) and returns of the market do, and the other way round? n: buckets that have all of it, with all lags. statistic: that of the lags '
'together, with errors that allow for changing variance and memory (Newey and West); chi-squared with lags degrees of freedom where there is nothing; '
'p_value: how often it is that large by chance. share: part of the variance left by the controls that the cause explains; coefficient: sum of its '
'coefficients. market: the coins whose mean return is the market''s; NULL: all others that have prices. controls: what was taken out. To foretell is not '
'to cause: both may follow the news.';

CREATE FUNCTION rcas.check_hold(hold interval, width interval) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF hold IS NULL OR NOT hold BETWEEN width AND width * 500 OR rcas.seconds(hold) % rcas.seconds(width) <> 0 THEN
        RAISE EXCEPTION 'hold must be 1 to 500 whole buckets of %, not %', width, coalesce(hold::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is how long a position is held after a firing; 4 hours is the default.';
    END IF;
    RETURN rcas.seconds(hold) / rcas.seconds(width);
END $$;
COMMENT ON FUNCTION rcas.check_hold IS 'How many buckets a position is held, or an error that says what makes no sense.';

CREATE FUNCTION rcas.positions(symbol text, lo timestamptz, hi timestamptz, r rcas.rule, hold integer)
RETURNS TABLE (tenths integer, fired bigint, i bigint, bucket timestamptz, side integer, ret float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3000 AS $$
WITH judged AS MATERIALIZED (
    SELECT d.bucket, d.log_return, d.strength, sign(d.mood_z)::integer AS side, row_number() OVER w AS i,
           CASE WHEN sign(d.mood_z) = lag(sign(d.mood_z)) OVER w THEN lag(d.strength) OVER w ELSE 0 END AS before
    FROM rcas.divergences(ARRAY[positions.symbol], rcas.shift(positions.lo, r.width, -1), positions.hi, r) AS d
    WINDOW w AS (ORDER BY d.bucket)
), fired AS (
    SELECT g.tenths, j.i, j.side, lead(j.i) OVER (PARTITION BY g.tenths ORDER BY j.i) AS next
    FROM generate_series(5, 40) AS g (tenths)
    JOIN judged AS j ON j.bucket >= positions.lo AND j.before < g.tenths / 10::float8 AND j.strength >= g.tenths / 10::float8
)
SELECT f.tenths, f.i, j.i, j.bucket, f.side, j.log_return
FROM fired AS f JOIN judged AS j ON j.i > f.i AND j.i <= least(f.i + hold, coalesce(f.next, f.i + hold)) AND j.log_return IS NOT NULL
UNION ALL
SELECT 0, NULL, j.i, j.bucket, 0, j.log_return FROM judged AS j WHERE j.bucket >= positions.lo AND j.log_return IS NOT NULL
$$;
COMMENT ON FUNCTION rcas.positions IS
'What each threshold that suggest_thresholds() tries (in tenths) would have held: from the bucket after a firing for hold buckets or until the next firing, on the '
'side of the mood, with the return of each bucket held. Threshold 0 is every bucket that has a return, on no side.';

CREATE FUNCTION rcas.blocks(i integer[], f float8[], n integer, length integer) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_agg(s.s ORDER BY s.at) FROM (
    SELECT p.at, sum(coalesce(v.f, 0)) OVER (ORDER BY p.at ROWS BETWEEN CURRENT ROW AND blocks.length - 1 FOLLOWING) AS s
    FROM generate_series(1, blocks.n + blocks.length - 1) AS p (at) LEFT JOIN unnest(blocks.i, blocks.f) AS v (i, f) ON v.i = 1 + (p.at - 1) % blocks.n
) AS s WHERE s.at <= blocks.n
$$;
COMMENT ON FUNCTION rcas.blocks IS 'Sums of f, which is 0 but at the places i of n, over every block of that length; the last blocks go on at the beginning.';

CREATE FUNCTION reality_check(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, hold interval DEFAULT '4 hours', baseline integer DEFAULT 96,
    min_posts bigint DEFAULT 20, persistence integer DEFAULT 2, repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL,
    model text DEFAULT NULL, resamples integer DEFAULT 500, seed bigint DEFAULT 1, who text DEFAULT 'people'
) RETURNS TABLE (
    threshold float8, firings bigint, gain float8, edge float8, t float8, p_single float8, p_value float8, note text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 36 SET jit = off AS $$
#variable_conflict use_column
DECLARE
    r      rcas.rule := rcas.rule(width, baseline, 1, min_posts, persistence, repeats, venue, source, model, who);
    span   record := rcas.rule_span(ARRAY[symbol], from_time, to_time, r);
    steps  integer := rcas.check_hold(hold, width);
    n      integer;
    length integer;
BEGIN
    PERFORM rcas.check_backtest(0.95, resamples, 0);
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT p.* FROM rcas.positions(symbol, span.lo, span.hi, r, steps) AS p
    ), times AS MATERIALIZED (
        SELECT h.i, row_number() OVER (ORDER BY h.i)::integer AS place, avg(h.ret) OVER () AS usual, count(*) OVER ()::integer AS n,
               greatest(steps, ceil(count(*) OVER () ^ (1 / 3::float8)))::integer AS length
        FROM held AS h WHERE h.tenths = 0
    ), rules AS MATERIALIZED (
        SELECT h.tenths, count(DISTINCT h.fired) AS firings, sum(h.side * h.ret) AS gain, sum(h.side * (h.ret - t.usual)) / max(t.n) AS mean,
               max(t.n) AS n, max(t.length) AS length, rcas.blocks(array_agg(t.place), array_agg(h.side * (h.ret - t.usual)), max(t.n), max(t.length)) AS blocks
        FROM held AS h JOIN times AS t ON t.i = h.i WHERE h.tenths > 0 GROUP BY 1
    ), drawn AS MATERIALIZED (
        SELECT k.b, array_agg(1 + (hashint8extended(k.b::bigint * 1000000 + d.d, seed) & 9007199254740991) % s.n) AS starts
        FROM (SELECT DISTINCT u.n, u.length FROM rules AS u) AS s, generate_series(1, resamples) AS k (b),
             generate_series(1, (s.n + s.length - 1) / s.length) AS d (d)
        GROUP BY 1
    ), means AS MATERIALIZED (
        SELECT u.tenths, d.b, (SELECT sum(u.blocks[s]) FROM unnest(d.starts) AS s) / (cardinality(d.starts) * u.length) - u.mean AS off
        FROM rules AS u CROSS JOIN drawn AS d
    ), spread AS MATERIALIZED (
        SELECT u.*, nullif(w.sd, 0) AS sd, u.mean / nullif(w.sd, 0) AS t,
               -- Hansen: what is plainly worse than nothing can't be the best by chance, and is not raised to nothing.
               CASE WHEN u.mean / nullif(w.sd, 0) < -sqrt(2 * ln(ln(greatest(u.n, 3)))) THEN u.mean ELSE 0 END AS worse
        FROM rules AS u JOIN (SELECT m.tenths, sqrt(avg(m.off ^ 2)) AS sd FROM means AS m GROUP BY 1) AS w ON w.tenths = u.tenths
    ), best AS MATERIALIZED (
        SELECT m.b, greatest(max((m.off + s.worse) / s.sd), 0) AS t FROM means AS m JOIN spread AS s ON s.tenths = m.tenths GROUP BY 1
    )
    SELECT g.tenths / 10::float8, coalesce(s.firings, 0), s.gain, s.mean * s.n / s.firings, s.t,
           (SELECT (1 + count(*) FILTER (WHERE m.off / s.sd >= s.t)) / (1 + resamples)::float8 FROM means AS m WHERE m.tenths = s.tenths AND s.sd IS NOT NULL HAVING count(*) > 0),
           CASE WHEN s.sd IS NOT NULL THEN (SELECT (1 + count(*) FILTER (WHERE b.t >= s.t)) / (1 + resamples)::float8 FROM best AS b) END,
           CASE WHEN s.tenths IS NULL THEN 'never fired' WHEN s.firings < rcas.least_firings() THEN format('too few to say: %s firings, %s wanted', s.firings, rcas.least_firings())
                WHEN (SELECT (1 + count(*) FILTER (WHERE b.t >= s.t)) / (1 + resamples)::float8 FROM best AS b) < 0.05 THEN 'better than the best of all by chance'
                ELSE 'no edge shown that the best of all would not have by chance' END
    FROM generate_series(5, 40) AS g (tenths) LEFT JOIN spread AS s ON s.tenths = g.tenths
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION reality_check IS
'Is the best of the thresholds that suggest_thresholds() tries better than the best of as many would be by chance? Hansen''s test of superior predictive ability '
'(2005), a studentised reality check (White 2000). Each threshold is traded: after a firing a position is held on the side of the mood for hold, or until the next '
'firing. gain: sum of the returns held (logarithms, without costs); edge: per firing, what was gained beyond the mean return of the time on the same side; t: '
'its mean per bucket in standard errors of the bootstrap, which draws blocks of at least hold; p_single: how often this threshold alone comes out that '
'well by chance; p_value: how often the best of all does; that of the best threshold is the test''s. Against mood is not tested.';

CREATE FUNCTION walk_forward(
    symbol text, from_time timestamptz, to_time timestamptz, width interval, train interval DEFAULT '28 days', test interval DEFAULT '7 days',
    hold interval DEFAULT '4 hours', baseline integer DEFAULT 96, min_posts bigint DEFAULT 20, persistence integer DEFAULT 2,
    repeats boolean DEFAULT false, venue text DEFAULT NULL, source text DEFAULT NULL, model text DEFAULT NULL, who text DEFAULT 'people'
) RETURNS TABLE (
    test_from timestamptz, test_to timestamptz, threshold float8, train_firings bigint, train_edge float8, firings bigint, gain float8, edge float8,
    error float8, p_value float8, note text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20 SET jit = off AS $$
#variable_conflict use_column
DECLARE
    r     rcas.rule := rcas.rule(width, baseline, 1, min_posts, persistence, repeats, venue, source, model, who);
    span  record := rcas.rule_span(ARRAY[symbol], from_time, to_time, r);
    steps integer := rcas.check_hold(hold, width);
BEGIN
    PERFORM rcas.check_duration('train', train), rcas.check_duration('test', test);
    IF span.lo + train + test > span.hi OR extract(epoch FROM span.hi - span.lo) / extract(epoch FROM test) > 1000 THEN
        RAISE EXCEPTION '% to % does not hold 1 to 1000 tests of % after % of training', from_time, to_time, test, train
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for a longer time, or for other train and test, such as ''14 days'' and ''3 days''.';
    END IF;
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT p.* FROM rcas.positions(symbol, span.lo, span.hi, r, steps) AS p
    ), folds AS MATERIALIZED (
        SELECT f AS starts, least(f + test, span.hi) AS ends FROM generate_series(span.lo + train, span.hi - INTERVAL '1 second', test) AS f
    ), usual AS MATERIALIZED (
        SELECT f.starts, avg(h.ret) FILTER (WHERE h.bucket < f.starts) AS before, avg(h.ret) FILTER (WHERE h.bucket >= f.starts) AS during
        FROM folds AS f JOIN held AS h ON h.tenths = 0 AND h.bucket >= f.starts - train AND h.bucket < f.ends GROUP BY 1
    ), trained AS (
        SELECT f.starts, h.tenths, count(DISTINCT h.fired) AS firings, sum(h.side * (h.ret - u.before)) AS gain
        FROM folds AS f JOIN usual AS u ON u.starts = f.starts JOIN held AS h ON h.tenths > 0 AND h.bucket >= f.starts - train AND h.bucket < f.starts
        GROUP BY 1, 2
    ), chosen AS MATERIALIZED (
        SELECT DISTINCT ON (t.starts) t.* FROM trained AS t WHERE t.gain > 0 ORDER BY t.starts, t.gain DESC, t.tenths DESC
    ), tested AS MATERIALIZED (
        SELECT f.starts, b.i, coalesce(h.side, 0) AS side, h.fired, coalesce(h.side * b.ret, 0) AS gain, coalesce(h.side * (b.ret - u.during), 0) AS edge
        FROM folds AS f JOIN usual AS u ON u.starts = f.starts JOIN held AS b ON b.tenths = 0 AND b.bucket >= f.starts AND b.bucket < f.ends
        LEFT JOIN chosen AS c ON c.starts = f.starts LEFT JOIN held AS h ON h.tenths = c.tenths AND h.i = b.i
    ), total AS (
        SELECT sum(t.gain) AS gain, sum(t.edge) AS edge, count(DISTINCT (t.starts, t.fired)) FILTER (WHERE t.side <> 0) AS firings, avg(t.edge) AS mean FROM tested AS t
    ), error AS (
        SELECT sqrt(nullif(greatest(sum((1 - abs(k.j) / (steps + 1)::float8) * (x.edge - o.mean) * (y.edge - o.mean)), 0), 0)) AS sum
        FROM total AS o CROSS JOIN generate_series(-steps, steps) AS k (j) CROSS JOIN tested AS x JOIN tested AS y ON y.i = x.i + k.j
    )
    SELECT f.starts, f.ends, c.tenths / 10::float8, c.firings, c.gain, coalesce(s.firings, 0), coalesce(s.gain, 0), coalesce(s.edge, 0), NULL::float8, NULL::float8,
           CASE WHEN c.tenths IS NULL THEN 'no threshold gained in training: none was traded' WHEN coalesce(s.firings, 0) = 0 THEN 'never fired in the test' ELSE '' END
    FROM folds AS f LEFT JOIN chosen AS c ON c.starts = f.starts
    LEFT JOIN (SELECT t.starts, count(DISTINCT t.fired) AS firings, sum(t.gain) AS gain, sum(t.edge) AS edge FROM tested AS t GROUP BY 1) AS s ON s.starts = f.starts
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, o.firings, coalesce(o.gain, 0), coalesce(o.edge, 0), e.sum, rcas.normal_p(o.edge / e.sum),
           CASE WHEN o.firings < rcas.least_firings() THEN format('too few to say: %s firings, %s wanted', o.firings, rcas.least_firings())
                WHEN rcas.normal_p(o.edge / e.sum) >= 0.05 THEN 'no edge shown' WHEN o.edge > 0 THEN 'price followed the mood more than usual'
                ELSE 'price went against the mood more than usual' END
    FROM total AS o, error AS e
    ORDER BY 1 NULLS LAST;
END $$;
COMMENT ON FUNCTION walk_forward IS
'A back-test that chooses before it looks: for each stretch of test, the threshold (of those that suggest_thresholds() tries) that gained most in the train before it '
'is traded, held as in reality_check(). train_firings, train_edge: what it was chosen for: the sum of returns on the side of the mood beyond the mean return of '
'that time. firings, gain, edge: what came of it in the test: gain is the sum of the returns held (logarithms, without costs), edge the same less the mean return of '
'the test''s time. The last row, without times, is all tests together: error: standard error of the edge (Newey and West, over hold); p_value: two-sided.';

CREATE FUNCTION event_study(
    symbol text, times timestamptz[], width interval DEFAULT '1 hour', before integer DEFAULT 2, after integer DEFAULT 24, estimation integer DEFAULT 120,
    market text[] DEFAULT NULL, venue text DEFAULT NULL
) RETURNS TABLE (
    offset_from interval, events bigint, independent bigint, abnormal float8, cumulative float8, error float8, p_value float8, note text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 30 SET jit = off AS $$
#variable_conflict use_column
DECLARE
    reach integer := before + after + estimation;
    lo    timestamptz;
    hi    timestamptz;
BEGIN
    PERFORM rcas.check_symbols(ARRAY[symbol]), rcas.check_width(width);
    IF times IS NULL OR cardinality(times) NOT BETWEEN 1 AND 1000 OR NOT (SELECT every(coalesce(isfinite(t), false)) FROM unnest(times) AS t) THEN
        RAISE EXCEPTION 'times must be 1 to 1000 times, not %', coalesce(left(times::text, 100), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For example times => ARRAY[''2024-01-10 21:00Z'', ''2024-04-20 00:10Z'']::timestamptz[].';
    ELSIF before IS NULL OR after IS NULL OR estimation IS NULL OR before NOT BETWEEN 0 AND 500 OR after NOT BETWEEN 0 AND 500 OR estimation NOT BETWEEN 30 AND 5000 THEN
        RAISE EXCEPTION 'before and after must be 0 to 500 buckets and estimation 30 to 5000, not %, % and %', coalesce(before::text, 'NULL'),
            coalesce(after::text, 'NULL'), coalesce(estimation::text, 'NULL') USING ERRCODE = 'invalid_parameter_value', HINT = '2, 24 and 120 are the defaults.';
    ELSIF cardinality(times) * reach > 1000000 THEN
        RAISE EXCEPTION '% events of % buckets are more than can be computed at once', cardinality(times), reach
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for fewer events, or a shorter estimation.';
    END IF;
    SELECT rcas.shift(time_bucket(width, min(t)), width, -before - estimation), rcas.shift(time_bucket(width, max(t)), width, after + 1) INTO lo, hi FROM unnest(times) AS t;
    PERFORM rcas.span(ARRAY[symbol], lo, hi, width);
    RETURN QUERY
    WITH known AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY g.bucket) AS i, g.bucket, r.log_return AS r, m.log_return AS m, count(m.log_return) OVER () > 0 AS priced
        FROM rcas.grid(ARRAY[event_study.symbol], lo, hi, width) AS g
        LEFT JOIN rcas.market_returns('', ARRAY[event_study.symbol], lo, hi, width, venue) AS r ON r.bucket = g.bucket
        LEFT JOIN rcas.market_returns(event_study.symbol, event_study.market, lo, hi, width, venue) AS m ON m.bucket = g.bucket
    ), happened AS MATERIALIZED (
        SELECT DISTINCT k.i FROM unnest(times) AS t JOIN known AS k ON k.bucket = time_bucket(width, t)
    ), usual AS MATERIALIZED (
        SELECT h.i, count(*) AS n, avg(k.r) AS r, coalesce(avg(k.m), 0) AS m, coalesce(regr_slope(k.r, k.m), 0) AS beta, coalesce(regr_sxx(k.r, k.m), 0) AS sxx, bool_or(k.priced) AS priced,
               sum((k.r) ^ 2) - count(*) * avg(k.r) ^ 2 - coalesce(regr_slope(k.r, k.m) * regr_sxy(k.r, k.m), 0) AS square
        FROM happened AS h JOIN known AS k ON k.i < h.i - before AND k.i >= h.i - before - estimation AND k.r IS NOT NULL AND (k.m IS NOT NULL OR NOT k.priced)
        GROUP BY 1 HAVING 2 * count(*) >= estimation
    ), surprises AS MATERIALIZED (
        SELECT u.*, k.i - u.i AS step, k.r - u.r - u.beta * (coalesce(k.m, 0) - u.m) AS a, coalesce(k.m, 0) - u.m AS dm
        FROM usual AS u JOIN known AS k ON k.i BETWEEN u.i - before AND u.i + after AND k.r IS NOT NULL AND (k.m IS NOT NULL OR NOT k.priced)
    ), grown AS MATERIALIZED (
        SELECT s.*, sum(s.a) OVER so_far AS car, sum(s.dm) OVER so_far AS drift, count(*) OVER so_far AS size
        FROM surprises AS s WINDOW so_far AS (PARTITION BY s.i ORDER BY s.step)
    ), placed AS (
        SELECT w.*, count(*) FILTER (WHERE w.first) OVER (PARTITION BY w.step ORDER BY w.i) AS family
        FROM (SELECT g.*, coalesce(g.i - lag(g.i) OVER (PARTITION BY g.step ORDER BY g.i) > before + after, true) AS first FROM grown AS g WHERE g.size = g.step + before + 1) AS w
    ), means AS (
        SELECT p.*, avg(p.car) OVER (PARTITION BY p.step) AS mean FROM placed AS p
    ), families AS (
        SELECT m.step, m.family, count(*) AS n, sum(m.a) AS a, sum(m.car) AS car, sum(m.car - m.mean) AS off,
               -- of one event alone, what the market model leaves of a usual bucket tells how far it may stray
               max(sqrt(m.square / (m.n - CASE WHEN m.priced THEN 2 ELSE 1 END)
                        * (m.size + m.size ^ 2 / m.n + CASE WHEN m.sxx > 0 THEN m.drift ^ 2 / m.sxx ELSE 0 END))) AS alone, max(m.n) AS usual, bool_or(m.priced) AS priced
        FROM means AS m GROUP BY 1, 2
    ), summed AS (
        SELECT f.step, sum(f.n)::bigint AS n, count(*) AS families, sum(f.a) / sum(f.n) AS a, sum(f.car) / sum(f.n) AS car,
               CASE WHEN count(*) > 1 THEN sqrt(sum(f.off ^ 2) * count(*) / (count(*) - 1)) / sum(f.n) WHEN sum(f.n) = 1 THEN max(f.alone) END AS error,
               CASE WHEN count(*) > 1 THEN count(*) - 1 ELSE max(f.usual) - CASE WHEN bool_or(f.priced) THEN 2 ELSE 1 END END AS df
        FROM families AS f GROUP BY 1
    )
    SELECT width * o.step, coalesce(s.n, 0), coalesce(s.families, 0), s.a, s.car, s.error, rcas.t_p(s.car / nullif(s.error, 0), s.df),
           CASE WHEN s.n IS NULL THEN 'cannot be judged: no event has prices around it, and in half of the time before' ELSE
                CASE WHEN (SELECT bool_or(k.priced) FROM known AS k) THEN 'against the market' ELSE 'against its own mean: no other coin has prices' END ||
                CASE WHEN s.families = 1 AND s.n > 1 THEN '; all events overlap: no error can be told' WHEN s.families < 10 THEN '; few events: one of them can make it' ELSE '' END END
    FROM generate_series(-before, after) AS o (step) LEFT JOIN summed AS s ON s.step = o.step
    ORDER BY 1;
END $$;
COMMENT ON FUNCTION event_study IS
'What price did about events of one''s own, beyond the market: market model (Brown and Warner 1985). Of each event, return = a + b × market return is fitted to the '
'estimation buckets that end before buckets ahead of it; the abnormal return of a bucket is what this leaves. One row per bucket from before to after, '
'offset_from 0 being the bucket of the event. events: those with prices in all buckets so far, and in half of the estimation; independent: those whose buckets '
'overlap counted once; abnormal: mean abnormal return of this bucket; cumulative: of all buckets so far; error: standard error of the cumulative one across '
'independent events (of one event alone, from its estimation); p_value: two-sided, by Student''s t, of this row alone. market: the coins whose mean return is the '
'market''s; NULL: all others that have prices.';
