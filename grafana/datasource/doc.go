// Package datasource is the back end of RCAS's Grafana data source.
//
// A query names what is wanted (candles, mood, divergence, …), never how: the browser sends no SQL, every value reaches the database as a
// parameter of one of RCAS's SQL functions, and the session is read-only. The width of windows follows the panel's own interval. What SQL cannot do
// is here too: trades and sentiments pushed from NATS as they arrive, and the state of the streams.
package datasource
