package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream"
)

// start runs rcas until the test ends, and returns it with what it says.
func start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := process(t, args...)
	said := &bytes.Buffer{}
	cmd.Stderr = said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return cmd, said
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// metric reads one value from /metrics; 0 where it is not there.
func metric(t *testing.T, page, series string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	require.NoError(t, err)
	return v
}

// TestMetricsAndHealth runs the embedded system, replays an archive on it by another process, and reads what it tells of itself.
func TestMetricsAndHealth(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	where := []string{"--data-dir", dir}
	_, err := rcas(t, "health", "--metrics-address", "127.0.0.1:1")
	require.ErrorContains(t, err, "no rcas answers at http://127.0.0.1:1")

	cmd, said := start(t, "up", "--source", "push", "--source-url", "push=127.0.0.1:0", "--metrics-address", "127.0.0.1:0", "--data-dir", dir)
	require.Eventually(t, func() bool { _, err := rcas(t, append([]string{"health"}, where...)...); return err == nil },
		2*time.Minute, 200*time.Millisecond)
	out := must(t, append([]string{"health"}, where...)...)
	for _, check := range []string{"ok database process", "ok database\n", "ok stream", "ok model", "ok faults"} {
		require.Contains(t, out, check)
	}
	require.Equal(t, "ok database process\n", must(t, append([]string{"health", "--alive"}, where...)...))

	var e endpoint
	text, err := os.ReadFile(filepath.Join(dir, "serving.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &e))
	must(t, append([]string{"replay", writeArchive(t, 300)[0]}, where...)...)
	page := fetch(t, e.Metrics+"/metrics")
	stored := metric(t, page, `rcas_rows_stored_total{source="twitter"}`)
	require.LessOrEqual(t, stored, 300.0)
	require.EqualValues(t, stored > 0, metric(t, page, `rcas_freshness_seconds_count{stage="stored"}`) > 0, "the replay's own writer may have been faster")
	require.Positive(t, metric(t, page, "rcas_disk_free_bytes"))
	require.Contains(t, page, `rcas_model_info{model="rcas-small-en"} 1`)
	require.Contains(t, page, `rcas_backlog_messages{consumer="writer",stream="TWEETS"}`)
	require.Contains(t, page, `rcas_stream_bytes{stream="TWEETS"}`)
	require.Positive(t, metric(t, page, `rcas_table_bytes{table="tweets"}`))
	require.Contains(t, fetch(t, e.Metrics+"/debug/pprof/goroutine?debug=1"), "goroutine profile")

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	// No terminal looked on: a record a line.
	lines := bufio.NewScanner(said)
	var messages []string
	for lines.Scan() {
		var record struct{ Level, Msg string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &record), lines.Text())
		messages = append(messages, record.Msg)
	}
	require.Contains(t, strings.Join(messages, "\n"), "running, sources: push; Ctrl-C stops it")
}

// TestNotReady takes from a scorer on servers what it needs, and gives it back.
func TestNotReady(t *testing.T) {
	t.Parallel()
	database := storetest.New(t)
	dir := t.TempDir()
	nats, err := stream.Open(t.Context(), stream.Config{Dir: dir, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(nats.Close)
	address := freeAddress(t)
	_, said := start(t, "score", "--database-url", database.URL(), "--nats-url", nats.URL(), "--data-dir", t.TempDir(), "--metrics-address", address,
		"--log-format", "text")
	health := func() (string, error) { return rcas(t, "health", "--metrics-address", address) }
	require.Eventually(t, func() bool { _, err := health(); return err == nil }, 2*time.Minute, 200*time.Millisecond)
	nats.Close()
	require.Eventually(t, func() bool {
		out, err := health()
		return err != nil && strings.Contains(out, "fail stream:") && strings.Contains(out, "ok database\n")
	}, time.Minute, 200*time.Millisecond)
	_, err = rcas(t, "health", "--alive", "--metrics-address", address)
	require.NoError(t, err, "a restart would not bring the stream back")
	require.Less(t, strings.Count(said.String(), "\n"), 8, "a line a fault, not a line a retry: %s", said)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^rcas \S+\n$`, must(t, "--version"))
}

func TestLogFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"text": `^rcas: there is no configuration`, "json": `"msg":"there is no configuration file nowhere.yaml"`,
		"auto": `^rcas: there is no configuration`, "xml": `^rcas: --log-format "xml": write auto, text or json`,
	} {
		cmd := process(t, "status", "--config", "nowhere.yaml", "--log-format", format, "--data-dir", t.TempDir())
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Regexp(t, want, string(out))
	}
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// TestSecretsOfTheirOwn keeps passwords apart from addresses, as containers do.
func TestSecretsOfTheirOwn(t *testing.T) {
	t.Parallel()
	joined, err := withPassword("postgres://u@h:5432/d?sslmode=disable", "p@ss w/o:rd$")
	require.NoError(t, err)
	u, err := url.Parse(joined)
	require.NoError(t, err)
	password, _ := u.User.Password()
	require.Equal(t, "p@ss w/o:rd$", password)
	_, err = withPassword("postgres://u:x@h/d", "y")
	require.ErrorContains(t, err, "leave one out")
	_, err = withPassword("postgres://h/d", "y")
	require.ErrorContains(t, err, "no user")

	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for file, want := range map[string]string{empty: "RCAS_DATABASE_PASSWORD_FILE is empty", empty + "/absent": "read the secret of RCAS_DATABASE_PASSWORD_FILE"} {
		cmd := process(t, "status", "--data-dir", t.TempDir(), "--database-url", "postgres://u@127.0.0.1:1/x")
		cmd.Env = append(cmd.Env, "RCAS_DATABASE_PASSWORD_FILE="+file)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
}

// TestBackupOfTheEmbedded copies the data directory of a stopped rcas, as docs/operations.md says: all is there, and what comes again is
// not stored twice.
func TestBackupOfTheEmbedded(t *testing.T) {
	t.Parallel()
	dir, backup := dataDir(t), filepath.Join(t.TempDir(), "copy")
	archive := writeArchive(t, 300)
	must(t, append([]string{"replay", "--data-dir", dir}, archive...)...)
	require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))
	want := sqlRows(t, []string{"--data-dir", dir}, contents)
	require.Equal(t, want, sqlRows(t, []string{"--data-dir", backup}, contents))
	must(t, append([]string{"replay", "--data-dir", backup}, archive...)...)
	require.Equal(t, want, sqlRows(t, []string{"--data-dir", backup}, contents))
}
