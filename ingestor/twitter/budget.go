package twitter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Limits say how much may be read per day and month of UTC, and what X takes for it. X bills every post and every user in an answer.
type Limits struct {
	// PerDay and PerMonth limit the posts, those referred to among them; zero or less: no limit.
	PerDay, PerMonth int64
	// DollarsPerDay and DollarsPerMonth limit what X bills. Default: [DefaultPerDay] and [DefaultPerMonth] where the posts are not
	// limited for that span; negative: no limit.
	DollarsPerDay, DollarsPerMonth float64
	// PostPrice and UserPrice are the dollars that X takes for a post and for a user. Default: [PostPrice] and [UserPrice].
	PostPrice, UserPrice float64
}

// What X takes by its price list of 2026, https://docs.x.com/x-api/getting-started/pricing, in dollars, and what is spent at most
// unless something else is said.
const (
	PostPrice       = 0.005
	UserPrice       = 0.010
	DefaultPerDay   = 10
	DefaultPerMonth = 200
)

func (l Limits) withDefaults() Limits {
	if l.PerDay == 0 {
		l.DollarsPerDay = cmp.Or(l.DollarsPerDay, DefaultPerDay)
	}
	if l.PerMonth == 0 {
		l.DollarsPerMonth = cmp.Or(l.DollarsPerMonth, DefaultPerMonth)
	}
	l.PostPrice = cmp.Or(l.PostPrice, PostPrice)
	l.UserPrice = cmp.Or(l.UserPrice, UserPrice)
	return l
}

func (l Limits) dollars(posts, users int64) float64 {
	return float64(posts)*l.PostPrice + float64(users)*l.UserPrice
}

// Budget counts what was read, which X bills one by one, per day and month of UTC. Safe for concurrent use.
type Budget struct {
	limits Limits
	most   Bill // what a single post may bring: itself, what it refers to, its author
	now    func() time.Time

	mu      sync.Mutex
	spent   spent
	claimed int64 // up to this many of spent.ThisMonth are saved as spent
}

// spent is what was read, as saved over restarts.
type spent struct {
	Day            string `json:"day"`
	ThisDay        int64  `json:"this_day"`
	UsersThisDay   int64  `json:"users_this_day,omitempty"`
	Month          string `json:"month"`
	ThisMonth      int64  `json:"this_month"`
	UsersThisMonth int64  `json:"users_this_month,omitempty"`
}

func (s *spent) add(posts, users int64) {
	s.ThisDay += posts
	s.ThisMonth += posts
	s.UsersThisDay += users
	s.UsersThisMonth += users
}

// NewBudget returns a budget; most is what X may bill for a single post that is asked for.
func NewBudget(limits Limits, most Bill, now func() time.Time) *Budget {
	return &Budget{limits: limits.withDefaults(), most: most, now: now}
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

// ahead is what is saved with n posts more than were spent, and their authors.
func (b *Budget) ahead(n int64) string {
	b.turn()
	spent := b.spent
	spent.add(n, n*int64(b.most.Users))
	text, _ := json.Marshal(spent) // strings and numbers always marshal
	return string(text)
}

// claimStep is how many posts are saved as spent before they are. A process that is killed has then forgotten none that X bills,
// and at most so many are counted in excess.
const claimStep = 25

// Spend counts what was read, and returns what must be saved before going on; "" where an earlier save covers it.
func (b *Budget) Spend(bill Bill) (due string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.spent.add(int64(bill.Posts), int64(bill.Users))
	if bill == (Bill{}) || b.spent.ThisMonth <= b.claimed {
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

// Left returns how many posts may still be asked for now, and, where that is none, when the next may be and a sentence that says
// so. Without limits much is left.
func (b *Budget) Left() (n int64, until time.Time, word string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.turn()
	n = 1 << 40
	midnight := now.Truncate(24 * time.Hour)
	limit := func(posts, users, most int64, dollars float64, span, when string, next time.Time) {
		if most > 0 {
			each := int64(max(b.most.Posts, 1))
			left := (most - posts + each - 1) / each
			if posts >= most {
				left, until = 0, next
				word = fmt.Sprintf("the budget of %d posts a %s is spent (%d %s)", most, span, posts, when)
			}
			n = min(n, left)
		}
		if dollars > 0 {
			spent := b.limits.dollars(posts, users)
			left := int64((dollars - spent + 1e-9) / b.limits.dollars(int64(max(b.most.Posts, 1)), int64(b.most.Users)))
			if left <= 0 {
				until = next
				word = fmt.Sprintf("the budget of $%.2f a %s is spent ($%.2f for %d posts and %d users %s)",
					dollars, span, spent, posts, users, when)
			}
			n = min(n, left)
		}
	}
	limit(b.spent.ThisDay, b.spent.UsersThisDay, b.limits.PerDay, b.limits.DollarsPerDay, "day", "read on "+b.spent.Day, midnight.AddDate(0, 0, 1))
	limit(b.spent.ThisMonth, b.spent.UsersThisMonth, b.limits.PerMonth, b.limits.DollarsPerMonth, "month", "read in "+b.spent.Month,
		midnight.AddDate(0, 1, 1-now.Day()))
	return max(n, 0), until, word
}

// turn starts a new day and month where the clock says so, and returns the time.
func (b *Budget) turn() time.Time {
	now := b.now().UTC()
	if day := now.Format(time.DateOnly); day != b.spent.Day {
		b.spent.Day, b.spent.ThisDay, b.spent.UsersThisDay, b.claimed = day, 0, 0, 0
	}
	if month := now.Format("2006-01"); month != b.spent.Month {
		b.spent.Month, b.spent.ThisMonth, b.spent.UsersThisMonth, b.claimed = month, 0, 0, 0
	}
	return now
}
