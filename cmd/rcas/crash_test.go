package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
	"rcas/stream"
)

// Everything in one process: kill it, or the database below it, again and again in the middle of a replay.
func TestKilledReplayLosesNothingAndCountsNothingTwice(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	files := writeArchive(t, 4000)
	calm := onServer(t)
	must(t, append(append([]string{"replay"}, calm...), files...)...)

	dir := dataDir(t)
	args := append([]string{"replay", "--data-dir", dir}, files...)
	for kills := 0; kills < 3; {
		cmd := process(t, args...)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		require.NoError(t, cmd.Start())
		killed, err := killWhileWorking(t, cmd, dir, rng)
		if killed {
			kills++
			continue
		}
		require.NoError(t, err, errOut.String()) // It was faster; all is in, and the next round begins anew.
		break
	}
	must(t, args...)
	require.Equal(t, sqlRows(t, calm, contents), sqlRows(t, []string{"--data-dir", dir}, contents))
}

// killWhileWorking waits until the process has had some time with its database up, then kills it or the database. It returns
// false, and how the process ended, when it did so before.
func killWhileWorking(t *testing.T, cmd *exec.Cmd, dir string, rng *rand.Rand) (bool, error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	delay := time.Duration(rng.IntN(2500)) * time.Millisecond
	deadline := time.Now().Add(2 * time.Minute)
	for databaseProcess(dir) == 0 {
		require.True(t, time.Now().Before(deadline), "the database did not start")
		select {
		case err := <-ended:
			return false, err
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case err := <-ended:
		return false, err
	case <-time.After(delay): // When the blow falls is the test's own choice of chance.
	}
	if pid := databaseProcess(dir); pid != 0 && rng.IntN(3) == 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		select { // The parent starts it again; kill that one too, a little later.
		case <-ended:
			return true, nil
		case <-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	<-ended
	return true, nil
}

// databaseProcess finds the embedded database's process by the directory among its arguments, or returns 0.
func databaseProcess(dir string) int {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		command, _ := os.ReadFile(path)
		if bytes.Contains(command, []byte("server.mjs")) && bytes.Contains(command, []byte(dir)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

// Separate processes on servers by URL: kill any of them, again and again.
func TestKilledServicesLoseNothingAndCountNothingTwice(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	files := writeArchive(t, 4000)
	calm := onServer(t)
	must(t, append(append([]string{"replay"}, calm...), files...)...)

	database := storetest.New(t)
	nats, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(nats.Close)
	servers := []string{"--database-url", database.URL(), "--nats-url", nats.URL(), "--data-dir", t.TempDir()}

	stopped := make(chan struct{})
	var services sync.WaitGroup
	for _, name := range []string{"ingest", "score"} {
		service := rand.New(rand.NewPCG(seed, uint64(len(name))))
		services.Go(func() { keepKilling(t, stopped, service, append([]string{name}, servers...)) })
	}
	replay := slices.Concat([]string{"replay"}, servers, files)
	for range 2 {
		cmd := process(t, replay...)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(500+rng.IntN(3000))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
	}
	must(t, replay...)
	close(stopped)
	services.Wait()
	must(t, replay...) // Brings the windows up to date with whatever the services stored last.
	require.Equal(t, sqlRows(t, calm, contents), sqlRows(t, servers, contents))
}

// keepKilling runs a service and kills it after a while, over and over, until told to stop.
func keepKilling(t *testing.T, stopped <-chan struct{}, rng *rand.Rand, args []string) {
	for {
		cmd := process(t, args...)
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-time.After(time.Duration(1000+rng.IntN(4000)) * time.Millisecond):
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		case <-stopped:
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return
		}
	}
}
