// Package ingestor brings posts and prices into RCAS: the interfaces that sources and the door share, the door itself
// (which cleans, validates, maps and publishes), and the writer, which moves raw rows from the stream into the database.
//
// The sources live below it, a package each.
package ingestor
