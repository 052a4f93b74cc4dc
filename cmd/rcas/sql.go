package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/spf13/cobra"
)

func newSQL(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   `sql "QUERY"`,
		Short: "Ask the database, whichever is configured",
		Long: `Run SQL on the configured database, the embedded one included, and print what it answers. "-" reads the SQL from
standard input. docs/sql.md lists the functions and questions to paste. With --json, each statement's rows are an array.`,
		Example: `  rcas sql "SELECT * FROM mood_price('BTC', now() - INTERVAL '1 day', now(), '1 hour')"
  rcas sql --json "SELECT symbol, count(*) FROM sentiments GROUP BY 1"`,
		Args: cobra.ExactArgs(1),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := args[0]
		if query == "-" {
			text, err := io.ReadAll(cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("read the SQL: %w", err)
			}
			query = string(text)
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		conn, err := a.store.Pool().Acquire(cmd.Context())
		if err != nil {
			return fmt.Errorf("reach the database: %w", err)
		}
		defer conn.Release()
		return printResults(cmd.OutOrStdout(), conn.Conn().PgConn().Exec(cmd.Context(), query), *asJSON)
	}
	return cmd
}

// printResults prints each statement's rows, as the server writes values in text.
func printResults(w io.Writer, results *pgconn.MultiResultReader, asJSON bool) (err error) {
	defer func() { err = sqlError(errors.Join(err, results.Close())) }()
	for results.NextResult() {
		reader := results.ResultReader()
		var rows [][][]byte
		for reader.NextRow() {
			row := make([][]byte, len(reader.Values()))
			for i, v := range reader.Values() {
				row[i] = bytes.Clone(v)
			}
			rows = append(rows, row)
		}
		fields := reader.FieldDescriptions()
		tag, err := reader.Close()
		switch {
		case err != nil:
			return nil // results.Close returns it
		case asJSON:
			err = printRowsJSON(w, fields, rows)
		case len(fields) == 0:
			_, err = fmt.Fprintln(w, tag)
		default:
			err = printRows(w, fields, rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sqlError adds the server's hint, which psql would show as well.
func sqlError(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		text := pgErr.Message
		if pgErr.Detail != "" {
			text += " (" + pgErr.Detail + ")"
		}
		if pgErr.Hint != "" {
			text += ". " + pgErr.Hint
		}
		return errors.New(text)
	}
	return err
}

func printRows(w io.Writer, fields []pgconn.FieldDescription, rows [][][]byte) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	fmt.Fprintln(table, strings.Join(names, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = strings.Join(strings.Fields(string(v)), " ")
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	plural := "rows"
	if len(rows) == 1 {
		plural = "row"
	}
	_, err := fmt.Fprintf(w, "(%d %s)\n", len(rows), plural)
	return err
}

func printRowsJSON(w io.Writer, fields []pgconn.FieldDescription, rows [][][]byte) error {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, row := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n  {")
		for j, v := range row {
			if j > 0 {
				b.WriteString(", ")
			}
			name, err := json.Marshal(fields[j].Name)
			if err != nil {
				return err
			}
			value, err := jsonValue(fields[j].DataTypeOID, v)
			if err != nil {
				return err
			}
			b.Write(name)
			b.WriteString(": ")
			b.Write(value)
		}
		b.WriteByte('}')
	}
	if len(rows) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	_, err := w.Write(b.Bytes())
	return err
}

// jsonValue keeps numbers, booleans and JSON as what they are; all else is a string. NaN and Infinity, which JSON does not know, are
// strings too.
func jsonValue(oid uint32, text []byte) ([]byte, error) {
	if text == nil {
		return []byte("null"), nil
	}
	switch oid {
	case pgtype.BoolOID:
		if string(text) == "t" {
			return []byte("true"), nil
		}
		return []byte("false"), nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.JSONOID, pgtype.JSONBOID:
		if json.Valid(text) {
			return text, nil
		}
	}
	return json.Marshal(string(text))
}
