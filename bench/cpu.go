package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// CPU is processor time, user and system, in seconds. Unlike time by the clock it hardly depends on what else the machine does.
type CPU struct {
	RCAS     float64 `json:"rcas"`
	Database float64 `json:"database"`
}

// Sum is that of both.
func (c CPU) Sum() float64 { return c.RCAS + c.Database }

// Since is what was used after the reading before.
func (c CPU) Since(before CPU) CPU { return CPU{c.RCAS - before.RCAS, c.Database - before.Database} }

// A message's share, in millionths of a second.
func (c CPU) perMessage(n int) CPU {
	return CPU{c.RCAS * 1e6 / float64(n), c.Database * 1e6 / float64(n)}
}

// Meter reads the processor time of this process and of a database: a server on this machine, or this process's children, which are the
// embedded one. It reads /proc: elsewhere than on Linux, and of a server elsewhere, it reads zeros.
type Meter struct{ server int }

// NewMeter finds the process of a native server; of the embedded database db is nil.
func NewMeter(ctx context.Context, db *pgxpool.Pool) (*Meter, error) {
	if db == nil {
		return &Meter{}, nil
	}
	var backend int
	if err := db.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return nil, fmt.Errorf("find the server's processes: %w", err)
	}
	found, err := readProcess(backend)
	if err != nil || found.name != "postgres" { // on another machine
		return &Meter{server: -1}, nil
	}
	return &Meter{server: found.parent}, nil
}

// Read returns what was used so far. What children have used that ended counts once somebody has waited for them, as PostgreSQL does at once.
func (m *Meter) Read() CPU {
	var used CPU
	self := os.Getpid()
	for pid, p := range processes() {
		switch {
		case pid == self:
			used.RCAS += p.own
			if m.server == 0 {
				used.Database += p.ended
			}
		case p.parent == self && m.server == 0, p.parent == m.server && m.server > 0, pid == m.server:
			used.Database += p.own + p.ended
		}
	}
	return used
}

// Peak is the largest resident size so far, in bytes: of this process, and of the embedded database, or 0.
func (m *Meter) Peak() (rcas, database int64) {
	rcas = peak(os.Getpid())
	if m.server != 0 {
		return rcas, 0
	}
	for pid, p := range processes() {
		if p.parent == os.Getpid() {
			database += peak(pid)
		}
	}
	return rcas, database
}

// ForgetPeak makes the next Peak that since now.
func (m *Meter) ForgetPeak() {
	for pid, p := range processes() {
		if self := os.Getpid(); pid == self || p.parent == self && m.server == 0 {
			_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // a system that has none tells no peak either
		}
	}
}

// ticksPerSecond of /proc's CPU times; 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// process is what /proc/PID/stat tells: seconds of the process's own, and of its children that have ended.
type process struct {
	name       string
	parent     int
	own, ended float64
}

// processes are all of this machine that have not ended meanwhile, by their numbers.
func processes() map[int]process {
	found := map[int]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if p, err := readProcess(pid); err == nil {
			found[pid] = p
		}
	}
	return found
}

var errStat = errors.New("/proc has another form than expected")

func readProcess(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// The name stands in brackets and may hold any character.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, errStat
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return process{}, errStat
	}
	p := process{name: string(text[open+1 : end])}
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return process{}, errStat
	}
	for i, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return process{}, errStat
		}
		if i < 2 {
			p.own += ticks / ticksPerSecond
		} else {
			p.ended += ticks / ticksPerSecond
		}
	}
	return p, nil
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
