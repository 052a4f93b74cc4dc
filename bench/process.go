package bench

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Usage is what the processes of one name used.
type Usage struct {
	Name       string  `json:"name"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// PeakBytes is the largest resident size, summed over the processes of the name (memory that they share counts for each).
	PeakBytes int64 `json:"peak_bytes"`
}

// ticksPerSecond of /proc's CPU times; 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// Processes reads the use so far of this process, its children, and PostgreSQL's processes on this machine, from /proc. Elsewhere than
// on Linux it finds none.
func Processes() map[int]Usage {
	found := map[int]Usage{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		if open < 0 || end < open {
			continue
		}
		name, fields := string(text[open+1:end]), strings.Fields(string(text[end+1:]))
		if len(fields) < 13 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		if pid != os.Getpid() && parent != os.Getpid() && name != "postgres" {
			continue
		}
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		found[pid] = Usage{Name: name, CPUSeconds: (user + system) / ticksPerSecond, PeakBytes: peak(pid)}
	}
	return found
}

func peak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// Since sums by name what the processes of [Processes] have used since before. A process that ended meanwhile is missing.
func Since(before map[int]Usage) []Usage {
	byName := map[string]*Usage{}
	for pid, now := range Processes() {
		u := byName[now.Name]
		if u == nil {
			u = &Usage{Name: now.Name}
			byName[now.Name] = u
		}
		u.CPUSeconds += now.CPUSeconds - before[pid].CPUSeconds
		u.PeakBytes += now.PeakBytes
	}
	var all []Usage
	for _, u := range byName {
		all = append(all, *u)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// CreateDatabase makes an empty database on a server, replacing one of the name, and returns its URL and what drops it.
func CreateDatabase(ctx context.Context, server, name string) (databaseURL string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("the benchmark's database URL is no URL")
	}
	admin := func(ctx context.Context, statements ...string) error {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return fmt.Errorf("reach the benchmark's server: %w", err)
		}
		defer conn.Close(ctx)
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
	quoted := pgx.Identifier{name}.Sanitize()
	dropSQL := "DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)"
	if err := admin(ctx, dropSQL, "CREATE DATABASE "+quoted+" TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() { _ = admin(context.WithoutCancel(ctx), dropSQL) }, nil
}
