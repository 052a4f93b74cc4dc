// Package embedded runs TimescaleDB without a database server: PostgreSQL and the extension as WebAssembly, served by Node on a
// local unix socket and supervised from Go. It is meant for tests, demos and a first look.
//
// What differs from a server:
//
//   - One backend serves all connections in turn. A session holds it from its first message to the end of its transaction.
//   - When another session takes its turn, a session's settings, role and prepared statements are kept for it. Its temporary
//     tables, cursors WITH HOLD and SQL-level PREPAREd statements are not: use those within one transaction.
//   - Cancel requests and statement_timeout have no effect. [Config.Deadline] bounds a statement instead, by ending the process.
//   - A statement that crashes the module ends every connection; the process is started anew and all committed data is there.
//   - Advisory locks exclude nobody, LISTEN and COPY … PROGRAM are refused, and no background worker runs jobs.
//   - Nothing is synced to the disk: a killed process loses nothing, a crashed machine may.
//   - No password is checked. The socket's permissions let nobody in but the user who started it.
package embedded
