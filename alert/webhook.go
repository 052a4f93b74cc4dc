package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// errRefused means that trying again is no use.
var errRefused = errors.New("refused for good")

// errInside means that the webhook lies where it must not.
var errInside = errors.New("it lies inside this network, which a webhook may reach only where RCAS_WEBHOOK_INSIDE=1 is set")

// shared is the address space between customers and their provider (RFC 6598), which is private as well.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// client posts to the whole Internet, and inside only where that is allowed. The address is looked at when the connection is made: a name
// may mean another one by then, and an answer may send us elsewhere.
func client(inside bool) *http.Client {
	dialer := &net.Dialer{Timeout: postTimeout}
	if !inside {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			ip := at.Addr().Unmap()
			if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
				return errInside
			}
			return nil
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dialer.DialContext
	return &http.Client{Timeout: postTimeout, Transport: transport}
}

// deliver posts to the webhook what it has not taken, until it fails.
func (s *Service) deliver(ctx context.Context) error {
	if s.cfg.Webhook == "" {
		return nil
	}
	for range batch {
		a, err := s.claim(ctx)
		if err != nil || a == nil {
			return err
		}
		if err := s.settle(ctx, a, s.post(ctx, a)); err != nil {
			return err
		}
	}
	return nil
}

// claim takes the oldest alert that is due, or nil, and puts it off by the lease in a transaction of its own: no lock is held
// while the webhook thinks, and no other process posts the same.
func (s *Service) claim(ctx context.Context) (*Alert, error) {
	rows, err := s.db.Query(ctx, `UPDATE alerts SET next_attempt = now() + $1::interval, attempts = attempts + 1
		WHERE id = (SELECT id FROM alerts WHERE delivered_at IS NULL AND next_attempt <= now()
			AND recorded_at > now() - $2::interval
		            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+columns, lease, giveUp)
	if err != nil {
		return nil, fmt.Errorf("claim an alert for the webhook: %w", err)
	}
	a, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim an alert for the webhook: %w", err)
	}
	return &a, nil
}

// settle notes what became of a request: delivered, to be tried again (after 10 s, 20 s, 40 s, … up to an hour), or given up.
func (s *Service) settle(ctx context.Context, a *Alert, failure error) error {
	sql, args := `UPDATE alerts SET delivered_at = now(), last_error = NULL WHERE id = $1`, []any{a.ID}
	switch {
	case ctx.Err() != nil:
		return nil // the lease runs out, and another run tries again
	case errors.Is(failure, errRefused):
		sql, args = `UPDATE alerts SET next_attempt = 'infinity', last_error = $2 WHERE id = $1`, []any{a.ID, failure.Error()}
	case failure != nil:
		sql, args = `UPDATE alerts SET next_attempt = now() + least(INTERVAL '5 seconds' * 2 ^ least(attempts, 20),
			INTERVAL '1 hour'), last_error = $2
			WHERE id = $1`, []any{a.ID, failure.Error()}
	}
	if _, err := s.db.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("note what the webhook said to alert %d: %w", a.ID, err)
	}
	if failure != nil {
		return fmt.Errorf("webhook, alert %d: %w", a.ID, failure)
	}
	return nil
}

// post sends one alert. Its id is the idempotency key, for receivers that must not act twice.
func (s *Service) post(ctx context.Context, a *Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.Webhook, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, ErrBadWebhook)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", strconv.FormatInt(a.ID, 10))
	response, err := s.http.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL, which may hold a secret
		}
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // lets the connection be used again
	switch code := response.StatusCode; {
	case code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("it answered %s", response.Status)
	default:
		return fmt.Errorf("%w: it answered %s", errRefused, response.Status)
	}
}
