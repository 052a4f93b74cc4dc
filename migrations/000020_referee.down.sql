DROP FUNCTION event_study, walk_forward, reality_check, granger;
DROP FUNCTION rcas.blocks, rcas.positions, rcas.check_hold, rcas.market_returns, rcas.causes, rcas.newey_west, rcas.sweep, rcas.chi2_p, rcas.t_p;
