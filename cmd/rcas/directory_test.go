package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSeveralOnOneDirectory starts the same replay several times at once. One serves; what the others cannot finish when it is gone they
// say, and nothing is lost or counted twice.
func TestSeveralOnOneDirectory(t *testing.T) {
	t.Parallel()
	files := writeArchive(t, 1000)
	args := append([]string{"replay", "--data-dir", t.TempDir()}, files...)
	var running []*exec.Cmd
	said := make([]bytes.Buffer, 3)
	for i := range said {
		cmd := process(t, args...)
		cmd.Stderr = &said[i]
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
	}
	well := 0
	for i, cmd := range running {
		if err := cmd.Wait(); err == nil {
			well++
		} else {
			t.Logf("replay %d: %v: %s", i, err, said[i].String())
			require.NotEmpty(t, said[i].String())
		}
	}
	require.Positive(t, well, "at least the one that served has ended well")
	must(t, args...)
	row := sqlRows(t, args[1:3], contents)[0]
	require.Equal(t, []any{1000.0, 1000.0, 2000.0, 2000.0, 0.0},
		[]any{row["tweets"], row["prices"], row["sentiments"], row["posts_in_windows"], row["unscored"]})
}

// TestTerminalClosed closes the terminal in which rcas runs: that is an orderly end, and none at all for who was started with nohup.
func TestTerminalClosed(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	up := []string{"up", "--source", "push", "--source-url", "push=127.0.0.1:0", "--data-dir", dir, "--metrics-address", "off"}
	start := func(cmd *exec.Cmd) chan error {
		said := &safeBuffer{}
		cmd.Stderr = said
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		waitServing(t, dir, cmd.Process.Pid, ended)
		require.Eventually(t, func() bool { return strings.Contains(said.String(), "Ctrl-C stops it") }, time.Minute, 10*time.Millisecond, "before, it is starting")
		return ended
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP) // what whoever runs the tests ignores, as under nohup, the process would ignore too
	defer signal.Stop(caught)
	cmd := process(t, up...)
	ended := start(cmd)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.NoError(t, <-ended)
	require.NoFileExists(t, filepath.Join(dir, "serving.json"))

	rcas := process(t, up...)
	cmd = exec.Command("nohup", append([]string{rcas.Path}, rcas.Args[1:]...)...)
	cmd.Env = rcas.Env
	ended = start(cmd)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	must(t, "status", "--data-dir", dir)
	require.Empty(t, ended)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-ended)
}

// waitServing waits until a process serves a directory: whoever asks before would open the database in its stead.
func waitServing(t *testing.T, dir string, pid int, ended <-chan error) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "serving.json"))
		var e endpoint
		return len(ended) > 0 || err == nil && json.Unmarshal(text, &e) == nil && e.PID == pid
	}, 4*time.Minute, 10*time.Millisecond, "it does not serve")
}
