// Package api opens RCAS to programs over HTTP: GET /v1/NAME asks a public function or view of the database (package catalog), with
// arguments by name and the defaults of SQL, and answers as JSON, CSV, lines of JSON, or Parquet; /v1/live/NAME sends the answer again as
// it changes (server-sent events); /v1/ lists what can be asked, /v1/openapi.json says it to machines, and / to people.
//
// It only reads, in sessions of rcas_reader. Nothing that a caller writes becomes SQL: names are looked up, values are parameters. Errors
// are problem documents (RFC 9457) in the words of the database's own errors, which say what to do.
package api
