package embedded_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rcas/store/embedded"
)

// Several processes may want the installation at once: each finds it whole, and it is made once.
func TestInstallConcurrently(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	var group errgroup.Group
	dirs := make([]string, 4)
	for i := range dirs {
		group.Go(func() (err error) {
			dirs[i], err = embedded.InstallIn(t.Context(), cache)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for _, dir := range dirs {
		require.Equal(t, dirs[0], dir)
	}
	require.FileExists(t, filepath.Join(dirs[0], "server.mjs"))
	require.FileExists(t, filepath.Join(dirs[0], "template", "PG_VERSION"))
	entries, err := os.ReadDir(filepath.Join(cache, "rcas"))
	require.NoError(t, err)
	require.Len(t, entries, 2, "the installation and its lock")
}

// What is missing is said in one sentence, along with what to do about it.
func TestInstallFailures(t *testing.T) {
	install := func(t *testing.T, path string) error {
		t.Setenv("PATH", path)
		_, err := embedded.InstallIn(t.Context(), t.TempDir())
		return err
	}
	node, err := exec.LookPath("node")
	require.NoError(t, err)

	t.Run("no node", func(t *testing.T) {
		err := install(t, t.TempDir())
		require.ErrorContains(t, err, "node is not installed: install Node.js 18 or newer")
		require.ErrorContains(t, err, "or set RCAS_DATABASE_URL")
	})
	t.Run("no npm", func(t *testing.T) {
		path := t.TempDir()
		require.NoError(t, os.Symlink(node, filepath.Join(path, "node")))
		require.ErrorContains(t, install(t, path), "npm is not installed: install Node.js 18 or newer")
	})
	t.Run("old node", func(t *testing.T) {
		path := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(path, "node"), []byte("#!/bin/sh\necho v16.20.2\n"), 0o700))
		require.ErrorContains(t, install(t, path), `node "v16.20.2" is too old: install Node.js 18 or newer`)
	})
	t.Run("no network", func(t *testing.T) {
		t.Setenv("npm_config_registry", "http://127.0.0.1:1")
		t.Setenv("npm_config_cache", t.TempDir())
		t.Setenv("npm_config_fetch_retries", "0")
		err := install(t, os.Getenv("PATH"))
		require.ErrorContains(t, err, "npm could not fetch it")
		require.ErrorContains(t, err, "ECONNREFUSED")
	})
}
