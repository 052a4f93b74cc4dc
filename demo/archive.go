package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed prices.csv.gz
var pricesFile []byte

// Start and End bound the archive.
var (
	Start = time.Date(2017, 12, 27, 0, 0, 0, 0, time.UTC)
	End   = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Lead is how far the invented mood runs ahead of the real price: the mood of a window is drawn from the return of the window
// that begins Lead later.
const Lead = 30 * time.Minute

// Window is the width of the windows in which mood is drawn.
const Window = 10 * time.Minute

// Divergence is a planted one: within it the crowd holds the opposite view of what the price does.
type Divergence struct {
	Symbol     string    `json:"symbol"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Direction  string    `json:"direction"` // bullish: mood up while the price falls; bearish: the reverse
	conviction float64
}

// Planted are the two divergences, laid where the real price fell and rose for an hour.
var Planted = []Divergence{
	{"BTC", time.Date(2017, 12, 30, 1, 30, 0, 0, time.UTC), time.Date(2017, 12, 30, 2, 30, 0, 0, time.UTC), "bullish", 0.9},
	{"ETH", time.Date(2017, 12, 30, 5, 0, 0, 0, time.UTC), time.Date(2017, 12, 30, 6, 0, 0, 0, time.UTC), "bearish", -0.9},
}

// Write makes the archive in dir: prices.csv and posts.ndjson. The same seed makes the same posts. It returns the files.
func Write(dir string, seed uint64) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the demo archive: %w", err)
	}
	prices, err := readPrices()
	if err != nil {
		return nil, fmt.Errorf("make the demo archive: %w", err)
	}
	pricesPath, postsPath := filepath.Join(dir, "prices.csv"), filepath.Join(dir, "posts.ndjson")
	if err := os.WriteFile(pricesPath, prices, 0o600); err != nil {
		return nil, fmt.Errorf("make the demo archive: %w", err)
	}
	closes, err := windowCloses(prices)
	if err != nil {
		return nil, fmt.Errorf("make the demo archive: %w", err)
	}
	if err := writePosts(postsPath, closes, seed); err != nil {
		return nil, fmt.Errorf("make the demo archive: %w", err)
	}
	return []string{pricesPath, postsPath}, nil
}

func readPrices() ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(pricesFile))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func writePosts(path string, closes map[string][]float64, seed uint64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	encoder := json.NewEncoder(out)
	g := newGenerator(seed)
	for w := range int(End.Sub(Start) / Window) {
		for _, post := range g.window(w, closes) {
			if err := encoder.Encode(post); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// windowCloses returns the last price of each window by symbol; a window without a trade repeats the one before.
func windowCloses(prices []byte) (map[string][]float64, error) {
	rows, err := csv.NewReader(bytes.NewReader(prices)).ReadAll()
	if err != nil {
		return nil, err
	}
	n := int(End.Sub(Start) / Window)
	closes := map[string][]float64{}
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[0])
		if err != nil {
			return nil, err
		}
		price, err := strconv.ParseFloat(row[5], 64)
		if err != nil {
			return nil, err
		}
		if closes[row[1]] == nil {
			closes[row[1]] = make([]float64, n)
		}
		closes[row[1]][at.Sub(Start)/Window] = price
	}
	for _, series := range closes {
		for i := 1; i < n; i++ {
			if series[i] == 0 {
				series[i] = series[i-1]
			}
		}
	}
	return closes, nil
}

// drift is the return of the window Lead after window w, in units of the symbol's typical return, squashed to (-1, 1).
func drift(series []float64, w int) float64 {
	ahead := w + int(Lead/Window)
	if ahead >= len(series) || ahead < 1 {
		return 0
	}
	var sum float64
	for i := 1; i < len(series); i++ {
		sum += math.Abs(math.Log(series[i] / series[i-1]))
	}
	typical := sum / float64(len(series)-1)
	return math.Tanh(math.Log(series[ahead]/series[ahead-1]) / (1.5 * typical))
}
