-- A coin is no market of its own: the market model would explain it wholly, up to the rounding.

CREATE OR REPLACE FUNCTION rcas.market_returns(symbol text, market text[], lo timestamptz, hi timestamptz, width interval, venue text)
RETURNS TABLE (bucket timestamptz, log_return float8)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 300 AS $$
#variable_conflict use_column
DECLARE
    coins text[] := coalesce(market, (SELECT array_agg(a.symbol) FROM assets AS a WHERE a.symbol <> market_returns.symbol), '{}');
BEGIN
    PERFORM rcas.check_symbols(coins);
    IF market_returns.symbol = ANY(coins) THEN
        RAISE EXCEPTION 'the market of % can''t be % itself: nothing would be left of its returns', market_returns.symbol, market_returns.symbol
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name other coins, or leave market out: all others.';
    END IF;
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
