// Command rcas is RCAS: sources, stream, database, scorer and the questions asked of them, in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

func main() {
	collectLess()
	os.Exit(run(untilSignal(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// memoryLimit is where Go begins to collect garbage more often, in bytes. What lives is about 90 MiB under overload; the binary and the ONNX
// Runtime take some 100 MiB beside it (rcas bench: 301 MiB at most, 307 with a backlog), so that rcas stays below 400 MB.
const memoryLimit = 208 << 20

// collectLess suits the collector to batches that come and go on top of a small live heap: collecting less often takes a tenth less CPU, up to
// a bound on the memory.
func collectLess() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(memoryLimit)
	}
}

// untilSignal ends with the first signal, which ends the work in order; a second one ends the process. A terminal that is closed (SIGHUP)
// is one too, unless nohup has the process ignore it.
func untilSignal() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop)
	return ctx
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root, s := newRoot(environ)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130
	}
	message := oneLine(err.Error())
	if strings.HasPrefix(message, "unknown command") {
		message += "; rcas --help lists them"
	}
	if s.records {
		s.log.Error(message)
		return 1
	}
	fmt.Fprintln(stderr, "rcas: "+message)
	return 1
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
