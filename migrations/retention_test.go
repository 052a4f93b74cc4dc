package migrations_test

import (
	"testing"

	"rcas/store/storetest"
)

// TestHorizonsFitTogether asks the database's jobs: no refresh policy may reach what retention drops, nor what compression has packed among
// the windows, whatever is kept.
func TestHorizonsFitTogether(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for _, keep := range []string{``, `UPDATE retention SET keep = CASE what WHEN 'trades' THEN INTERVAL '7 days' ELSE INTERVAL '21 days' END`,
		`UPDATE retention SET keep = NULL`} {
		if keep != "" {
			storetest.Exec(t, s, keep)
			storetest.Exec(t, s, `SELECT rcas.apply_retention()`)
		}
		storetest.RequireNone(t, s, `
			WITH windows (name, of, what, width) AS (
			    SELECT * FROM (VALUES ('prices_1m', 'prices', 'trades', INTERVAL '1 day'), ('prices_5m', 'prices', 'trades', '1 day'),
			        ('prices_1h', 'prices', 'trades', '1 day'), ('prices_1d', 'prices', 'trades', '1 day'), ('mood_1m', 'sentiments', 'posts', '7 days'),
			        ('mood_5m', 'sentiments', 'posts', '7 days'), ('mood_1h', 'sentiments', 'posts', '7 days'), ('mood_1d', 'sentiments', 'posts', '7 days'),
			        ('term_windows_15m', 'sentiments', 'posts', '7 days'), ('earlier_term_counts_1h', 'earlier_term_counts', 'posts', '7 days')) AS w (name, of, what, width)
			), jobs AS (
			    SELECT coalesce(c.view_name, j.hypertable_name) AS name, j.proc_name, j.config FROM timescaledb_information.jobs AS j
			    LEFT JOIN timescaledb_information.continuous_aggregates AS c ON j.hypertable_name IN (c.view_name, c.materialization_hypertable_name)
			)
			SELECT w.name, refresh.config, r.keep, packed.config
			FROM windows AS w JOIN retention AS r USING (what)
			LEFT JOIN jobs AS refresh ON refresh.name = w.name AND refresh.proc_name = 'policy_refresh_continuous_aggregate'
			LEFT JOIN jobs AS packed ON packed.name = w.name AND packed.proc_name = 'policy_compression'
			WHERE refresh.config IS NULL
			   OR (refresh.config->>'start_offset')::interval + w.width >= r.keep
			   OR (refresh.config->>'start_offset')::interval >= (packed.config->>'compress_after')::interval`)
	}
}
