package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mostMemory is what an rcas that is sent more than it can store may take, in bytes.
const mostMemory = 400 << 20

// TestOverload sends one rcas posts as fast as it takes them, which is a multiple of what it stores: the stream fills, senders are held up,
// and afterwards all is worked off. RCAS_SOAK makes it an hour, in which memory must stay bounded.
func TestOverload(t *testing.T) {
	t.Parallel()
	lasts, bound := 3*time.Second, "4MiB"
	if soak() > 0 {
		lasts, bound = time.Hour, "256MiB"
	}
	if minutes, err := strconv.Atoi(os.Getenv("RCAS_SOAK_MINUTES")); err == nil {
		lasts = time.Duration(minutes) * time.Minute
	}
	dir := dataDir(t)
	up := process(t, "up", "--source", "push", "--source-url", "push=127.0.0.1:0", "--data-dir", dir, "--nats-max-bytes", bound, "--log-level", "info",
		"--metrics-address", "off")
	said := &safeBuffer{}
	up.Stderr = said
	require.NoError(t, up.Start())
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	t.Cleanup(func() { _ = up.Process.Kill() })
	address := ""
	require.Eventually(t, func() bool { address = pushAddress(said.String()); return address != "" }, 4*time.Minute, 20*time.Millisecond, "%v", said)

	var accepted, next atomic.Int64
	var senders sync.WaitGroup
	began := time.Now()
	for range 4 {
		senders.Go(func() {
			for time.Since(began) < lasts {
				accepted.Add(sendUntilTaken(address, next.Add(1)))
			}
		})
	}
	var most int64
	stopped := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			most = max(most, residentMemory(up.Process.Pid))
			select {
			case <-stopped:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	senders.Wait()
	sent := time.Since(began)
	where := []string{"--data-dir", dir}
	require.Eventually(t, func() bool {
		out, err := rcas(t, append(append([]string{"sql", "--json"}, where...),
			`SELECT (SELECT count(*) FROM tweets) AS posts, (SELECT count(*) FROM sentiments) AS sentiments`)...)
		if err != nil {
			t.Log("a database that has so much to do does not answer in time: ", err)
			return false
		}
		var rows []struct{ Posts, Sentiments int64 }
		return json.Unmarshal([]byte(out), &rows) == nil && len(rows) == 1 && rows[0].Posts == accepted.Load() && rows[0].Sentiments == 2*accepted.Load()
	}, 4*time.Minute+2*lasts, 100*time.Millisecond, "what was accepted is not all stored")
	close(stopped)
	<-watched
	t.Logf("%d posts accepted in %s, all stored and scored %s later; rcas took %d MiB at most", accepted.Load(), sent.Round(time.Second),
		(time.Since(began) - sent).Round(time.Second), most>>20)
	if soak() > 0 {
		require.Less(t, most, int64(mostMemory))
	}
	require.Empty(t, ended)
}

// sendUntilTaken sends a batch again and again until it is accepted, and returns how many posts that is.
func sendUntilTaken(address string, batch int64) int64 {
	const posts = 500
	var body strings.Builder
	start := time.Now().Add(-3 * time.Hour)
	for i := range int64(posts) {
		n := int(batch*posts + i)
		fmt.Fprintf(&body, `{"id":"p%d","time":%q,"author":"a%d","lang":"en","text":"%s is why i think that bitcoin and $ETH will go up, and %s"}`+"\n",
			n, start.Add(time.Duration(n%9000)*time.Second).Format(time.RFC3339Nano), n, ownWord(n), strings.Repeat("so on, ", n%20))
	}
	text := body.String()
	for {
		answer, err := http.Post("http://"+address+"/posts/soak", "", strings.NewReader(text))
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return posts
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// residentMemory is what a process has in memory, in bytes, or 0 where that cannot be told.
func residentMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(size)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
