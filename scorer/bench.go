package scorer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// BenchResult is how fast a model scored.
type BenchResult struct {
	Model   string  `json:"model"`
	Threads int     `json:"threads"`
	Texts   int64   `json:"texts"`
	Seconds float64 `json:"seconds"`
	// CPUSeconds is what the whole process used meanwhile, garbage collection included.
	CPUSeconds float64 `json:"cpu_seconds"`
	// TextsPerSecond is Texts / Seconds.
	TextsPerSecond float64 `json:"texts_per_second"`
	// TextsPerCoreSecond is Texts / CPUSeconds: texts per second and core, whatever else the machine does.
	TextsPerCoreSecond float64 `json:"texts_per_second_per_core"`
}

// benchBatch is how many texts one call of Score gets: what a busy scorer takes from the stream at once.
const benchBatch = 256

// Bench scores the texts round and round for the duration, on so many threads at once, and tells how fast that went. Everything
// that scoring a post needs is inside the measured time: splitting into words, looking them up, running the graph.
func Bench(ctx context.Context, model Model, texts []string, duration time.Duration, threads int) (BenchResult, error) {
	if len(texts) == 0 || threads < 1 || duration <= 0 {
		return BenchResult{}, errors.New("benchmark a model: it needs texts, one thread or more, and a duration above zero")
	}
	for len(texts) < benchBatch {
		texts = append(texts[:len(texts):len(texts)], texts...)
	}
	questions := Ask(texts...)
	if _, err := model.Score(ctx, questions[:benchBatch]); err != nil { // allocates what later calls use again
		return BenchResult{}, fmt.Errorf("benchmark model %s: %w", model.Name(), err)
	}
	var (
		done    atomic.Int64
		workers sync.WaitGroup
		errs    = make([]error, threads)
	)
	start, cpu := time.Now(), cpuTime()
	for worker := range threads {
		workers.Go(func() {
			at := worker * len(texts) / threads
			for time.Since(start) < duration && errs[worker] == nil {
				if at+benchBatch > len(texts) {
					at = 0
				}
				_, errs[worker] = model.Score(ctx, questions[at:at+benchBatch])
				at += benchBatch
				done.Add(benchBatch)
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return BenchResult{}, fmt.Errorf("benchmark model %s: %w", model.Name(), err)
	}
	result := BenchResult{Model: model.Name(), Threads: threads, Texts: done.Load(), Seconds: time.Since(start).Seconds(),
		CPUSeconds: (cpuTime() - cpu).Seconds()}
	result.TextsPerSecond = float64(result.Texts) / result.Seconds
	result.TextsPerCoreSecond = float64(result.Texts) / result.CPUSeconds
	return result, nil
}

// cpuTime is the processor time that the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
