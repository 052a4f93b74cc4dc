DROP FUNCTION trending_terms, top_terms, influence, authors, mood_price, mood, candles_by_venue, candles;
DROP SCHEMA rcas CASCADE;
