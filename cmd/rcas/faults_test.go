package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream"
)

// fault is one thing that goes wrong. Begin brings it about and returns how it ends, by somebody's help.
type fault struct {
	name  string
	begin func(d *deployment) (end func())
	// process says that it is done to the processes of the database, which the test must be able to start; disk, that it is done to its disk,
	// which must be the test's own.
	process, disk bool
	// clock says that it steps the clock of a process, which must be one that can be set.
	clock bool
	// within is how long after its end posts must be taken again; zero: as long as the test waits for anything.
	within time.Duration
}

// faults of a deployment. Each is followed by a count of everything.
var faults = []fault{
	{name: "ingest stopped", begin: func(d *deployment) func() { return d.ingest.pause() }},
	{name: "score stopped", begin: func(d *deployment) func() { return d.score.pause() }},
	{name: "NATS stopped", begin: func(d *deployment) func() { return d.nodes[0].pause() }},
	{name: "database stopped", process: true, begin: func(d *deployment) func() {
		pids := d.databaseProcesses()
		sendAll(pids, syscall.SIGSTOP)
		return func() { sendAll(pids, syscall.SIGCONT) }
	}},
	{name: "ingest killed", begin: func(d *deployment) func() { d.ingest.kill(); return d.ingest.start }},
	{name: "score killed", begin: func(d *deployment) func() { d.score.kill(); return d.score.start }},
	{name: "NATS killed", begin: func(d *deployment) func() { d.nodes[0].kill(); return d.nodes[0].start }},
	{name: "database killed", process: true, begin: func(d *deployment) func() {
		sendAll(d.databaseProcesses(), syscall.SIGKILL)
		return d.startDatabase
	}},
	{name: "ingest started 15 s behind", clock: true, begin: func(d *deployment) func() {
		d.ingest.kill()
		d.ingest.clock = -15 * time.Second
		d.ingest.start()
		d.ingest.clock = 0
		d.waitForFuture()
		return func() { d.step(d.ingest, 0) }
	}},
	{name: "clocks of ingest and score stepped back an hour, and forth", clock: true, begin: func(d *deployment) func() {
		back := both(d.step(d.ingest, -time.Hour), d.step(d.score, -time.Hour))
		d.waitForFuture()
		return back
	}},
	{name: "clocks of ingest and score stepped forth an hour, and back", clock: true, begin: func(d *deployment) func() {
		return both(d.step(d.ingest, time.Hour), d.step(d.score, time.Hour))
	}},
	{name: "clock of NATS stepped forth an hour, and back", clock: true, begin: func(d *deployment) func() { return d.step(d.nodes[0], time.Hour) }},
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
	{name: "disk full under the database", disk: true, begin: func(d *deployment) func() {
		return d.databaseDisk.fill(d.TB, d.databaseProcesses()...)
	}},
	{name: "score started on a full disk of the database", disk: true, begin: func(d *deployment) func() {
		d.score.kill()
		free := d.databaseDisk.fill(d.TB, d.databaseProcesses()...)
		d.score.start()
		return free
	}},
	{name: "disk full under NATS", begin: func(d *deployment) func() {
		free := d.natsDisk.fill(d.TB, d.nodes[0].cmd.Process.Pid)
		return func() {
			free()
			d.nodes[0].kill() // a server that could not write takes nothing until it is started again
			d.nodes[0].start()
		}
	}},
}

// TestFaults hurts a deployment while posts and trades come in, and counts: nothing is lost, nothing is there twice. RCAS_SOAK=n does each
// fault for a minute, n times, in an order of chance.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := deploy(t, 1)
	d.tryAll(faults)
	d.upgrade()
	d.requireExact()
}

// faultsOfCluster are those of three NATS nodes; the last of them only in a soak.
var faultsOfCluster = []fault{
	// Measured 11 s. What was under way to it is asked for after ten; the rest is a choice of the nodes on a busy machine.
	{name: "the leading node killed", within: 90 * time.Second, begin: func(d *deployment) func() { return d.killNodes(d.leader()) }},
	{name: "two of three nodes killed", begin: func(d *deployment) func() { leader := d.leader(); return d.killNodes(leader, (leader+1)%3) }},
	{name: "two of three nodes stopped", begin: func(d *deployment) func() {
		leader := d.leader()
		return both(d.nodes[leader].pause(), d.nodes[(leader+1)%3].pause())
	}},
	{name: "the leading node stopped", begin: func(d *deployment) func() { return d.nodes[d.leader()].pause() }},
	{name: "all nodes killed", begin: func(d *deployment) func() { return d.killNodes(0, 1, 2) }},
}

// TestFaultsOfACluster is TestFaults with three NATS nodes, each a process of its own, and what can happen to them.
func TestFaultsOfACluster(t *testing.T) {
	t.Parallel()
	d := deploy(t, 3)
	if soak() > 0 {
		d.tryAll(faultsOfCluster)
	} else {
		d.tryAll(faultsOfCluster[:3])
	}
	d.requireExact()
}

// tryAll brings about one fault after the other, in an order of chance.
func (d *deployment) tryAll(faults []fault) {
	d.Helper()
	d.waitFor("nothing is taken", func() bool { return d.batches.Load() > 0 })
	d.settle()
	for range max(soak(), 1) {
		for _, i := range d.rng.Perm(len(faults)) {
			switch f := faults[i]; {
			case d.native && (f.disk || f.process && os.Getenv(startNative) == ""): // it is done to the embedded one, by the same test
			case f.clock && !canSetClocks:
				d.Logf("%s: left out, for clocks can't be set here", f.name)
			default:
				d.try(f)
			}
		}
	}
}

// leader is the node that leads the stream of posts.
func (d *deployment) leader() int {
	d.Helper()
	leader := -1
	d.waitFor("nobody leads the stream", func() bool {
		nc, err := nats.Connect(d.natsURL)
		if err != nil {
			return false
		}
		defer nc.Close()
		js, err := nc.JetStream()
		require.NoError(d, err)
		info, err := js.StreamInfo(stream.Tweets)
		if err != nil || info.Cluster == nil {
			return false
		}
		leader = slices.IndexFunc(d.nodes, func(p *part) bool { return p.name == info.Cluster.Leader })
		return leader >= 0
	})
	return leader
}

// killNodes kills nodes, which come back one after the other.
func (d *deployment) killNodes(which ...int) func() {
	for _, i := range which {
		d.nodes[i].kill()
	}
	return func() {
		for _, i := range which {
			d.nodes[i].start()
		}
	}
}

// waitForFuture waits until ingest has not taken something because it lies ahead of its clock.
func (d *deployment) waitForFuture() {
	d.Helper()
	before := d.early.Load()
	d.waitFor("nothing lies ahead of the clock of ingest", func() bool { return d.early.Load() > before })
}

// step sets the clock of a process so far from this machine's, and returns what sets it right.
func (d *deployment) step(p *part, off time.Duration) func() {
	d.Helper()
	require.NoError(d, p.setClock(off))
	return func() { require.NoError(d, p.setClock(0)) }
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
	if f.within > 0 {
		require.Less(d, taken, f.within, f.name+": posts are taken again too late")
	}
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

// startNative is a command that starts the native server again once it was killed. Where it is given, tests kill and stop that server, all of it.
const startNative = "RCAS_TEST_DATABASE_START"

// databaseProcesses are those of the database: one, where it is embedded, or a native server's first and all that it has started.
func (d *deployment) databaseProcesses() []int {
	d.Helper()
	if !d.native {
		pid := 0
		d.waitFor("the database does not run", func() bool { pid = databaseProcess(d.databaseDisk.dir); return pid != 0 })
		return []int{pid}
	}
	first := parent(int(storetest.Value[int32](d, d.database, `SELECT pg_backend_pid()`)))
	pids := []int{first}
	all, err := os.ReadDir("/proc")
	require.NoError(d, err)
	for _, entry := range all {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && parent(pid) == first {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parent is the process that started another, or 0.
func parent(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "\nPPid:")
	line, _, _ := strings.Cut(rest, "\n")
	of, _ := strconv.Atoi(strings.TrimSpace(line))
	return of
}

func sendAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

// startDatabase starts a native server that was killed; an embedded one is started by whoever has it.
func (d *deployment) startDatabase() {
	d.Helper()
	if d.native {
		d.waitFor("the database does not start again", func() bool { return exec.Command("sh", "-c", os.Getenv(startNative)).Run() == nil })
	}
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
