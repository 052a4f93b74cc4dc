package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs, from PostgreSQL's list of error codes.
const (
	codeReadOnly   = "25006"
	codeForbidden  = "42501"
	codeUnique     = "23505"
	codeNoTable    = "42P01"
	codeNoDatabase = "3D000"
	codeDiskFull   = "53100"
	codeTooMany    = "53300" // connections
	codeLimit      = "53400"
	codeBusy       = "55P03"
	codeMemory     = "53200"
	codeCancelled  = "57014" // by a timeout of the server, or by hand
	codeInvalid    = "22023" // parameter value
)

// IsDataError tells whether the database refused the data itself, so that trying again is no use: SQLSTATE class 22 (data
// exception), 23 (constraint violation), 54 (program limit exceeded), or 53400, by which TimescaleDB refuses to unpack too many rows
// at once: a smaller batch may pass.
func IsDataError(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	return pgErr.Code == codeLimit || slices.Contains([]string{"22", "23", "54"}, pgErr.Code[:min(2, len(pgErr.Code))])
}

// IsTooMuch tells whether the database could not do so much at once: it ran out of memory, or of the time that it gives a statement. Less
// at once may pass.
func IsTooMuch(err error) bool { return hasCode(err, codeMemory) || hasCode(err, codeCancelled) }

func isForbidden(err error) bool { return hasCode(err, codeForbidden) }

// isBusy tells that a server's own worker is refreshing the same window: what it began with may be older than what
// this process has written since.
func isBusy(err error) bool { return hasCode(err, codeBusy) }

// isTooSmall tells that a refresh was asked for less than a whole bucket.
func isTooSmall(err error) bool { return hasCode(err, codeInvalid) }

// hasCode tells whether the database gave the error, with this SQLSTATE.
func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

// wrap says what failed, and where the database's own words leave open what to do about it, that too.
func wrap(doing string, err error) error {
	for code, advice := range map[string]string{
		codeReadOnly: "the database takes no writes at the moment: it is read-only, or a standby",
		codeDiskFull: "the database's disk is full; make room, or keep less (docs/operations.md)",
		codeTooMany:  "the database has no connection left; raise its max_connections or run fewer processes",
	} {
		if hasCode(err, code) {
			return fmt.Errorf("%s: %s: %w", doing, advice, err)
		}
	}
	if strings.Contains(err.Error(), "No space left on device") { // in a process that could not even report it as 53100
		return fmt.Errorf("%s: the database's disk is full; make room, or keep less (docs/operations.md): %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// renewer drops the pool's sessions when one of them may not write. A session keeps what it began with: after the database was read-only for
// a moment, or a standby has taken over, those of before would fail until their time is up.
type renewer struct{ reset func() }

// TraceQueryStart implements [pgx.QueryTracer].
func (renewer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (r renewer) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if hasCode(data.Err, codeReadOnly) {
		r.reset()
	}
}
