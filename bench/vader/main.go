// Command vader reads comments as rcas bench writes them, scores their texts with VADER on all cores, and tells as JSON what that took.
// It is a module of its own, so that RCAS does not depend on VADER.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/jonreiter/govader"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vader FILE")
		os.Exit(2)
	}
	texts, err := read(os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(score(texts))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) (texts []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var comment struct{ Body string }
		if err := json.Unmarshal(lines.Bytes(), &comment); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		texts = append(texts, comment.Body)
	}
	return texts, lines.Err()
}

// result is what scoring took by the clock, and of all cores' time; reading the file and VADER's word list is not in it.
type result struct {
	Texts   int     `json:"texts"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Sum     float64 `json:"sum"` // of all scores, so that they are computed
}

func score(texts []string) result {
	analyzers := make([]*govader.SentimentIntensityAnalyzer, runtime.NumCPU())
	for i := range analyzers {
		analyzers[i] = govader.NewSentimentIntensityAnalyzer()
	}
	sums := make([]float64, len(analyzers))
	runtime.GC()
	used, started := cpu(), time.Now()
	var group sync.WaitGroup
	for i, analyzer := range analyzers {
		group.Go(func() {
			for n := i; n < len(texts); n += len(analyzers) {
				sums[i] += analyzer.PolarityScores(texts[n]).Compound
			}
		})
	}
	group.Wait()
	r := result{Texts: len(texts), Seconds: time.Since(started).Seconds(), CPU: cpu() - used}
	for _, sum := range sums {
		r.Sum += sum
	}
	return r
}

// cpu is this process's time so far, user and system, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for other arguments only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
