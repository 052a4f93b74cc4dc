package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Question is an entry with values for its arguments.
type Question struct {
	SQL  string
	Args []any
}

// Mistake is a question that can't be asked as it is. Its text says what to do.
type Mistake struct{ text string }

func (m *Mistake) Error() string { return m.text }

// Explain returns the words of an error that whoever asked can mend: a [Mistake], or what the database says of a value, with its hint.
func Explain(err error) (text string, theirs bool) {
	if m, ok := errors.AsType[*Mistake](err); ok {
		return m.text, true
	}
	// SQLSTATE class 22 and P0001 are about values, and their messages were written for whoever gave them.
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !strings.HasPrefix(pg.Code, "22") && pg.Code != "P0001" {
		return "", false
	}
	if slices.Contains([]string{"22007", "22008", "22015"}, pg.Code) { // PostgreSQL's own hint about these is a setting of its sessions
		return pg.Message + ". Times are written 2024-03-01T12:00Z, now, or -24h for a day ago; widths 5m or 1 hour.", true
	}
	if pg.Hint != "" {
		return pg.Message + ". " + pg.Hint, true
	}
	return pg.Message, true
}

// Mistakef returns a [Mistake].
func Mistakef(format string, args ...any) error { return &Mistake{fmt.Sprintf(format, args...)} }

// Ask makes the question. Values are as people write them, and the database reads them; an argument that is an array takes several. A time
// may be counted back from now: "-24h", "-7d". What is given empty is left out; of an argument that can't be left out it is NULL, as which some
// functions take all coins. limit bounds the rows; zero is no bound.
func (e *Entry) Ask(values map[string][]string, limit int, now time.Time) (Question, error) {
	for name := range values {
		if e.argument(name) == nil {
			return Question{}, Mistakef("%s has no argument %q: it has %s", e.Name, name, strings.Join(e.argumentNames(), ", "))
		}
	}
	var q Question
	var parts []string
	for i := range e.Arguments {
		a := &e.Arguments[i]
		given := a.Given(values)
		if len(given) == 0 && !a.Required {
			continue
		}
		text, err := e.text(a, values, given, now)
		if err != nil {
			return Question{}, err
		}
		q.Args = append(q.Args, text)
		parts = append(parts, a.bind(len(q.Args)))
	}
	q.SQL = e.statement(parts)
	if limit > 0 {
		q.SQL += fmt.Sprint(" LIMIT ", limit)
	}
	return q, nil
}

// text is the value of an argument as PostgreSQL reads it, or nil: NULL.
func (e *Entry) text(a *Argument, values map[string][]string, given []string, now time.Time) (any, error) {
	if len(given) > 0 {
		return a.text(given, now)
	}
	_, named := values[a.Name]
	if _, otherwise := values[a.alias()]; !named && !otherwise {
		return nil, Mistakef("%s needs the argument %s (%s)", e.Name, a.Name, a.Type)
	}
	return nil, nil
}

// argument finds an argument by the name that it is asked for, or by the one that it has in SQL.
func (e *Entry) argument(name string) *Argument {
	for i := range e.Arguments {
		if a := &e.Arguments[i]; a.Name == name || name != "" && a.alias() == name {
			return a
		}
	}
	return nil
}

func (e *Entry) argumentNames() []string {
	names := make([]string, len(e.Arguments))
	for i, a := range e.Arguments {
		names[i] = a.Name
	}
	return names
}

// Given are the values of an argument, by whichever of its names. What is empty was left empty in a form.
func (a *Argument) Given(values map[string][]string) []string {
	return slices.DeleteFunc(slices.Concat(values[a.Name], values[a.alias()]), func(v string) bool { return v == "" })
}

// Time tells whether the argument is a time.
func (a *Argument) Time() bool { return a.Type == timeType }

// alias is the other name of an argument: that in SQL. A filter has none.
func (a *Argument) alias() string {
	if a.op != "" || a.sql == a.Name {
		return ""
	}
	return a.sql
}

// text is the value as PostgreSQL reads it.
func (a *Argument) text(given []string, now time.Time) (string, error) {
	element, many := strings.CutSuffix(a.Type, "[]")
	if len(given) > 1 && !many {
		return "", Mistakef("%s is given %d times, and takes one value", a.Name, len(given))
	}
	read := slices.Clone(given)
	for i, value := range given {
		ago, ok := strings.CutPrefix(value, "-")
		if element != timeType || !ok || ago == "infinity" {
			continue
		}
		d, err := span(ago)
		if err != nil || d < 0 {
			return "", Mistakef("%s: %q is no time: write 2024-03-01T12:00Z, now, or -24h for a day ago", a.Name, value)
		}
		read[i] = now.Add(-d).UTC().Format(time.RFC3339Nano)
	}
	if !many {
		return read[0], nil
	}
	for i, value := range read {
		read[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	return "{" + strings.Join(read, ",") + "}", nil
}

// span reads 90s, 5m, 24h, and 7d.
func span(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	d, err := time.ParseDuration(days + "h")
	return 24 * d, err
}

// bind is the argument as parameter n. The value travels as text, and is read by the rules of the argument's own type.
func (a *Argument) bind(n int) string {
	name := pgx.Identifier{a.sql}.Sanitize()
	if a.op != "" {
		return fmt.Sprintf("%s %s $%d::text::%s", name, a.op, n, a.Type)
	}
	return fmt.Sprintf("%s => $%d::text::%s", name, n, a.Type)
}

func (e *Entry) statement(parts []string) string {
	name := pgx.Identifier{e.Name}.Sanitize()
	if !e.View {
		return "SELECT * FROM " + name + "(" + strings.Join(parts, ", ") + ")"
	}
	sql := "SELECT * FROM " + name
	if len(parts) > 0 {
		sql += " WHERE " + strings.Join(parts, " AND ")
	}
	for _, a := range e.Arguments {
		if a.Type == timeType {
			return sql + " ORDER BY " + pgx.Identifier{a.sql}.Sanitize()
		}
	}
	return sql
}
