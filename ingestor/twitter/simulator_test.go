package twitter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

const token = "AAAA-the-bearer-token"

// tweet is a post of the simulated X.
type tweet struct {
	id, text, coin string
	at             time.Time
}

// service is the simulated X: rules, stream and recent search.
type service struct {
	chaos *feedtest.Chaos

	mu       sync.Mutex
	posts    []tweet
	grown    chan struct{}
	rules    map[string]rule // by id
	nextRule int
	streams  int
	asked    url.Values    // by the last client of the stream
	noStream bool          // the plan has no stream
	refused  string        // the coin whose searches are not understood
	illegal  string        // rules that hold this are refused
	whole    bool          // with the whole request
	vague    bool          // without saying which
	capped   bool          // the product's cap is reached
	behind   time.Duration // by how much X's clock is behind ours
	left     int           // requests left in the search's window
	reset    time.Time
	searches int
	faults   []string
}

type rule struct {
	ID    string `json:"id"`
	Value string `json:"value"`
	Tag   string `json:"tag"`
}

func newService(seed uint64) *service {
	return &service{chaos: feedtest.NewChaos(seed), grown: make(chan struct{}), rules: map[string]rule{}, left: 450}
}

// write posts n posts, a little apart.
func (s *service) write(ctx context.Context, n int) {
	coins := []string{"BTC", "ETH", "DOGE"} // nobody reads about DOGE
	for i := range n {
		s.mu.Lock()
		coin := coins[s.chaos.Intn(3)]
		s.posts = append(s.posts, tweet{
			id: strconv.Itoa(1_900_000_000 + len(s.posts)), text: fmt.Sprintf("$%s &amp; co №%d", coin, len(s.posts)), coin: coin,
			at: time.Now().UTC().Truncate(time.Millisecond),
		})
		close(s.grown)
		s.grown = make(chan struct{})
		s.mu.Unlock()
		if i%2 == 0 {
			_ = feed.Sleep(ctx, time.Millisecond)
		}
	}
}

func (s *service) from(i int) ([]tweet, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts[i:len(s.posts):len(s.posts)], s.grown
}

func (s *service) blame(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		answer(w, http.StatusUnauthorized, map[string]any{"title": "Unauthorized", "status": 401})
		return
	}
	if s.chaos.Refuse(w, r, 0.25) {
		return
	}
	if s.capped && !strings.HasSuffix(r.URL.Path, "rules") {
		w.Header().Set("x-rate-limit-remaining", "39999")
		answer(w, http.StatusTooManyRequests, map[string]any{"title": "UsageCapExceeded", "detail": "Usage cap exceeded: Monthly product cap"})
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /2/tweets/search/stream/rules":
		s.mu.Lock()
		defer s.mu.Unlock()
		var list []rule
		for _, rule := range s.rules {
			list = append(list, rule)
		}
		body := map[string]any{"meta": map[string]any{"result_count": len(list)}}
		if len(list) > 0 {
			body["data"] = list
		}
		answer(w, http.StatusOK, body)
	case "POST /2/tweets/search/stream/rules":
		s.changeRules(w, r)
	case "GET /2/tweets/search/stream":
		s.stream(w, r)
	case "GET /2/tweets/search/recent":
		s.search(w, r)
	default:
		s.blame(r.Method + " " + r.URL.Path)
		http.NotFound(w, r)
	}
}

func (s *service) changeRules(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Add    []rule `json:"add"`
		Delete struct {
			IDs []string `json:"ids"`
		} `json:"delete"`
	}
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		s.blame("rules: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var refused []map[string]any
	for _, add := range change.Add {
		if s.illegal != "" && strings.Contains(add.Value, s.illegal) {
			refused = append(refused, map[string]any{"title": "UnprocessableEntity", "value": add.Value, "details": []string{
				"Reference to invalid operator 'cashtag'." + strings.Repeat(" See the list.", 30) + " Not in this plan."}})
		}
	}
	if s.whole && len(refused) > 0 {
		body := map[string]any{"errors": refused, "title": "Invalid Request", "detail": "One of the rules is invalid, not in this plan."}
		if s.vague {
			delete(body, "errors")
		}
		answer(w, http.StatusBadRequest, body)
		return
	}
	for _, add := range change.Add {
		if s.illegal != "" && strings.Contains(add.Value, s.illegal) {
			continue
		}
		if len(add.Value) > 1024 {
			refused = append(refused, map[string]any{"title": "UnprocessableEntity", "value": add.Value})
			continue
		}
		for _, old := range s.rules {
			if old.Value == add.Value {
				refused = append(refused, map[string]any{"title": "DuplicateRule", "value": add.Value})
			}
		}
		s.nextRule++
		add.ID = strconv.Itoa(s.nextRule)
		s.rules[add.ID] = add
	}
	for _, id := range change.Delete.IDs {
		delete(s.rules, id)
	}
	answer(w, http.StatusCreated, map[string]any{"errors": refused, "meta": map[string]any{"sent": "now"}})
}

// matches returns the rules that match the post.
func (s *service) matches(p tweet) (matched []map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range s.rules {
		if strings.Contains(rule.Value, "$"+p.coin+" ") {
			matched = append(matched, map[string]string{"id": rule.ID, "tag": rule.Tag})
		}
	}
	return matched
}

// stream serves the filtered stream to one client at a time.
func (s *service) stream(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.noStream {
		s.mu.Unlock()
		answer(w, http.StatusForbidden, map[string]any{"title": "Client Forbidden", "reason": "client-not-enrolled"})
		return
	}
	s.streams++
	s.asked = r.URL.Query()
	tooMany := s.streams > 1
	position := len(s.posts)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.streams--
	}()
	if tooMany {
		w.Header().Set("x-rate-limit-remaining", "40")
		answer(w, http.StatusTooManyRequests, map[string]any{
			"title": "ConnectionException", "connection_issue": "TooManyConnections",
			"detail": "This stream is currently at the maximum allowed connection limit.",
		})
		return
	}
	raw := feedtest.Raw(r)
	if s.chaos.Strikes("slow stream", 0.1) {
		raw.Slow(50 * time.Microsecond)
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	keepAlive := time.NewTicker(20 * time.Millisecond)
	defer keepAlive.Stop()
	var held []tweet
	for {
		posts, grown := s.from(position)
		position += len(posts)
		for _, p := range posts {
			if s.chaos.Strikes("held back", 0.03) { // the stream is not in order
				held = append(held, p)
				continue
			}
			if !s.tell(r.Context(), w, raw, append([]tweet{p}, held...)) {
				return
			}
			held = nil
		}
		select {
		case <-r.Context().Done():
			return
		case <-grown:
		case <-keepAlive.C:
			if !s.tell(r.Context(), w, raw, held) || line(w, "") != nil {
				return
			}
			held = nil
		}
	}
}

// tell sends posts that match a rule, as misfortune has it, and tells whether the stream lives on.
func (s *service) tell(ctx context.Context, w http.ResponseWriter, raw *feedtest.Conn, posts []tweet) bool {
	for _, p := range posts {
		rules := s.matches(p)
		if len(rules) == 0 {
			continue
		}
		if s.chaos.Strikes("half line", 0.004) {
			raw.CutNext()
		}
		text, _ := json.Marshal(map[string]any{
			"data": p.json(), "includes": map[string]any{"users": []any{p.user()}}, "matching_rules": rules, "news": []int{1},
			"errors": []any{map[string]string{"title": "Not Found Error", "resource_type": "user"}},
		})
		times := 1
		if s.chaos.Strikes("duplicate", 0.02) {
			times = 2
		}
		for range times {
			if line(w, string(text)) != nil {
				return false
			}
		}
		if !s.disturb(ctx, w, raw) {
			return false
		}
	}
	return true
}

// disturb sends what is no post, or breaks the stream, and tells whether it lives on.
func (s *service) disturb(ctx context.Context, w http.ResponseWriter, raw *feedtest.Conn) bool {
	if s.chaos.Strikes("garbage", 0.01) && line(w, `{"data":{"id":`) != nil {
		return false
	}
	switch {
	case s.chaos.Strikes("drop", 0.004):
		raw.Break()
	case s.chaos.Strikes("end", 0.004):
	case s.chaos.Strikes("stall", 0.003):
		_ = feed.Sleep(ctx, 800*time.Millisecond)
	case s.chaos.Strikes("operational disconnect", 0.004):
		_ = line(w, `{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect",`+
			`"detail":"This stream has been disconnected for operational reasons."}]}`)
	default:
		return true
	}
	return false
}

func line(w http.ResponseWriter, text string) error {
	if _, err := w.Write([]byte(text + "\r\n")); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

func (p tweet) json() map[string]any {
	return map[string]any{
		"id": p.id, "text": p.text, "created_at": p.at.Format("2006-01-02T15:04:05.000Z"), "lang": "en", "author_id": "77",
		"edit_history_tweet_ids": []string{p.id},
		"public_metrics":         map[string]int{"retweet_count": 1, "reply_count": 2, "like_count": 3, "quote_count": 4},
	}
}

func (p tweet) user() map[string]any {
	return map[string]any{"id": "77", "username": "alice", "public_metrics": map[string]int{"followers_count": 1000}}
}

// search serves the recent search: newest first, in pages.
func (s *service) search(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	start, err1 := time.Parse(time.RFC3339, query.Get("start_time"))
	end, err2 := time.Parse(time.RFC3339, query.Get("end_time"))
	size, err3 := strconv.Atoi(query.Get("max_results"))
	if err1 != nil || err2 != nil || err3 != nil || size < 10 || size > 100 || !start.Before(end) || len(query.Get("query")) > 512 {
		s.blame("search: " + r.URL.RawQuery)
	}
	s.mu.Lock()
	s.searches++
	if time.Now().After(s.reset) {
		s.left, s.reset = 20, time.Now().Add(50*time.Millisecond)
	}
	s.left--
	w.Header().Set("x-rate-limit-remaining", strconv.Itoa(max(0, s.left)))
	w.Header().Set("x-rate-limit-reset", strconv.FormatInt(s.reset.Unix(), 10))
	overdrawn := s.left < 0
	posts := slices.Clone(s.posts)
	s.mu.Unlock()
	if overdrawn {
		answer(w, http.StatusTooManyRequests, map[string]any{"title": "Too Many Requests"})
		return
	}
	if s.behind > 0 && end.After(time.Now().Add(-s.behind)) {
		answer(w, http.StatusBadRequest, map[string]any{"title": "Invalid Request", "errors": []any{map[string]any{
			"parameters": map[string]any{"end_time": []string{query.Get("end_time")}},
			"message":    "Invalid 'end_time':'" + query.Get("end_time") + "'. 'end_time' must be a minimum of 10 seconds prior to the request time."}}})
		return
	}
	if s.refused != "" && strings.Contains(query.Get("query"), "$"+s.refused+" ") {
		answer(w, http.StatusBadRequest, map[string]any{"title": "Invalid Request", "detail": "There were errors processing your request"})
		return
	}
	slices.Reverse(posts)
	skip, _ := strconv.Atoi(strings.TrimPrefix(query.Get("next_token"), "page"))
	list, more := []any{}, false
	for _, p := range posts {
		if p.at.Before(start) || !p.at.Before(end) || !strings.Contains(query.Get("query"), "$"+p.coin+" ") {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if more = len(list) == size; more {
			break
		}
		list = append(list, p.json())
	}
	body := map[string]any{"meta": map[string]any{"result_count": len(list)}}
	if len(list) > 0 {
		body["data"] = list
		body["includes"] = map[string]any{"users": []any{posts[0].user()}}
	}
	if more {
		old, _ := strconv.Atoi(strings.TrimPrefix(query.Get("next_token"), "page"))
		body["meta"] = map[string]any{"next_token": fmt.Sprintf("page%d", old+size)}
	}
	answer(w, http.StatusOK, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
