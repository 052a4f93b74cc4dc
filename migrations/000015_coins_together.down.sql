DROP FUNCTION mood_index, lead_lags, correlations, mood_range;
DROP FUNCTION rcas.index_parts, rcas.percent, rcas.least_pairs, rcas.some_coins;
DROP TABLE index_weights;
