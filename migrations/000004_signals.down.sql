DROP FUNCTION record_alerts;
DROP TABLE alerts;
DROP VIEW divergence_now;
DROP FUNCTION divergence_state, backtest, suggest_thresholds, lead_lag, divergence_events, divergence;
DROP FUNCTION rcas.outcomes, rcas.backtest_note, rcas.check_backtest, rcas.usual_returns, rcas.bootstrap, rcas.family_p,
              rcas.normal_p, rcas.check_rate, rcas.closes, rcas.events, rcas.divergences, rcas.z_scores, rcas.rule_span, rcas.rule;
DROP TYPE rcas.rule;
