package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"rcas/ingestor"
	"rcas/store"
	"rcas/store/storetest"
	"rcas/stream"
)

// beNATS makes the test binary a NATS server of its own, with the port and the directory that the variable names; and where these follow,
// with the name, the port and the routes of a node of a cluster.
const beNATS = "TEST_BINARY_IS_NATS"

func serveNATS(where string) int {
	what := strings.Fields(where)
	options := &server.Options{Host: "127.0.0.1", JetStream: true, StoreDir: what[1], NoLog: true, NoSigs: true, SyncInterval: stream.DefaultSyncInterval,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 40}
	options.Port, _ = strconv.Atoi(what[0])
	if len(what) > 2 {
		options.ServerName, options.Cluster = what[2], server.ClusterOpts{Name: "test", Host: "127.0.0.1"}
		options.Cluster.Port, _ = strconv.Atoi(what[3])
		options.Routes = server.RoutesFromStr(what[4])
	}
	s, err := server.NewServer(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	s.Shutdown()
	s.WaitForShutdown()
	return 0
}

// deployment is what operations.md describes: a database and a NATS server, each with a disk of its own, an ingest and a score, as
// processes that can be hurt one by one, with a link between any two that talk.
type deployment struct {
	testing.TB
	rng               *rand.Rand
	database          *store.Store // past the links, for the oracle
	databaseDisk      disk
	natsDisk          disk
	natsURL           string // of all nodes
	nodes             []*part
	ingest, score     *part
	links             map[string]*link // "ingest database", …
	sending           sync.Mutex       // held while a batch is under way
	batches           atomic.Int64     // that were accepted
	early             atomic.Int64     // answers that something lies ahead of a clock
	poisoned          int              // messages that cannot be stored
	lost              int64            // batches that the database put back lacks
	missing           [][]any          // what it is told to lack, by stream
	stopped, sentLast chan struct{}
	start             time.Time
	native            bool // the database is a server by URL, which is not the test's to stop
}

// What a batch holds. Of its posts, the last is a repeat of the one before it.
const (
	batchPosts  = 8
	batchTrades = 2
)

// deploy starts a deployment, and sends it posts and trades until the test ends.
func deploy(t *testing.T, nodes int) *deployment {
	t.Helper()
	d := servers(t, nodes)
	go d.send()
	t.Cleanup(d.stop)
	return d
}

// servers starts a deployment, with a NATS server or a cluster of several nodes.
func servers(t testing.TB, nodes int) *deployment {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := &deployment{TB: t, rng: rand.New(rand.NewPCG(seed, 3)), links: map[string]*link{}, stopped: make(chan struct{}),
		sentLast: make(chan struct{}), start: time.Now().Add(-3 * time.Hour), native: os.Getenv(storetest.Variable) != ""}
	d.databaseDisk, d.natsDisk = newDisk(t, "400m"), newDisk(t, "200m")
	if d.native {
		d.database = storetest.New(t)
	} else {
		d.database = storetest.NewIn(t, d.databaseDisk.dir)
	}
	if nodes == 1 {
		d.startServer()
	} else {
		d.startCluster(nodes)
	}
	for _, name := range []string{"ingest", "score"} {
		d.links[name+" database"] = newLink(t, d.dialDatabase)
	}
	d.links["score standby"] = newLink(t, d.dialDatabase) // the same database, which is a standby where sessions are read-only
	d.links["score standby"].make(harm{readOnly: true})
	d.ingest = d.part("ingest", beRcas+"=1", d.arguments("ingest", "--source", "push", "--source-url", "push=127.0.0.1:0")...)
	d.score = d.part("score", beRcas+"=1", d.arguments("score")...)
	d.ingest.start()
	d.score.start()
	return d
}

// startServer starts one NATS server on its small disk, with a link to each of the others.
func (d *deployment) startServer() {
	d.Helper()
	port := freePort(d)
	d.natsURL = "nats://127.0.0.1:" + port
	d.nodes = []*part{d.part("nats", beNATS+"="+port+" "+d.natsDisk.dir)}
	d.nodes[0].start()
	d.waitFor("NATS does not start", func() bool { return canDial("127.0.0.1:" + port) })
	for _, name := range []string{"ingest", "score"} {
		d.links[name+" nats"] = newLink(d, func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+port) })
	}
}

// startCluster starts NATS nodes that know each other, and waits until one leads all of them.
func (d *deployment) startCluster(n int) {
	d.Helper()
	var ports, urls, routes []string
	for range n {
		client, cluster := freePort(d), freePort(d)
		ports = append(ports, client+" "+cluster)
		urls = append(urls, "nats://127.0.0.1:"+client)
		routes = append(routes, "nats://127.0.0.1:"+cluster)
	}
	d.natsURL = strings.Join(urls, ",")
	for i := range n {
		client, cluster, _ := strings.Cut(ports[i], " ")
		node := d.part(fmt.Sprint("node", i), fmt.Sprint(beNATS, "=", client, " ", d.TempDir(), " node", i, " ", cluster, " ", strings.Join(routes, ",")))
		d.nodes = append(d.nodes, node)
		node.start()
	}
	d.waitFor("the nodes make no cluster", func() bool {
		s, err := stream.Open(d.Context(), stream.Config{URL: d.natsURL, Replicas: n})
		if err == nil {
			s.Close()
		}
		return err == nil
	})
}

func (d *deployment) arguments(command string, more ...string) []string {
	u, err := url.Parse(d.database.URL())
	require.NoError(d, err)
	u.Host, u.RawQuery = d.links[command+" database"].address(), "sslmode=disable"
	if standby := d.links[command+" standby"]; standby != nil {
		u.Host, u.RawQuery = u.Host+","+standby.address(), u.RawQuery+"&target_session_attrs=read-write"
	}
	natsURL := d.natsURL
	if between := d.links[command+" nats"]; between != nil {
		natsURL = "nats://" + between.address()
	}
	return append([]string{command, "--database-url", u.String(), "--nats-url", natsURL,
		"--data-dir", d.TempDir(), "--log-level", "info", "--metrics-address", "off"}, more...)
}

func (d *deployment) dialDatabase() (net.Conn, error) {
	u, err := url.Parse(d.database.URL())
	if err != nil {
		return nil, err
	}
	if dir := u.Query().Get("host"); dir != "" {
		return net.Dial("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	}
	return net.Dial("tcp", u.Host)
}

func (d *deployment) waitFor(otherwise string, condition func() bool) {
	d.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		require.True(d, time.Now().Before(deadline), otherwise)
		d.requireRunning()
	}
}

// requireRunning wants every process to be there that nobody has ended.
func (d *deployment) requireRunning() {
	d.Helper()
	for _, p := range append([]*part{d.ingest, d.score}, d.nodes...) {
		if p == nil || p.killed {
			continue
		}
		select {
		case <-p.ended:
			require.Fail(d, p.name+" ended by itself")
		default:
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func canDial(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// disk is a small one of the test's own, or where none can be mounted a directory: then a limit on the size of files stands for a full one.
type disk struct {
	dir     string
	mounted bool
}

func newDisk(t testing.TB, size string) disk {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size+",mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no small disk can be mounted (%s): a limit on the size of files will stand for a full one", bytes.TrimSpace(out))
		return disk{dir: dir}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", dir).Run() })
	return disk{dir: dir, mounted: true}
}

// fill leaves no room on the disk, for files of the processes, until the function that it returns is called.
func (k disk) fill(t testing.TB, processes ...int) (free func()) {
	t.Helper()
	if k.mounted {
		name := filepath.Join(k.dir, "filling")
		f, err := os.Create(name)
		require.NoError(t, err)
		_, err = io.Copy(f, zeros{})
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, f.Close())
		return func() { require.NoError(t, os.Remove(name)) }
	}
	limit := func(size string) {
		for _, pid := range processes {
			out, err := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize="+size+":").CombinedOutput()
			require.NoError(t, err, string(out))
		}
	}
	limit("65536")
	return func() { limit("unlimited") }
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// part is one process of a deployment.
type part struct {
	d     *deployment
	name  string
	env   string
	args  []string
	cmd   *exec.Cmd
	ended chan struct{}
	// killed says that the test did it.
	killed bool
	// clock is how far the process's clock is from this machine's when it starts; setClock steps it.
	clock    time.Duration
	setClock func(off time.Duration) error
	log      safeBuffer
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (d *deployment) part(name, env string, args ...string) *part {
	p := &part{d: d, name: name, env: env, args: args}
	d.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			p.kill()
		}
		if d.Failed() {
			text := p.log.String()
			d.Logf("%s said: %s", name, text[max(0, len(text)-4000):])
		}
	})
	return p
}

func (p *part) start() {
	p.d.Helper()
	p.cmd = process(p.d.TB, p.args...)
	p.cmd.Env = append(p.cmd.Env[:len(p.cmd.Env)-1], p.env) // not as rcas, but as what it is
	p.cmd.Stderr = &p.log
	if canSetClocks {
		var err error
		p.setClock, err = startWithClock(p.cmd, p.clock)
		require.NoError(p.d, err)
	} else {
		require.NoError(p.d, p.cmd.Start())
	}
	p.ended, p.killed = make(chan struct{}), false
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
}

// kill ends the process as a power cut does.
func (p *part) kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *part) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// address is where ingest takes posts, or "" while it does not.
func (d *deployment) address() string { return pushAddress(d.ingest.log.String()) }

// pushAddress finds in a log where posts were taken last.
func pushAddress(log string) string {
	at := strings.LastIndex(log, `"taking posts and prices"`)
	if at < 0 {
		return ""
	}
	var line struct{ Address string }
	record, _, _ := strings.Cut(log[strings.LastIndex(log[:at], "\n")+1:], "\n")
	if json.Unmarshal([]byte(record), &line) != nil {
		return ""
	}
	return line.Address
}

// send sends batch after batch until the deployment is stopped, each again and again until it is accepted.
func (d *deployment) send() {
	defer close(d.sentLast)
	for {
		select {
		case <-d.stopped:
			return
		case <-time.After(20 * time.Millisecond):
		}
		d.sending.Lock()
		n := d.batches.Load()
		posts, trades := d.batch(int(n))
		if d.deliver("posts", posts) && d.deliver("prices", trades) {
			d.batches.Add(1)
		}
		d.sending.Unlock()
	}
}

// deliver returns false where the deployment was stopped before. What is not taken because it lies ahead of a clock is sent again, as the
// answer says.
func (d *deployment) deliver(kind, body string) bool {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if address := d.address(); address != "" {
			answer, err := client.Post("http://"+address+"/"+kind+"/test", "", strings.NewReader(body))
			if err == nil {
				var is struct {
					Read, Accepted int64
					Dropped        map[string]int64
				}
				err = json.NewDecoder(answer.Body).Decode(&is)
				answer.Body.Close()
				if err == nil && answer.StatusCode == http.StatusOK && is.Accepted == is.Read {
					return true
				}
				if is.Dropped[ingestor.DropFuture] > 0 {
					d.early.Add(1)
				}
			}
		}
		select {
		case <-d.stopped:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// batch makes the n-th batch: posts of many authors, each with a word of its own, at times spread over hours; and trades. The first of each is of now.
func (d *deployment) batch(n int) (posts, trades string) {
	var p, t strings.Builder
	for i := range batchPosts {
		number := n*batchPosts + i
		told := number
		if i == batchPosts-1 {
			told--
		}
		at := d.start.Add(time.Duration(told*7919%9000)*time.Second + time.Duration(i)*time.Millisecond)
		if i == 0 {
			at = time.Now()
		}
		fmt.Fprintf(&p, `{"id":"p%d","time":%q,"author":"a%d","lang":"en","text":"%s is why i think that bitcoin and $ETH will go up"}`+"\n",
			number, at.Format(time.RFC3339Nano), number, ownWord(told))
	}
	for i := range batchTrades {
		number := n*batchTrades + i
		at := d.start.Add(time.Duration(number*7919%9000) * time.Second)
		if i == 0 {
			at = time.Now()
		}
		fmt.Fprintf(&t, `{"symbol":"BTC-USD","time":%q,"price":%d,"volume":1,"trade_id":%d}`+"\n", at.Format(time.RFC3339Nano), 50000+number%100, number)
	}
	return p.String(), t.String()
}

// ownWord is a word for a number, of letters only; of a post that is repeated, it begins with qy.
func ownWord(n int) string {
	word := []byte("qz")
	if n%batchPosts == batchPosts-2 {
		word[1] = 'y'
	}
	for ; n > 0; n /= 26 {
		word = append(word, byte('a'+n%26))
	}
	return string(word) + "zq"
}

// settle waits until everything that was accepted is stored and scored; nothing is sent meanwhile. It returns how many posts there are.
func (d *deployment) settle() int64 {
	d.Helper()
	d.sending.Lock()
	defer d.sending.Unlock()
	batches := d.batches.Load() - d.lost
	want := fmt.Sprint([]any{batches * batchPosts, batches * batchPosts * 2, batches * batchTrades})
	have := ""
	for deadline := time.Now().Add(3 * time.Minute); have != want; time.Sleep(20 * time.Millisecond) {
		require.True(d, time.Now().Before(deadline), "posts, sentiments and trades are %s of %s", have, want)
		d.requireRunning()
		have = d.counted()
	}
	return batches * batchPosts
}

func (d *deployment) counted() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var posts, sentiments, trades int64
	err := d.database.Pool().QueryRow(ctx, `SELECT (SELECT count(*) FROM tweets), (SELECT count(*) FROM sentiments), (SELECT count(*) FROM prices)`).
		Scan(&posts, &sentiments, &trades)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint([]any{posts, sentiments, trades})
}

// requireExact is the oracle: every post, sentiment and trade that was accepted is there once and nothing else is, repeats are those that
// were sent as such, each word counts once for each coin, and windows say what a fresh count says.
func (d *deployment) requireExact() {
	d.Helper()
	d.sending.Lock()
	defer d.sending.Unlock()
	n := d.batches.Load()
	require.NoError(d, d.database.RefreshWindows(d.Context()))
	row := storetest.Rows(d, d.database, `SELECT (SELECT count(DISTINCT id) FROM tweets), (SELECT count(*) FROM tweets),
		(SELECT count(DISTINCT (id, symbol)) FROM sentiments), (SELECT count(*) FROM sentiments), (SELECT count(*) FROM sentiments WHERE repeat),
		(SELECT count(DISTINCT trade_id) FROM prices), (SELECT count(*) FROM prices)`)[0]
	require.Equal(d, []any{n * batchPosts, n * batchPosts, n * batchPosts * 2, n * batchPosts * 2, n * 2, n * batchTrades, n * batchTrades}, row,
		"distinct posts, posts, distinct sentiments, sentiments, repeats, distinct trades, trades")
	words := storetest.Rows(d, d.database, `SELECT left(term, 2), count(*), max(n)::bigint <= CASE left(term, 2) WHEN 'qz' THEN 1 ELSE 2 END FROM
		(SELECT term, sum(n) AS n FROM term_counts WHERE term ~ '^q[yz].*zq$' GROUP BY term, symbol) AS words GROUP BY 1 ORDER BY 1`)
	// Where a repeat is scored before what it repeats, its words count too, for nobody could know.
	require.Equal(d, [][]any{{"qy", n * 2, true}, {"qz", n * (batchPosts - 2) * 2, true}}, words, "words, and whether they count once")
	require.ElementsMatch(d, d.missing, d.told(), "messages that were acknowledged and are not stored")
	s, err := stream.Open(d.Context(), stream.Config{URL: d.natsURL, ReadOnly: true})
	require.NoError(d, err)
	defer s.Close()
	var dead uint64
	d.waitFor("DEAD has no leader yet", func() bool { dead, err = s.DeadCount(d.Context()); return err == nil })
	require.EqualValues(d, d.poisoned, dead, "messages set aside")
	storetest.RequireWindows(d, d.database)
}

func (d *deployment) stop() {
	close(d.stopped)
	<-d.sentLast
}

// soak is how often, and how thoroughly, faults are tried: 0 in an ordinary test.
func soak() int {
	n, _ := strconv.Atoi(cmp.Or(os.Getenv("RCAS_SOAK"), "0"))
	return n
}
