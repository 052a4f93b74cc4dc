package embedded

import "context"

// InstallIn is Install with a cache directory of the test's own.
func InstallIn(ctx context.Context, cache string) (string, error) { return installIn(ctx, cache) }
