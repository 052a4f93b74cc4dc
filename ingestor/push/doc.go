// Package push takes posts and prices from anything that can send lines: the input for feeds that RCAS knows no protocol of.
//
// Over HTTP, on a loopback address unless told otherwise:
//
//	POST /posts            posts, a JSON object a line, as package archive reads them
//	POST /posts/{source}   the same; source is that of the lines that don't tell theirs
//	POST /prices           trades, a JSON object a line: symbol, time, price, volume, venue, trade_id
//	POST /prices/{venue}   the same; venue is that of the lines that don't tell theirs
//
// Over NATS, by request and reply, the same lines on the subjects input.posts, input.posts.<source>, input.prices and
// input.prices.<venue>, one line or more a message.
//
// The answer is an [Answer] as JSON, given only when all that was accepted is safely in the stream. What is sent again after
// an answer was lost is stored once, since posts and trades are known by their keys.
//
// Lines that can't be used are dropped, counted and named in the answer; they keep nothing around them from being read. Lines,
// bodies, the time of a request and the number of requests at once are bounded. Where a token is set, HTTP requests must carry
// it; an address that others can reach needs one. NATS has access rules of its own. Requests of web pages are refused: a page
// could reach the loopback address of whoever looks at it.
package push
