package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection, or a pool of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Catalog is what a database can be asked, in the order of names.
type Catalog []Entry

// Entry is a public function, or a view.
type Entry struct {
	Name string `json:"name"`
	// About is its comment: what is answered, in which units.
	About string `json:"about"`
	// View tells that it is a view. Its arguments are filters, all of them optional.
	View bool `json:"view"`
	// Arguments in the order of the function's declaration.
	Arguments []Argument `json:"arguments"`
	Columns   []Column   `json:"columns"`
}

// Argument is one of a function's arguments, or a filter on a column of a view.
type Argument struct {
	// Name is what it is asked for by: from_time is from.
	Name string `json:"name"`
	// Type is PostgreSQL's name of its type.
	Type string `json:"type"`
	// Default is the expression that stands for an argument that is left out; "" for none, as of filters.
	Default string `json:"default,omitempty"`
	// Required tells that it can't be left out.
	Required bool `json:"required"`

	sql string // the name in SQL: an argument's, or a column's
	op  string // of a filter
}

// Column is a column of the answer.
type Column struct {
	Name string `json:"name"`
	// Type is PostgreSQL's name of its type.
	Type string `json:"type"`
	// About is its comment, where it has one: functions describe their columns in their own.
	About string `json:"about,omitempty"`
}

// Read reads the catalogue: what whoever asks may use of the schema that RCAS lives in. What writes (VOLATILE functions) is no question.
func Read(ctx context.Context, db Querier) (Catalog, error) {
	functions, err := readFunctions(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the functions of the database: %w", err)
	}
	views, err := readViews(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the views of the database: %w", err)
	}
	all := append(functions, views...)
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Find returns the entry of a name, or nil.
func (c Catalog) Find(name string) *Entry {
	for i := range c {
		if c[i].Name == name {
			return &c[i]
		}
	}
	return nil
}

// Functions of extensions are theirs, and what is named twice (for other types) can't be asked by name.
const functionsSQL = `
SELECT p.proname::text, coalesce(obj_description(p.oid, 'pg_proc'), ''), coalesce(p.proargnames, '{}')::text[],
       coalesce(p.proargmodes::text[], '{}'), p.pronargs::int, p.pronargdefaults::int,
       ARRAY(SELECT format_type(t.oid, NULL) FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS t(oid, n) ORDER BY n),
       ARRAY(SELECT coalesce(pg_get_function_arg_default(p.oid, n), '') FROM generate_series(1, p.pronargs) AS n ORDER BY n),
       format_type(p.prorettype, NULL)
FROM pg_proc AS p
WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f' AND p.provolatile <> 'v'
  AND has_function_privilege(p.oid, 'EXECUTE')
  AND p.prorettype <> 'trigger'::regtype
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_proc AS q WHERE q.pronamespace = p.pronamespace AND q.proname = p.proname AND q.oid <> p.oid)`

func readFunctions(ctx context.Context, db Querier) ([]Entry, error) {
	rows, err := db.Query(ctx, functionsSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		var e Entry
		var names, modes, types, defaults []string
		var inputs, withDefault int
		var result string
		if err := row.Scan(&e.Name, &e.About, &names, &modes, &inputs, &withDefault, &types, &defaults, &result); err != nil {
			return e, err
		}
		for i, name := range names {
			if len(modes) > 0 && modes[i] != "i" {
				e.Columns = append(e.Columns, Column{Name: name, Type: types[i]})
				continue
			}
			n := len(e.Arguments)
			e.Arguments = append(e.Arguments, Argument{Name: strings.TrimSuffix(name, "_time"), Type: types[i], Default: defaults[n],
				Required: n < inputs-withDefault, sql: name})
		}
		if len(e.Columns) == 0 {
			e.Columns = []Column{{Name: e.Name, Type: result}}
		}
		return e, nil
	})
}

const viewsSQL = `
SELECT c.relname::text, coalesce(obj_description(c.oid, 'pg_class'), ''), array_agg(a.attname::text ORDER BY a.attnum),
       array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum), array_agg(coalesce(col_description(c.oid, a.attnum), '') ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY c.oid, c.relname`

func readViews(ctx context.Context, db Querier) ([]Entry, error) {
	rows, err := db.Query(ctx, viewsSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		e := Entry{View: true}
		var names, types, comments []string
		if err := row.Scan(&e.Name, &e.About, &names, &types, &comments); err != nil {
			return e, err
		}
		for i, name := range names {
			e.Columns = append(e.Columns, Column{Name: name, Type: types[i], About: comments[i]})
		}
		e.Arguments = filters(e.Columns)
		return e, nil
	})
}

// timeType is how PostgreSQL names the type of times.
const timeType = "timestamp with time zone"

// filters of a view: its time, from and before, and what else has few values.
func filters(columns []Column) []Argument {
	var all []Argument
	for _, c := range columns {
		switch {
		case c.Type == timeType && len(all) == 0:
			all = append(all, Argument{Name: "from", Type: c.Type, sql: c.Name, op: ">="}, Argument{Name: "to", Type: c.Type, sql: c.Name, op: "<"})
		case c.Type == "text" || c.Type == "boolean":
			all = append(all, Argument{Name: c.Name, Type: c.Type, sql: c.Name, op: "="})
		}
	}
	return all
}

// Takes tells whether the entry has an argument of the name.
func (e *Entry) Takes(name string) bool { return e.argument(name) != nil }
