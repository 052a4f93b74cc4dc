package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// fault is one thing that goes wrong. Begin brings it about and returns how it ends, by somebody's help.
type fault struct {
	name  string
	begin func(d *deployment) (end func())
	// embedded says that it is done to the database's process, which must be the test's own.
	embedded bool
}

// faults of a deployment. Each is followed by a count of everything.
var faults = []fault{
	{name: "ingest stopped", begin: func(d *deployment) func() { return d.ingest.pause() }},
	{name: "score stopped", begin: func(d *deployment) func() { return d.score.pause() }},
	{name: "NATS stopped", begin: func(d *deployment) func() { return d.nats.pause() }},
	{name: "database stopped", embedded: true, begin: func(d *deployment) func() {
		pid := d.databaseProcess()
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	}},
	{name: "ingest killed", begin: func(d *deployment) func() { d.ingest.kill(); return d.ingest.start }},
	{name: "score killed", begin: func(d *deployment) func() { d.score.kill(); return d.score.start }},
	{name: "NATS killed", begin: func(d *deployment) func() { d.nats.kill(); return d.nats.start }},
	{name: "database killed", embedded: true, begin: func(d *deployment) func() {
		_ = syscall.Kill(d.databaseProcess(), syscall.SIGKILL)
		return func() {}
	}},
	{name: "ingest cut from NATS", begin: func(d *deployment) func() { return d.harm("ingest nats", harm{silent: true}) }},
	{name: "ingest cut from the database", begin: func(d *deployment) func() { return d.harm("ingest database", harm{silent: true}) }},
	{name: "score cut from NATS", begin: func(d *deployment) func() { return d.harm("score nats", harm{silent: true}) }},
	{name: "score cut from the database", begin: func(d *deployment) func() { return d.harm("score database", harm{silent: true}) }},
	{name: "NATS unreachable", begin: func(d *deployment) func() {
		return both(d.harm("ingest nats", harm{closed: true}), d.harm("score nats", harm{closed: true}))
	}},
	{name: "database unreachable", begin: func(d *deployment) func() { return d.harmDatabase(harm{closed: true}) }},
	{name: "database slow", begin: func(d *deployment) func() { return d.harmDatabase(harm{delay: 100 * time.Millisecond}) }},
	{name: "database read-only", begin: func(d *deployment) func() { return d.harmDatabase(harm{readOnly: true}) }},
	{name: "database failed over", begin: (*deployment).failOver},
	{name: "database out of connections", begin: (*deployment).takeConnections},
	{name: "poison", begin: (*deployment).poison},
	{name: "disk full under the database", embedded: true, begin: func(d *deployment) func() {
		return d.databaseDisk.fill(d.TB, d.databaseProcess())
	}},
	{name: "score started on a full disk of the database", embedded: true, begin: func(d *deployment) func() {
		d.score.kill()
		free := d.databaseDisk.fill(d.TB, d.databaseProcess())
		d.score.start()
		return free
	}},
	{name: "disk full under NATS", begin: func(d *deployment) func() {
		free := d.natsDisk.fill(d.TB, d.nats.cmd.Process.Pid)
		return func() {
			free()
			d.nats.kill() // a server that could not write takes nothing until it is started again
			d.nats.start()
		}
	}},
}

// TestFaults hurts a deployment while posts and trades come in, and counts: nothing is lost, nothing is there twice. RCAS_SOAK=n does each
// fault for a minute, n times, in an order of chance.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.waitFor("nothing is taken", func() bool { return d.batches.Load() > 0 })
	d.settle()
	for range max(soak(), 1) {
		for _, i := range d.rng.Perm(len(faults)) {
			f := faults[i]
			if f.embedded && d.native {
				continue // it is done to the embedded one, by the same test
			}
			d.try(f)
		}
	}
	d.upgrade()
	d.requireExact()
}

// upgrade changes the schema under services that run, as a newer rcas does, which then end and say why; and goes back to theirs.
func (d *deployment) upgrade() {
	d.Helper()
	version := storetest.Value[int64](d, d.database, `SELECT version FROM schema_migrations`)
	d.ingest.killed, d.score.killed = true, true // they may end
	storetest.Exec(d, d.database, `UPDATE schema_migrations SET version = version + 1`)
	for _, p := range []*part{d.ingest, d.score} {
		<-p.ended
		require.Contains(d, p.log.String(), "run the rcas that changed it")
		require.Equal(d, 1, p.cmd.ProcessState.ExitCode())
	}
	storetest.Exec(d, d.database, `UPDATE schema_migrations SET version = $1`, version)
	d.ingest.start()
	d.score.start()
	before := d.batches.Load()
	d.waitFor("nothing is taken after the upgrade", func() bool { return d.batches.Load() > before })
	d.settle()
}

// poison publishes what can't be stored past the door: it is set aside, and the rest goes on.
func (d *deployment) poison() func() {
	nc, err := nats.Connect(d.natsURL)
	require.NoError(d, err)
	for range 5 {
		require.NoError(d, nc.Publish("tweets.poison", []byte(`{"source":"poison"`)))
		require.NoError(d, nc.Publish("prices.poison", []byte(`{"venue":"poison","price":-1}`)))
	}
	require.NoError(d, nc.Flush())
	d.poisoned += 10
	return nc.Close
}

// try brings a fault about, for a while, and measures how long after its end everything that came meanwhile is stored and scored.
func (d *deployment) try(f fault) {
	d.Helper()
	lasts := time.Duration(500+d.rng.IntN(1500)) * time.Millisecond
	if soak() > 0 {
		lasts = time.Minute
	}
	before := d.batches.Load()
	d.waitFor("nothing is sent", func() bool { return d.batches.Load() > before })
	end := f.begin(d)
	time.Sleep(lasts) // how long it lasts is the test's own choice
	end()
	ended, meanwhile := time.Now(), d.batches.Load()
	d.waitFor(f.name+": nothing is taken afterwards", func() bool { return d.batches.Load() > meanwhile })
	taken := time.Since(ended)
	n := d.settle()
	d.Logf("%s for %s: takes posts %s after its end, all %d stored and scored %s after it", f.name, lasts,
		taken.Round(10*time.Millisecond), n, time.Since(ended).Round(10*time.Millisecond))
	if soak() > 0 { // in an ordinary test, once at the end
		d.requireExact()
	}
}

func (p *part) pause() func() {
	p.signal(syscall.SIGSTOP)
	return func() { p.signal(syscall.SIGCONT) }
}

func both(a, b func()) func() { return func() { a(); b() } }

func (d *deployment) databaseProcess() int {
	d.Helper()
	pid := 0
	d.waitFor("the database does not run", func() bool { pid = databaseProcess(d.databaseDisk.dir); return pid != 0 })
	return pid
}

func (d *deployment) harm(between string, does harm) func() {
	d.links[between].make(does)
	return func() { d.links[between].make(harm{}) }
}

func (d *deployment) harmDatabase(does harm) func() {
	return both(d.harm("ingest database", does), d.harm("score database", does))
}

// failOver takes the primary from score, whose URL names both hosts, and makes the standby the primary; and back.
func (d *deployment) failOver() func() {
	roles := func(primary, standby string) {
		d.links[primary].make(harm{})
		d.links[standby].make(harm{readOnly: true})
	}
	d.links["score database"].make(harm{closed: true})
	roles("score standby", "score database")
	return func() { roles("score database", "score standby") }
}

// takeConnections leaves the services without sessions: those that they have break, and somebody else has taken all that there are.
func (d *deployment) takeConnections() func() {
	var taken []*pgx.Conn
	take := func() {
		for {
			conn, err := pgx.Connect(d.Context(), d.database.URL())
			if err != nil {
				require.ErrorContains(d, err, "53300")
				return
			}
			taken = append(taken, conn)
		}
	}
	back := d.harmDatabase(harm{closed: true})
	take()
	back()
	return func() {
		for _, conn := range taken {
			_ = conn.Close(d.Context())
		}
	}
}
