package embedded

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// engineStack is the stack that Node's engine gets, in KiB: below the 8 MiB that systems give a process.
const engineStack = 6000

// engineBudget is how much of a function Node's engine runs, in about as many bytes of WebAssembly, before it compiles it to faster code. With
// the engine's own 1.8 million a start compiles hundreds of functions that it hardly calls again, which is half of its CPU time; what a
// working database calls all the time is past this in a moment.
const engineBudget = 20_000_000

// options is what server.mjs reads as its argument. Times are in milliseconds.
type options struct {
	DataDir           string `json:"dataDir"`
	Create            bool   `json:"create,omitempty"` // only create the database
	IdleInTransaction int64  `json:"idleInTransaction,omitempty"`
	Beat              int64  `json:"beat,omitempty"`
}

func nodeArguments(dir string, o options) []string {
	argument, _ := json.Marshal(o) // cannot fail: strings, numbers and a bool
	return []string{
		"--stack-size=" + strconv.Itoa(engineStack), "--wasm-tiering-budget=" + strconv.Itoa(engineBudget), filepath.Join(dir, "server.mjs"), string(argument),
	}
}

// process is one run of Node.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	born  time.Time
	beat  atomic.Int64  // when it was last known not to be within a statement, in nanoseconds since born
	ready chan struct{} // closed once clients are served
	done  chan struct{} // closed when the process has ended
	log   lastLine      // what it said last on standard error
}

// launch starts Node on the directory with the listening socket as descriptor 3. The lock goes along, so that it stays locked until
// this process and Node are both gone.
func (s *Server) launch() (*process, error) {
	listener, err := s.listener.File()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	p := &process{born: time.Now(), ready: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command("node", nodeArguments(s.install, options{
		DataDir:           filepath.Join(s.dir, dataName),
		IdleInTransaction: s.config.IdleInTransaction.Milliseconds(),
		Beat:              s.beatInterval().Milliseconds(),
	})...)
	p.cmd.ExtraFiles = []*os.File{listener, s.lock}
	p.cmd.SysProcAttr = diesWithParent()
	p.cmd.Stdout = &lines{take: p.hear}
	p.cmd.Stderr = &lines{take: func(line string) {
		p.log.set(line)
		s.config.Log.Warn("embedded database", "line", line)
	}}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		// Linux sends a child's parent-death signal when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // failure says how it ended
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("running node: %w", err)
	}
	return p, nil
}

// hear takes a line of the process's standard output.
func (p *process) hear(line string) {
	p.beat.Store(int64(time.Since(p.born)))
	if line == "ready" {
		close(p.ready)
	}
}

// silence is how long the process has been within one statement, at most.
func (p *process) silence() time.Duration { return time.Since(p.born) - time.Duration(p.beat.Load()) }

// kill ends the process at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended already
	<-p.done
}

// stop asks the process to write a checkpoint and end.
func (p *process) stop(patience time.Duration) {
	_, _ = io.WriteString(p.stdin, "stop\n") // an error means that it is ending already
	select {
	case <-p.done:
	case <-time.After(patience):
		p.kill()
	}
}

// failure says how the process has ended. It must have.
func (p *process) failure() error {
	return fmt.Errorf("node has ended with %s: %s", p.cmd.ProcessState, cmp.Or(p.log.get(), "it said nothing"))
}

// lines is a writer that hands over whole lines, however they are cut.
type lines struct {
	rest []byte
	take func(line string)
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.take(strings.TrimSpace(string(line)))
		l.rest = rest
	}
}

// lastLine remembers a line for another goroutine.
type lastLine struct {
	mu   sync.Mutex
	line string
}

func (l *lastLine) set(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line != "" {
		l.line = line
	}
}

func (l *lastLine) get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line
}

var errStopped = errors.New("the server was closed")
