package migrations

import "github.com/golang-migrate/migrate/v4"

// To migrates the database at the URL to a version.
func To(databaseURL string, version uint) error {
	return run(databaseURL, func(m *migrate.Migrate) error { return m.Migrate(version) })
}
