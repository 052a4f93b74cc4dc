package embedded_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"rcas/store/embedded"
)

func TestStartupParameters(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared, parameter("timezone", "Asia/Tokyo"), parameter("options", `-c search_path=a,b -c application_name=it's\ me -cwork_mem=5MB --geqo=off`))
	require.Equal(t, "Asia/Tokyo", conn.PgConn().ParameterStatus("TimeZone"))
	require.Equal(t, "it's me", conn.PgConn().ParameterStatus("application_name"))
	require.Equal(t, "17.5", conn.PgConn().ParameterStatus("server_version"))
	other := connect(t, shared)
	for name, values := range map[string][2]string{
		"TimeZone": {"Asia/Tokyo", "UTC"}, "application_name": {"it's me", ""}, "search_path": {"a,b", `"$user", public`},
		"work_mem": {"5MB", "4MB"}, "geqo": {"off", "on"}, "enable_seqscan": {"on", "on"}, "client_min_messages": {"notice", "notice"},
	} {
		require.Equal(t, values[0], one[string](t, conn, "SHOW "+name))
		require.Equal(t, values[1], one[string](t, other, "SHOW "+name))
	}
	config, err := pgx.ParseConfig(shared.URL())
	require.NoError(t, err)
	config.RuntimeParams["work_mem"] = "much"
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.ErrorContains(t, err, `invalid value for parameter "work_mem"`)
}

func TestParameterStatusFollowsSet(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	known := func() string { return conn.PgConn().ParameterStatus("TimeZone") }
	must(t, conn, `SET TimeZone = 'Europe/Berlin'`)
	require.Equal(t, "Europe/Berlin", known())
	must(t, conn, `BEGIN; SET TimeZone = 'Asia/Tokyo'`)
	must(t, conn, `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`)
	must(t, conn, `COMMIT`)
	require.Equal(t, "Asia/Tokyo", known())
	must(t, conn, `BEGIN; RESET TimeZone`)
	must(t, conn, `ROLLBACK`)
	require.Equal(t, "Asia/Tokyo", known())
	must(t, conn, `DISCARD ALL`)
	require.Equal(t, "UTC", known())
	require.Equal(t, `"$user", public`, one[string](t, conn, `SHOW search_path`))
}

// The settings of sessions that take turns at random must be as if each had a backend of its own.
func TestSettingsAgainstModel(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	base := map[string]string{"search_path": `"$user", public`, "TimeZone": "UTC", "work_mem": "4MB", "role": "none"}
	names := []string{"search_path", "TimeZone", "work_mem", "role"}
	values := map[string][]string{
		"search_path": {"pg_catalog", "public", `"a b", c`}, "TimeZone": {"Asia/Tokyo", "America/New_York"},
		"work_mem": {"1MB", "2MB"}, "role": {"embedded_model"},
	}
	const sessions = 5
	var conns [sessions]*pgx.Conn
	var model [sessions]map[string]string
	for i := range conns {
		conns[i] = connect(t, shared)
		model[i] = map[string]string{}
		for name, value := range base {
			model[i][name] = value
		}
		if i == 0 {
			must(t, conns[0], `CREATE ROLE embedded_model`)
		}
	}
	for step := range 200 {
		i := random.IntN(sessions)
		conn, name := conns[i], names[random.IntN(len(names))]
		value := values[name][random.IntN(len(values[name]))]
		switch random.IntN(6) {
		case 0, 1:
			must(t, conn, `SELECT set_config($1, $2, false)`, name, value)
			model[i][name] = value
		case 2:
			must(t, conn, `BEGIN`)
			must(t, conn, `SELECT set_config($1, $2, false)`, name, value)
			must(t, conn, `ROLLBACK`)
		case 3:
			must(t, conn, `BEGIN`)
			must(t, conn, `SELECT set_config($1, $2, true)`, name, value)
			must(t, conn, `COMMIT`)
		case 4:
			must(t, conn, `RESET `+name)
			model[i][name] = base[name]
		case 5:
			if random.IntN(5) == 0 {
				must(t, conn, `RESET ALL`)
				for name, value := range base {
					if name != "role" {
						model[i][name] = value
					}
				}
			}
		}
		i = random.IntN(sessions)
		for _, name := range names {
			require.Equal(t, model[i][name], one[string](t, conns[i], `SELECT current_setting($1)`, name), "step %d, session %d, %s", step, i, name)
		}
	}
}

func TestTemporaryTablesDoNotLeak(t *testing.T) {
	t.Parallel()
	a, b := connect(t, shared), connect(t, shared)
	must(t, a, `CREATE TEMP TABLE mine (i int)`)
	must(t, a, `CREATE TEMP TABLE more (i int)`)
	_, err := b.Exec(t.Context(), `SELECT * FROM mine`)
	require.ErrorContains(t, err, `relation "mine" does not exist`)
	must(t, b, `CREATE TEMP TABLE mine (j text)`)
}

func TestSessionAuthorization(t *testing.T) {
	t.Parallel()
	owner := connect(t, shared)
	schema(t, owner)
	must(t, owner, `CREATE ROLE embedded_reader; CREATE TABLE secret (i int)`)
	reader := connect(t, shared, func(config *pgx.ConnConfig) { config.User = "embedded_reader" })
	for range 2 {
		require.Equal(t, "embedded_reader", one[string](t, reader, `SELECT current_user::text`))
		_, err := reader.Exec(t.Context(), `CREATE TABLE public.x (i int)`)
		require.ErrorContains(t, err, "permission denied")
		require.Equal(t, "postgres", one[string](t, owner, `SELECT current_user::text`))
	}
	config, err := pgx.ParseConfig(shared.URL())
	require.NoError(t, err)
	config.User = "nobody"
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.ErrorContains(t, err, `role "nobody" does not exist`)
}

// A second session waits while a transaction is open, and then sees what it has committed.
func TestTransactionsTakeTurns(t *testing.T) {
	t.Parallel()
	a, b := connect(t, shared), connect(t, shared)
	name := schema(t, a)
	must(t, a, `CREATE TABLE n (i int)`)
	must(t, b, `SET search_path = `+name)
	must(t, a, `BEGIN`)
	must(t, a, `INSERT INTO n VALUES (1)`)
	counted := make(chan int64)
	go func() {
		var n int64
		if err := b.QueryRow(context.Background(), `SELECT count(*) FROM n`).Scan(&n); err != nil {
			n = -1
		}
		counted <- n
	}()
	must(t, a, `INSERT INTO n VALUES (2)`)
	select {
	case <-counted:
		require.Fail(t, "the other session did not wait")
	default:
	}
	must(t, a, `COMMIT`)
	require.EqualValues(t, 2, <-counted)
}

func TestDisconnectWithinTransaction(t *testing.T) {
	t.Parallel()
	a, b := connect(t, shared), connect(t, shared)
	name := schema(t, a)
	must(t, a, `CREATE TABLE n (i int)`)
	must(t, a, `BEGIN`)
	must(t, a, `INSERT INTO n VALUES (1)`)
	require.NoError(t, a.PgConn().Conn().Close())
	require.EqualValues(t, 0, one[int64](t, b, fmt.Sprintf(`SELECT count(*) FROM %s.n`, name)))
}

func TestIdleInTransaction(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{IdleInTransaction: 100 * time.Millisecond})
	watcher := connect(t, server)
	must(t, watcher, `CREATE TABLE n (i int)`)
	idler := begin(t, dial(t, server))
	idler.Send(&pgproto3.Query{String: `BEGIN; INSERT INTO n VALUES (1)`})
	require.NoError(t, idler.Flush())
	require.Equal(t, "25P03", failureOf(t, idler).Code)
	require.EqualValues(t, 0, one[int64](t, watcher, `SELECT count(*) FROM n`))

	// A client that does not take its answers holds up nobody for longer than an idle one.
	slow := begin(t, dial(t, server))
	slow.Send(&pgproto3.Query{String: `BEGIN; SELECT repeat('x', 1000) FROM generate_series(1, 10000)`})
	require.NoError(t, slow.Flush())
	_, err := slow.Receive()
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, watcher, `SELECT 1`))
}

func TestManyClients(t *testing.T) {
	t.Parallel()
	first := connect(t, shared)
	name := schema(t, first)
	must(t, first, `CREATE TABLE balance (id int PRIMARY KEY, amount bigint); INSERT INTO balance SELECT i, 100 FROM generate_series(1, 10) i`)
	const clients, transfers = 50, 10
	done := make(chan error, clients)
	for i := range clients {
		conn := connect(t, shared, parameter("search_path", name))
		go func() {
			for j := range transfers {
				err := pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(context.Background(), `UPDATE balance SET amount = amount - 1 WHERE id = $1`, i%10+1); err != nil {
						return err
					}
					_, err := tx.Exec(context.Background(), `UPDATE balance SET amount = amount + 1 WHERE id = $1`, (i+j)%10+1)
					return err
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 1000, one[int64](t, first, `SELECT sum(amount)::bigint FROM balance`))
}
