package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloorOfVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		postgres           int
		timescale, license string
		refused            string
		warnings           int
	}{
		{170012, "2.29.2", "timescale", "", 0},
		{160004, "2.31.0-dev", "timescale", "", 0},
		{170012, "2.30", "timescale", "", 0},
		{170012, "2.29.1", "timescale", "", 1},
		{150018, "2.28.3", "timescale", "", 3},
		{150018, "2.26.3", "timescale", "", 2},
		{170012, "2.26.2", "timescale", "gaps or duplicates", 0},
		{150018, "2.9.3", "timescale", "gaps or duplicates", 0},
		{170012, "2.29.2", "apache", "community edition", 0},
		{170012, "", "", "no TimescaleDB", 0},
	} {
		warnings, err := checkServer(c.postgres, c.timescale, c.license)
		if c.refused != "" {
			require.ErrorContains(t, err, c.refused, c)
			continue
		}
		require.NoError(t, err)
		require.Len(t, warnings, c.warnings, c)
	}
}
