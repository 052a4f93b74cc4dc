// Package store is RCAS's side of TimescaleDB: the connection pool, bulk writes that may be repeated, the jobs of a database
// that has no background workers, and the small tables (assets, models, cursors).
//
// Rows go in as arrays through unnest with ON CONFLICT DO NOTHING: as fast as COPY with the key in place, and writing a row twice is
// writing it once. Windows are the database's business; nothing here computes one.
package store
