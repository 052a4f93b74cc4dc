// Package archive replays recorded posts and prices: what `rcas replay` and the demonstration read.
//
// A file is known by what it holds, never by its name. Containers are gzip, bzip2, zstd, zip and tar, nested up to
// [MaxDepth]; folders are walked in the order of their names. Inside are lines:
//
//   - posts, a JSON object a line: Twitter v1.1 statuses (delete notices are counted as dropped), X API v2 posts, bare or in
//     {"data":…,"includes":…}, Reddit comments and submissions as Pushshift has them, and the normalised form: id, created_at
//     or time, text, and optionally source, author or username, lang, followers, like_count or favorite_count,
//     retweet_count, reply_count, quote_count, repost;
//   - Reddit comments and submissions as CSV with a header;
//   - bars as CSV: a header with time, open, high, low, close and optionally symbol, venue and volume (also as "Volume BTC" or
//     "Volume_(BTC)"), in any order, or a Binance klines file with or without its header;
//   - trades as CSV: a header with time, price and optionally symbol, venue, amount, side, id, or a Binance trades or
//     aggTrades file with or without its header.
//
// Times are RFC 3339 (with a T or a space) or seconds, milliseconds, microseconds or nanoseconds since 1970. Binance files do
// not tell the symbol; there it comes from the file's name, as Binance gives it: BTCUSDT-1m-2024-01.csv.
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
