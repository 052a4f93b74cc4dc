package dataset

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Question is what is asked of a data set.
type Question struct {
	// From and To are the times of the first row and before which the rows end. Of a set with buckets, the times that buckets begin at.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Symbol is the coin; "" for all.
	Symbol string `json:"symbol,omitempty"`
	// Width is that of buckets, as an SQL interval; other sets have none.
	Width string `json:"width,omitempty"`
}

// Querier is a connection, or a pool of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Kind is what the values of a column are.
type Kind int

// The kinds, and the types of Go that their values have. nil is NULL in each.
const (
	Text    Kind = iota // string
	Time                // time.Time, to the microsecond
	Double              // float64
	Single              // float32
	Integer             // int64
	Truth               // bool
	List                // []string
)

// Column is a column of a data set.
type Column struct {
	Name string
	Kind Kind
}

// Sink takes rows in the order of time.
type Sink interface {
	// Columns is called once, before any row, and where there is none.
	Columns(columns []Column) error
	// Row takes a row. Its values are valid until it returns.
	Row(values []any) error
	// Pause tells that all rows before next were given.
	Pause(next time.Time) error
}

const (
	// pageRows is how many rows are asked for at once.
	pageRows = 5000
	// firstStep and lastStep bound the stretch of time that is asked for at once, and maxBuckets that of sets with buckets.
	firstStep, lastStep = time.Hour, 400 * 24 * time.Hour
	maxBuckets          = 10_000
)

// Read gives the rows to the sink. It asks for a stretch of time after the other, each as long as the one before has shown to be right, so
// that what is held at once is bounded and others get their turn. Rows that are stored meanwhile for a time that was read are not seen.
func (s *Set) Read(ctx context.Context, db Querier, q Question, sink Sink) error {
	longest, err := s.check(ctx, db, q)
	if err != nil {
		return err
	}
	r := &reader{set: s, db: db, q: q, sink: sink}
	step, limit := min(firstStep, longest), pageRows
	for from := q.From; from.Before(q.To); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := from.Add(step)
		if to.After(q.To) {
			to = q.To
		}
		rows, given, err := r.page(ctx, from, to, limit)
		switch {
		case err != nil:
			return fmt.Errorf("read %s from %s: %w", s.Name, from.Format(time.RFC3339), err)
		case rows < limit:
			from, limit = to, pageRows
			if rows < pageRows/4 {
				step = min(2*step, longest)
			}
		case given == 0: // all are of one time
			limit *= 2
			continue
		default:
			from, step = r.last, max(step/2, time.Second)
		}
		if err := sink.Pause(from); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a question that has no answer, and returns the longest stretch to ask for at once.
func (s *Set) check(ctx context.Context, db Querier, q Question) (longest time.Duration, err error) {
	if err := q.check(); err != nil {
		return 0, err
	}
	if q.Symbol != "" {
		rows, err := db.Query(ctx, `SELECT symbol FROM assets ORDER BY symbol`)
		if err != nil {
			return 0, fmt.Errorf("read the coins: %w", err)
		}
		known, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return 0, fmt.Errorf("read the coins: %w", err)
		}
		if !slices.Contains(known, q.Symbol) {
			return 0, fmt.Errorf("there is no coin %q: there are %s", q.Symbol, strings.Join(known, ", "))
		}
	}
	if !s.Buckets {
		return lastStep, nil
	}
	rows, err := db.Query(ctx, `SELECT extract(epoch FROM $1::interval)::float8`, q.Width)
	if err != nil {
		return 0, fmt.Errorf("the width of buckets: %w", err)
	}
	seconds, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[float64])
	switch {
	case err != nil:
		return 0, fmt.Errorf("the width of buckets: %w", err)
	case !(seconds >= 60):
		return 0, fmt.Errorf("a width of %s is none: write a whole number of minutes, or of months, as 1 hour", q.Width)
	}
	return time.Duration(min(seconds*maxBuckets, lastStep.Seconds()) * float64(time.Second)), nil
}

func (q *Question) check() error {
	if q.From.Before(q.To) {
		return nil
	}
	return fmt.Errorf("the time to read from, %s, does not lie before the time to read to, %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
}

// reader reads pages.
type reader struct {
	set  *Set
	db   Querier
	q    Question
	sink Sink
	// columns are those of the set, once they are known.
	columns []Column
	// held are rows of the time last, which there may be more of.
	held [][]any
	last time.Time
}

// page asks for at most limit rows between two times, and gives those that are complete to the sink: where there are as many as the limit,
// there may be more of the last one's time, which is asked for again.
func (r *reader) page(ctx context.Context, from, to time.Time, limit int) (rows, given int, err error) {
	r.held, r.last = r.held[:0], time.Time{}
	args := pgx.NamedArgs{"from": from, "to": to, "symbol": nullable(r.q.Symbol), "width": nullable(r.q.Width), "limit": limit}
	result, err := r.db.Query(ctx, r.set.page(), args)
	if err != nil {
		return 0, 0, err
	}
	defer result.Close()
	if r.columns == nil {
		if err := r.begin(result.FieldDescriptions()); err != nil {
			return 0, 0, err
		}
	}
	timeAt := slices.IndexFunc(r.columns, func(c Column) bool { return c.Name == r.set.Time })
	for result.Next() {
		values, err := result.Values()
		if err != nil {
			return 0, 0, err
		}
		rows++
		for i := range values {
			values[i] = plain(values[i])
		}
		at := values[timeAt].(time.Time)
		if !at.Equal(r.last) {
			given += len(r.held)
			if err := r.giveHeld(); err != nil {
				return 0, 0, err
			}
			r.last = at
		}
		r.held = append(r.held, values)
	}
	if err := result.Err(); err != nil {
		return 0, 0, err
	}
	if rows < limit {
		given += len(r.held)
		err = r.giveHeld()
	}
	return rows, given, err
}

// begin learns the columns from the first answer.
func (r *reader) begin(fields []pgconn.FieldDescription) error {
	if len(fields) == 0 { // an error, which Next tells
		return nil
	}
	r.columns = make([]Column, len(fields))
	for i, f := range fields {
		r.columns[i] = Column{f.Name, kinds[f.DataTypeOID]}
	}
	return r.sink.Columns(r.columns)
}

func (r *reader) giveHeld() error {
	for _, row := range r.held {
		if err := r.sink.Row(row); err != nil {
			return err
		}
	}
	r.held = r.held[:0]
	return nil
}

// kinds are those of PostgreSQL's types; the others are text.
var kinds = map[uint32]Kind{
	pgtype.TimestamptzOID: Time, pgtype.Float8OID: Double, pgtype.Float4OID: Single, pgtype.Int8OID: Integer, pgtype.Int4OID: Integer,
	pgtype.Int2OID: Integer, pgtype.BoolOID: Truth, pgtype.TextArrayOID: List, pgtype.NumericOID: Double,
}

// plain makes a value one of the types that kinds have.
func plain(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC()
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i], _ = v[i].(string)
		}
		return list
	case nil, string, float64, float32, int64, bool:
		return v
	case pgtype.Numeric:
		if f, err := v.Float64Value(); err == nil && f.Valid {
			return f.Float64
		}
		return nil
	case driver.Valuer: // an interval, and others that PostgreSQL writes as text
		if text, err := v.Value(); err == nil {
			return text
		}
	}
	return fmt.Sprint(value)
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
