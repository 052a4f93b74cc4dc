package twitter

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Budget counts the posts read, which X bills one by one, per day and month of UTC. Safe for concurrent use.
type Budget struct {
	perDay, perMonth int64 // zero or less: no limit
	now              func() time.Time

	mu      sync.Mutex
	spent   spent
	claimed int64 // up to this many of spent.ThisMonth are saved as spent
}

// spent is what was read, as saved over restarts.
type spent struct {
	Day       string `json:"day"`
	ThisDay   int64  `json:"this_day"`
	Month     string `json:"month"`
	ThisMonth int64  `json:"this_month"`
}

// NewBudget returns a budget. A limit of zero or less is none.
func NewBudget(perDay, perMonth int64, now func() time.Time) *Budget {
	return &Budget{perDay: perDay, perMonth: perMonth, now: now}
}

// Load takes up what an earlier run had spent.
func (b *Budget) Load(saved string) error {
	if saved == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := json.Unmarshal([]byte(saved), &b.spent); err != nil {
		return fmt.Errorf("the saved count of posts %.80q is not readable; counting from nought would risk the budget: %w", saved, err)
	}
	return nil
}

// Saved returns what was spent, for Load.
func (b *Budget) Saved() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ahead(0)
}

// ahead is what is saved with n posts more than were spent.
func (b *Budget) ahead(n int64) string {
	b.turn()
	spent := b.spent
	spent.ThisDay += n
	spent.ThisMonth += n
	text, _ := json.Marshal(spent) // strings and numbers always marshal
	return string(text)
}

// claimStep is how many posts are saved as spent before they are. A process that is killed has then forgotten none that X bills,
// and at most so many are counted in excess.
const claimStep = 25

// Spend counts n posts read, and returns what must be saved before going on; "" where an earlier save covers these posts.
func (b *Budget) Spend(n int) (due string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.spent.ThisDay += int64(n)
	b.spent.ThisMonth += int64(n)
	if n == 0 || b.spent.ThisMonth <= b.claimed {
		return ""
	}
	b.claimed = b.spent.ThisMonth + claimStep
	return b.ahead(claimStep)
}

// Unsaved tells that what Spend returned could not be saved.
func (b *Budget) Unsaved() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claimed = 0
}

// Left returns how many posts may still be read now, and, where that is none, when the next may be and a sentence that says
// so. Without limits much is left.
func (b *Budget) Left() (n int64, until time.Time, word string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.turn()
	n = 1 << 40
	midnight := now.Truncate(24 * time.Hour)
	if b.perDay > 0 {
		if n = b.perDay - b.spent.ThisDay; n <= 0 {
			until = midnight.AddDate(0, 0, 1)
			word = fmt.Sprintf("the budget of %d posts a day is spent (%d read on %s)", b.perDay, b.spent.ThisDay, b.spent.Day)
		}
	}
	if b.perMonth > 0 {
		left := b.perMonth - b.spent.ThisMonth
		if left <= 0 {
			until = midnight.AddDate(0, 1, 1-now.Day())
			word = fmt.Sprintf("the budget of %d posts a month is spent (%d read in %s)", b.perMonth, b.spent.ThisMonth, b.spent.Month)
		}
		n = min(n, left)
	}
	return max(n, 0), until, word
}

// turn starts a new day and month where the clock says so, and returns the time.
func (b *Budget) turn() time.Time {
	now := b.now().UTC()
	if day := now.Format(time.DateOnly); day != b.spent.Day {
		b.spent.Day, b.spent.ThisDay, b.claimed = day, 0, 0
	}
	if month := now.Format("2006-01"); month != b.spent.Month {
		b.spent.Month, b.spent.ThisMonth, b.claimed = month, 0, 0
	}
	return now
}
