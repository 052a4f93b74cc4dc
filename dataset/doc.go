// Package dataset takes what RCAS knows out of the database: posts, prices, and what was found in them, as rows in the order of time.
//
// The catalogue ([All]) is a table: a data set is a name, a question to the public tables and functions (docs/sql.md), and the column of its
// time. Read asks it a stretch at a time, so that neither the database nor this process holds more than some thousand rows, and nobody
// else waits long. A Writer writes rows as CSV, as lines of JSON, or as Parquet, and File keeps what it writes under another name until it
// is whole. The package knows no more of what the columns mean; what reads posts, prices and candles back is the package archive.
package dataset
