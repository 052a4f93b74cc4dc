DROP FUNCTION scorer_health, feed_health, market_overview;
DROP FUNCTION rcas.feeds, rcas.felt_between, rcas.prices_between, rcas.whole_hours;
SELECT remove_continuous_aggregate_policy('pipeline_1m');
DROP MATERIALIZED VIEW pipeline_1m;
