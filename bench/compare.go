package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Comparison is what others need for parts of what RCAS does, on the same comments and, where there is one, in the same database.
type Comparison struct {
	// Posts is RCAS's storing of the posts alone, without scores and words.
	Posts        Part          `json:"posts"`
	Alternatives []Alternative `json:"alternatives"`
	// LeftOut says what was not compared with, and why.
	LeftOut []string `json:"left_out,omitempty"`
}

// Alternative is what a user would pick instead of a part of RCAS, or the least that the database can do it with.
type Alternative struct {
	Name string `json:"name"`
	// Does says what it does of RCAS's part, and what it leaves undone.
	Does      string  `json:"does"`
	Messages  int     `json:"messages"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"messages_per_second"`
	// Own and Database are CPU time a message, in millionths of a second: its processes', and the database's.
	Own      float64 `json:"own_cpu_microseconds"`
	Database float64 `json:"database_cpu_microseconds"`
	// Parts of RCAS that do what it does, and more; RCAS is their CPU time a message, that of the database included.
	Parts []string `json:"rcas_parts"`
	RCAS  float64  `json:"rcas_cpu_microseconds"`
	// Ratio is RCAS's CPU time over the alternative's: below 1, RCAS needs less.
	Ratio float64 `json:"ratio"`
}

// Compare sets an alternative beside the parts of RCAS that do the same. measured is what the alternative took, its own processes' CPU
// time as [CPU.RCAS].
func Compare(name, does string, measured Part, same ...Part) Alternative {
	a := Alternative{Name: name, Does: does, Messages: measured.Messages, Seconds: measured.Seconds, PerSecond: measured.PerSecond,
		Own: measured.CPU.RCAS, Database: measured.CPU.Database}
	for _, p := range same {
		a.Parts = append(a.Parts, p.Name)
		a.RCAS += p.CPU.Sum()
	}
	if used := measured.CPU.Sum(); used > 0 {
		a.Ratio = a.RCAS / used
	}
	return a
}

// Rows are all rows of the tables that posts end up in, kept in files in the form that COPY reads fastest.
type Rows struct{ dir string }

// SaveRows writes them into a directory.
func SaveRows(ctx context.Context, db *pgxpool.Pool, dir string) (Rows, error) {
	return Rows{dir}, onEach(ctx, db, func(conn *pgx.Conn, table, columns string) error {
		file, err := os.Create(filepath.Join(dir, table))
		if err != nil {
			return err
		}
		_, err = conn.PgConn().CopyTo(ctx, file, fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT (FORMAT binary)", columns, table))
		return errors.Join(err, file.Close())
	})
}

// Copy puts them into a database of the same schema: one COPY a table, and nothing else.
func (r Rows) Copy(ctx context.Context, db *pgxpool.Pool) error {
	return onEach(ctx, db, func(conn *pgx.Conn, table, columns string) error {
		file, err := os.Open(filepath.Join(r.dir, table))
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = conn.PgConn().CopyFrom(ctx, bufio.NewReaderSize(file, 1<<20), fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", table, columns))
		return err
	})
}

// onEach does something with each of the tables, whose columns are those that are not computed.
func onEach(ctx context.Context, db *pgxpool.Pool, do func(conn *pgx.Conn, table, columns string) error) error {
	conn, err := db.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("copy rows: %w", err)
	}
	defer conn.Release()
	for _, table := range postTables {
		var columns string
		if err := conn.QueryRow(ctx, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, table).Scan(&columns); err != nil {
			return fmt.Errorf("list the columns of %s: %w", table, err)
		}
		if err := do(conn.Conn(), table, columns); err != nil {
			return fmt.Errorf("copy the rows of %s: %w", table, err)
		}
	}
	return nil
}

// Sample is the first comments of a file, one JSON object a line.
type Sample struct {
	// File holds them alone.
	File string
	Size int
	last time.Time
	csv  [][]byte
}

// csvBatch is how many rows timescaledb-parallel-copy copies at a time, unless told otherwise.
const csvBatch = 5000

// TakeSample copies the first comments of a file to another.
func TakeSample(from, to string, size int) (*Sample, error) {
	in, err := os.Open(from)
	if err != nil {
		return nil, fmt.Errorf("take a sample of the comments: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return nil, fmt.Errorf("take a sample of the comments: %w", err)
	}
	s := &Sample{File: to}
	return s, errors.Join(s.take(in, out, size), out.Close())
}

func (s *Sample) take(in io.Reader, out io.Writer, size int) error {
	var batch bytes.Buffer
	rows := csv.NewWriter(&batch)
	end := func() {
		rows.Flush()
		s.csv = append(s.csv, bytes.Clone(batch.Bytes()))
		batch.Reset()
	}
	lines := bufio.NewScanner(in)
	for s.Size < size && lines.Scan() {
		var c comment
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("take a sample of the comments: %w", err)
		}
		s.last = time.Unix(c.CreatedAt, 0).UTC()
		if err := rows.Write([]string{s.last.Format(time.RFC3339), c.ID, c.Author, c.Body, strconv.Itoa(c.Score), c.Subreddit}); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n", lines.Bytes()); err != nil {
			return err
		}
		if s.Size++; s.Size%csvBatch == 0 {
			end()
		}
	}
	if s.Size%csvBatch > 0 {
		end()
	}
	return lines.Err()
}

// MakePlain makes an empty hypertable of comments, with TimescaleDB's own index on the time and no other.
func MakePlain(ctx context.Context, db *pgxpool.Pool, table string) error {
	_, err := db.Exec(ctx, fmt.Sprintf(`CREATE TABLE %[1]s (time timestamptz NOT NULL, id text, author text, body text, score float8, subreddit text);
		SELECT create_hypertable('%[1]s', 'time', chunk_time_interval => INTERVAL '1 day')`, table))
	if err != nil {
		return fmt.Errorf("make the table %s: %w", table, err)
	}
	return nil
}

// CopyPosts copies the sample into a plain hypertable as timescaledb-parallel-copy does: CSV, by several connections, in batches. Writing
// the CSV is not part of it.
func (s *Sample) CopyPosts(ctx context.Context, db *pgxpool.Pool, table string, connections int) error {
	batches := make(chan []byte, len(s.csv))
	for _, batch := range s.csv {
		batches <- batch
	}
	close(batches)
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			return db.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
				for batch := range batches {
					if _, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(batch), "COPY "+table+" FROM STDIN (FORMAT csv)"); err != nil {
						return fmt.Errorf("copy comments: %w", err)
					}
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// Telegraf has the executable read the sample's file into a plain hypertable, until all are there, and returns its own CPU seconds.
func (s *Sample) Telegraf(ctx context.Context, executable, dir, databaseURL, table string, db *pgxpool.Pool, connections int) (cpu float64, err error) {
	config := filepath.Join(dir, "telegraf.conf")
	database, err := url.Parse(databaseURL)
	if err != nil {
		return 0, errors.New("configure Telegraf: the database's URL is no URL")
	}
	query := database.Query()
	query.Set("pool_max_conns", strconv.Itoa(connections))
	database.RawQuery = query.Encode()
	if err := os.WriteFile(config, fmt.Appendf(nil, telegrafConfig, s.File, table, database), 0o600); err != nil {
		return 0, fmt.Errorf("configure Telegraf: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, executable, "--quiet", "--config", config)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start Telegraf: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = s.await(ctx, db, table, ended)
	stop()
	if err != nil {
		return 0, fmt.Errorf("telegraf: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	<-ended // killed: what it read is stored
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// await waits until the whole sample is in a table. It asks for the last second, which takes little of the database's time, and once for all.
func (s *Sample) await(ctx context.Context, db *pgxpool.Pool, table string, ended <-chan error) error {
	for {
		var last, all int
		err := db.QueryRow(ctx, `SELECT count(*) FROM `+table+` WHERE time >= $1`, s.last).Scan(&last)
		if err == nil && last > 0 {
			err = db.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&all)
		}
		if err != nil || all == s.Size {
			return err
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended with %d of %d comments stored", all, s.Size)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// telegrafConfig takes the file, the table and the database. A batch is as large as RCAS's.
const telegrafConfig = `
[agent]
  omit_hostname = true
  metric_batch_size = 5000
  metric_buffer_limit = 50000
  flush_interval = "1s"
[[inputs.tail]]
  files = [%q]
  initial_read_offset = "beginning"
  max_undelivered_lines = 20000
  path_tag = ""
  name_override = %q
  data_format = "json"
  json_string_fields = ["id", "author", "body", "subreddit"]
  json_time_key = "created_utc"
  json_time_format = "unix"
[[outputs.postgresql]]
  connection = %q
  timestamp_column_type = "timestamp with time zone"
`

// Vader has the executable of bench/vader score the sample's texts.
func (s *Sample) Vader(ctx context.Context, executable string) (Part, error) {
	out, err := exec.CommandContext(ctx, executable, s.File).Output()
	if err != nil {
		return Part{}, fmt.Errorf("run %s: %w", executable, err)
	}
	var took struct {
		Texts   int
		Seconds float64
		CPU     float64 `json:"cpu_seconds"`
	}
	if err := json.Unmarshal(out, &took); err != nil || took.Texts != s.Size {
		return Part{}, fmt.Errorf("%s scored %d of %d texts: %w", executable, took.Texts, s.Size, err)
	}
	return Measured("vader", took.Texts, time.Duration(took.Seconds*float64(time.Second)), CPU{RCAS: took.CPU}), nil
}
