package exchange

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type tally map[string]int64

func (c tally) add(event string, n int64) { c[event] += n }

func at(id int64) time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(id) * time.Second) }

func trade(id int64) Trade { return Trade{Product: "P", ID: id, Time: at(id)} }

// missing returns how many numbers are being sought.
func (l *ledger) missing() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.products {
		for _, h := range p.holes {
			n += h.To - h.From + 1
		}
	}
	return n
}

// TestLedgerAgainstASet: whatever the order in which numbers come, the gaps of the ledger are those of a plain set, and the
// time before each gap is that of the trade before it.
func TestLedgerAgainstASet(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		count := tally{}
		l := newLedger(count.add, func(Gap, string) {})
		first := int64(100)
		came := map[int64]bool{first: true}
		highest := first
		l.enter(trade(first), fromFeed, time.Time{})
		for range 60 {
			id := first + 1 + rng.Int64N(40)
			gap := l.enter(trade(id), origin(rng.IntN(2)), time.Time{})
			require.Equal(t, id > highest+1, gap, "seed %d", seed)
			came[id] = true
			highest = max(highest, id)
		}
		missing := map[int64]bool{}
		for id := first; id <= highest; id++ {
			if !came[id] {
				missing[id] = true
			}
		}
		require.EqualValues(t, len(missing), l.missing(), "seed %d", seed)
		require.EqualValues(t, len(missing), count["missed"]-count["late"]-count["repaired"])
		contiguous := highest
		for i, h := range l.products["P"].holes {
			if i == 0 {
				contiguous = h.From - 1
			}
			require.Equal(t, at(h.From-1), h.After, "seed %d", seed)
			require.True(t, came[h.From-1] && came[h.To+1], "seed %d: gaps are as long as can be", seed)
			for id := h.From; id <= h.To; id++ {
				require.True(t, missing[id], "seed %d", seed)
			}
		}
		again := newLedger(count.add, func(Gap, string) {})
		var marks map[string]mark
		require.NoError(t, json.Unmarshal([]byte(l.cursor()), &marks))
		again.resume(marks)
		require.Equal(t, contiguous, again.products["P"].last)
		require.True(t, at(contiguous).Equal(again.products["P"].at))
	}
}

// TestLedgerGivesUpPageByPage: a venue that has forgotten the oldest trades may still have the newer ones.
func TestLedgerGivesUpPageByPage(t *testing.T) {
	t.Parallel()
	count := tally{}
	l := newLedger(count.add, func(Gap, string) {})
	l.enter(trade(1), fromFeed, time.Time{})
	l.enter(trade(2502), fromFeed, time.Time{}) // 2,500 missing
	timing := Timing{Tries: 3, Patience: time.Hour}
	var asked []int64
	for l.missing() > 0 {
		gap, ok, _ := l.next(time.Now().Add(time.Hour))
		require.True(t, ok)
		require.LessOrEqual(t, gap.To-gap.From, int64(PageSize-1))
		asked = append(asked, gap.From)
		if gap.From > 1000 {
			for id := gap.From; id <= gap.To; id++ {
				l.enter(trade(id), fromREST, time.Time{})
			}
		}
		l.asked(gap, false, timing, 0)
	}
	require.Equal(t, []int64{2, 2, 2, 1002, 2002}, asked)
	require.EqualValues(t, 1000, count["lost"])
	require.EqualValues(t, 1500, count["repaired"])
}

// TestLedgerPatience: an endpoint that only fails does not use up tries, but patience ends.
func TestLedgerPatience(t *testing.T) {
	t.Parallel()
	count := tally{}
	l := newLedger(count.add, func(Gap, string) {})
	l.enter(trade(1), fromFeed, time.Time{})
	l.enter(trade(4), fromFeed, time.Time{})
	for range 100 {
		gap, ok, _ := l.next(time.Now().Add(time.Hour))
		require.True(t, ok)
		l.asked(gap, true, Timing{Tries: 3, Patience: time.Hour}, 0)
	}
	require.EqualValues(t, 2, l.missing())
	gap, _, _ := l.next(time.Now().Add(time.Hour))
	l.asked(gap, true, Timing{Tries: 3}, 0)
	require.Zero(t, l.missing())
	require.EqualValues(t, 2, count["lost"])
}

func TestLedgerStaysBounded(t *testing.T) {
	t.Parallel()
	count := tally{}
	l := newLedger(count.add, func(Gap, string) {})
	for i := range int64(5000) {
		l.enter(trade(1+2*i), fromFeed, time.Time{})
	}
	require.EqualValues(t, maxHoles, l.missing())
	l.enter(trade(10*maxJump), fromFeed, time.Time{})
	require.LessOrEqual(t, l.missing(), int64(maxJump+maxHoles))
	require.Equal(t, count["missed"], l.missing()+count["lost"])

	l.enter(trade(7), fromFeed, time.Time{}) // the venue numbers anew
	require.EqualValues(t, 1, count["reset"])
	require.Zero(t, l.missing())
	require.Equal(t, count["missed"], count["lost"])
	require.False(t, l.enter(trade(8), fromFeed, time.Time{}))
}

func TestChoose(t *testing.T) {
	t.Parallel()
	got := Choose([]Listing{
		{"BTC-EUR", "BTC", "EUR", ""}, {"BTC-USDC", "BTC", "USDC", ""}, {"BTC-USD", "BTC", "USD", ""}, {"BTC-USDT", "BTC", "USDT", ""},
		{"ETH-USD", "ETH", "USD", "halt"}, {"ETH-USDT", "ETH", "USDT", ""}, {"DOGE-USD", "DOGE", "USD", ""}, {"", "ETH", "USD", ""},
		{"SOL-USDT", "SOL", "USDT", "halt"}, {"SOL-USD", "SOL", "USD", "halt"},
	}, []string{"BTC", "ETH", "SOL"}, []string{"USD", "USDC", "USDT"})
	require.Equal(t, []Listing{
		{"BTC-USD", "BTC", "USD", ""}, {"ETH-USDT", "ETH", "USDT", ""}, {"SOL-USD", "SOL", "USD", "halt"},
	}, got, "the best quote, but what trades before what does not")
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"0.1", `"14.7775"`, "1e-7", `"NaN"`, `"0x1p-2"`, "null", `""`, `"1_000"`, "-0", `"Infinity"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n Number
		if n.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		require.False(t, math.IsNaN(float64(n)) || math.IsInf(float64(n), 0), "%q", text)
	})
}

// TestLedgerAsksAgainForWhatCameTooEarly: trades that were refused because they lie ahead of this machine's clock are missing, from the
// very first on, and are not asked for before their time. One whose time a later trade belies is given up like any other.
func TestLedgerAsksAgainForWhatCameTooEarly(t *testing.T) {
	t.Parallel()
	count := tally{}
	l := newLedger(count.add, func(Gap, string) {})
	now := time.Now()
	ahead := func(id int64, by time.Duration) Trade { return Trade{Product: "P", ID: id, Time: now.Add(by).Round(0)} }
	l.early(ahead(10, time.Hour), now)
	l.early(ahead(11, time.Hour), now)
	l.early(ahead(13, time.Hour), now)
	require.EqualValues(t, 4, l.missing(), "12 was skipped")
	_, ok, wait := l.next(now)
	require.False(t, ok)
	require.LessOrEqual(t, wait, earlyLook, "the clock may be set right at any time")

	right := now.Add(time.Hour) // the clock is set right
	gap, ok, _ := l.next(right)
	require.True(t, ok)
	require.Equal(t, Gap{Product: "P", From: 10, To: 13, After: gap.After}, gap)
	require.True(t, gap.After.Before(ahead(10, time.Hour).Time), "Kraken pages by time, exclusively")
	for range 50 { // it is not quite right after all: such answers do not use up tries
		_, _, _ = l.next(right.Add(time.Minute))
		l.early(ahead(10, time.Hour), now)
		l.asked(gap, false, Timing{Tries: 3, Patience: time.Hour}, 0)
	}
	for id := int64(10); id <= 13; id++ {
		l.enter(ahead(id, time.Hour), fromREST, now)
	}
	require.Zero(t, l.missing())
	require.Zero(t, count["lost"])

	l.early(Trade{Product: "P", ID: 14, Time: now.AddDate(70, 0, 0)}, now) // a broken time
	require.True(t, l.enter(ahead(15, time.Hour), fromFeed, now), "there is something to ask for")
	for range 3 {
		gap, ok, _ := l.next(right.Add(time.Minute))
		require.True(t, ok, "there is no use in waiting for that time")
		require.EqualValues(t, 14, gap.From)
		l.early(Trade{Product: "P", ID: 14, Time: now.AddDate(70, 0, 0)}, now)
		l.asked(gap, false, Timing{Tries: 3, Patience: time.Hour}, 0)
	}
	require.Zero(t, l.missing())
	require.EqualValues(t, 1, count["lost"])
	require.Equal(t, count["missed"], count["repaired"]+count["lost"])
}

// TestLedgerAsksForManyGapsAtOnce: an answer reaches over all gaps within a page, and each has its own tries.
func TestLedgerAsksForManyGapsAtOnce(t *testing.T) {
	t.Parallel()
	count := tally{}
	l := newLedger(count.add, func(Gap, string) {})
	for id := int64(2); id <= 2000; id += 2 {
		l.enter(trade(id), fromFeed, time.Time{})
	}
	l.enter(trade(2002), fromFeed, time.Now().Add(time.Hour)) // not due
	requests := 0
	for {
		gap, ok, _ := l.next(time.Now())
		if !ok {
			break
		}
		requests++
		for id := gap.From; id <= gap.To; id++ {
			if missed := trade(id); l.seeks(missed) && id != 501 {
				l.enter(missed, fromREST, time.Time{})
			}
		}
		l.asked(gap, false, Timing{Tries: 4}, 0)
	}
	require.LessOrEqual(t, requests, 6)
	require.EqualValues(t, 1, count["lost"], "501, after its tries")
	require.Zero(t, l.missing(), "2001, which was not due, came with the others")
	require.EqualValues(t, 999, count["repaired"])
}

func TestNamesWholeProductsOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"BTC-USD is not a valid product": true, "not valid: WBTC-USD, BTC-USD": true, "WBTC-USD": false, "BTC-USDT is delisted": false, "": false,
	} {
		require.Equal(t, want, names(text, "BTC-USD"), text)
	}
}
