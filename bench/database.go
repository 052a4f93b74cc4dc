package bench

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// CreateDatabase makes an empty database on a server, replacing one of the name, and returns its URL and what drops it.
func CreateDatabase(ctx context.Context, server, name string) (databaseURL string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("the benchmark's database URL is no URL")
	}
	admin := func(ctx context.Context, statements ...string) error {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return fmt.Errorf("reach the benchmark's server: %w", err)
		}
		defer conn.Close(ctx)
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
	quoted := pgx.Identifier{name}.Sanitize()
	dropSQL := "DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)"
	if err := admin(ctx, dropSQL, "CREATE DATABASE "+quoted+" TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() { _ = admin(context.WithoutCancel(ctx), dropSQL) }, nil
}
