-- The coin's own names are made once, not for each word that is compared with them, which took six times as long as all the rest.

CREATE OR REPLACE FUNCTION top_terms(
    symbol text, from_time timestamptz, to_time timestamptz, "limit" integer DEFAULT 30, own_names boolean DEFAULT false,
    source text DEFAULT NULL
) RETURNS TABLE (term text, posts bigint, share float8)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 AS $$
SELECT t.term, t.posts, t.posts / sum(t.posts) OVER ()::float8
FROM rcas.terms(top_terms.symbol, top_terms.from_time, top_terms.to_time, top_terms.source) AS t
WHERE top_terms.own_names OR t.term <> ALL ((SELECT rcas.names(top_terms.symbol))::text[])
ORDER BY t.posts DESC, t.term
LIMIT top_terms."limit"
$$;

CREATE OR REPLACE FUNCTION trending_terms(
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
    WHERE r.posts >= coalesce(trending_terms.min_posts, 0) AND (trending_terms.own_names OR r.term <> ALL ((SELECT rcas.names(trending_terms.symbol))::text[]))
)
SELECT c.term, c.posts, c.expected, c.posts / c.expected,
       sign(c.posts - c.expected) * sqrt(greatest(2 * (c.posts * ln(c.posts / c.expected) - (c.posts - c.expected)), 0))
FROM compared AS c
WHERE c.posts > c.expected
ORDER BY 5 DESC, c.term
LIMIT trending_terms."limit"
$$;
