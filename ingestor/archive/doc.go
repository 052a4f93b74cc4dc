// Package archive replays recorded posts and prices: what `rcas replay` and the demonstration read.
//
// What a file is, its columns or keys tell, never its name. The table of formats ([formats], and docs/archives.md, which has the same rows) says
// how each is known, what its fields mean and who reads it; a format is one small file, format_*.go, with a sample in formats_test.go. What
// could mean two things is refused, and the refusal names the flag that decides ([Config]).
//
// A file goes through layers, each of which knows nothing of the next:
//
//   - containers (gzip, bzip2, zstd, zip and tar, nested up to [MaxDepth]) give texts, or files of columns (Parquet);
//   - texts are JSON, which a valueReader splits into values however they stand in it, or tables, whose records a csvReader gives. Arrays of
//     JSON, flat objects, and the rows of a file of columns are records of tables, too, and go through pass.readRecords;
//   - formats of objects decode values, formats of tables read records: as posts, trades or bars.
//
// Times are RFC 3339, many other forms of dates, or seconds, milliseconds, microseconds or nanoseconds since 1970; see parseMoment.
//
// A bar becomes four trades: the open at its start, the low and the high inside (in the order that the close suggests), the
// close a millisecond before its end. Half of the volume goes with the open and half with the close, so that the sum is
// exact in floating point too. Any window that consists of whole bars then has exactly their open, high, low, close and volume.
//
// Several files are merged by time. A file is opened when the replay reaches its first event and is taken as sorted; events that
// come late are passed on at once.
//
// Nothing ends a replay but the reader's own wish: what can't be read is counted by reason, with the place of the first
// case, and a damaged file gives what it has before the damage.
package archive
