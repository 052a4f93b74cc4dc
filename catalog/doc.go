// Package catalog reads from the database what it can be asked: the public functions and views of docs/sql.md, with their arguments,
// defaults, columns and comments. Every door that RCAS opens to programs (HTTP, assistants) is made from it, so that a function that a
// migration adds is in all of them without another line.
package catalog
