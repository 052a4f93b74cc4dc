package figure

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		67123.44: "67,123.44", 1234567: "1,234,567.00", 999.994: "999.99", 101: "101.00", 12.3456: "12.346", 1: "1.0000", 0.53124: "0.53124",
		0.00000673: "0.00000673", 0: "0.00", -1234.5: "-1,234.50", math.Inf(1): "+Inf",
	} {
		require.Equal(t, want, Price(x))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -100000: "-100,000", 1234567: "1,234,567"} {
		require.Equal(t, want, Count(n))
	}
	require.Equal(t, "26 %", Percent(0.26))
	require.Equal(t, "+1.25 %", Change(0.0125))
	require.Equal(t, "-0.30", Signed(-0.3))
	for p, want := range map[float64]string{0: "< 0.0001", 0.00009: "< 0.0001", 0.0123: "0.0123"} {
		require.Equal(t, want, P(&p))
	}
	require.Equal(t, "unknown", P(nil))
	require.Equal(t, Unknown, Of(nil, Price))
	x := 2.5
	require.Equal(t, "+2.50", Of(&x, Signed))
}
