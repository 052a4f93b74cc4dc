package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// publish sends beginnings and ends on NATS that have not been sent. The rows stay locked meanwhile, so that another process sends others.
func (s *Service) publish(ctx context.Context) error {
	return errors.Join(
		s.publishSome(ctx, false, `published_at`, `published_at IS NULL`),
		s.publishSome(ctx, true, `end_published_at`, `ended_at IS NOT NULL AND published_at IS NOT NULL AND end_published_at IS NULL`))
}

func (s *Service) publishSome(ctx context.Context, ended bool, column, due string) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM alerts
			WHERE why IS NOT NULL AND `+due+` ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, batch)
		if err != nil {
			return err
		}
		alerts, err := pgx.CollectRows(rows, s.scan)
		if err != nil || len(alerts) == 0 {
			return err
		}
		ids := make([]int64, len(alerts))
		for i, a := range alerts {
			body, err := json.Marshal(a.as(ended))
			if err != nil {
				return err
			}
			if err := s.nats.Publish("alerts."+a.Symbol, body); err != nil {
				return err
			}
			ids[i] = a.ID
		}
		if err := s.nats.FlushTimeout(5 * time.Second); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE alerts SET `+column+` = now() WHERE id = ANY ($1)`, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish alerts on NATS: %w", err)
	}
	return nil
}

// deliver sends to each channel what it has not taken, until it fails.
func (s *Service) deliver(ctx context.Context) (failure error) {
	for _, c := range s.cfg.Channels {
		failure = errors.Join(failure, s.deliverTo(ctx, c))
	}
	return failure
}

func (s *Service) deliverTo(ctx context.Context, c Channel) error {
	var deaf []string // rules that do not tell this channel
	for _, r := range s.cfg.Rules {
		if len(r.To) > 0 && !slices.Contains(r.To, c.Name) {
			deaf = append(deaf, r.Name)
		}
	}
	for range batch {
		a, err := s.claim(ctx, c.Name, deaf)
		if err != nil || a == nil {
			return err
		}
		if err := s.settle(ctx, c, a, c.Send(ctx, a)); err != nil {
			return err
		}
	}
	return nil
}

// claimSQL takes the oldest beginning or end that is due, and puts it off by the lease in a transaction of its own: no lock is held while the
// channel thinks, and no other process sends the same. An end is told where its beginning was.
const claimSQL = `INSERT INTO alert_deliveries AS d (alert, channel, ended, attempts, next_attempt)
	SELECT a.id, $1, e.ended, 1, now() + $2::interval
	FROM alerts AS a
	CROSS JOIN (VALUES (false), (true)) AS e (ended)
	LEFT JOIN alert_deliveries AS p ON p.alert = a.id AND p.channel = $1 AND p.ended = e.ended
	WHERE a.why IS NOT NULL AND a.rule <> ALL ($4)
	  AND (p.alert IS NULL OR p.delivered_at IS NULL AND p.next_attempt <= now())
	  AND CASE WHEN e.ended THEN a.ended_at IS NOT NULL AND coalesce(a.end_published_at, now()) > now() - $3::interval
	                             AND EXISTS (SELECT FROM alert_deliveries AS b
	                                         WHERE b.alert = a.id AND b.channel = $1 AND NOT b.ended AND b.delivered_at IS NOT NULL)
	           ELSE a.recorded_at > now() - $3::interval END
	ORDER BY a.id, e.ended LIMIT 1
	ON CONFLICT (alert, channel, ended) DO UPDATE SET attempts = d.attempts + 1, next_attempt = now() + $2::interval
		WHERE d.delivered_at IS NULL AND d.next_attempt <= now()
	RETURNING alert, ended`

// claim returns nil where nothing is due.
func (s *Service) claim(ctx context.Context, channel string, deaf []string) (*Alert, error) {
	var id int64
	var ended bool
	if deaf == nil {
		deaf = []string{}
	}
	err := s.db.QueryRow(ctx, claimSQL, channel, lease, giveUp, deaf).Scan(&id, &ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim an alert for the channel %s: %w", channel, err)
	}
	rows, err := s.db.Query(ctx, `SELECT `+columns+` FROM alerts WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read alert %d: %w", id, err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, s.scan)
	if err != nil {
		return nil, fmt.Errorf("read alert %d: %w", id, err)
	}
	return a.as(ended), nil
}

// settle notes what became of a message: delivered, to be tried again (after 10 s, 20 s, 40 s, … up to an hour), or given up.
func (s *Service) settle(ctx context.Context, c Channel, a *Alert, failure error) error {
	const which = ` WHERE alert = $1 AND channel = $2 AND ended = $3`
	sql, args := `UPDATE alert_deliveries SET delivered_at = now(), last_error = NULL`+which, []any{a.ID, c.Name, a.EndedAt != nil}
	switch {
	case ctx.Err() != nil:
		return nil // the lease runs out, and another run tries again
	case errors.Is(failure, errRefused):
		sql, args = `UPDATE alert_deliveries SET next_attempt = 'infinity', last_error = $4`+which, append(args, failure.Error())
	case failure != nil:
		sql, args = `UPDATE alert_deliveries SET next_attempt = now() + least(INTERVAL '5 seconds' * 2 ^ least(attempts, 20),
			INTERVAL '1 hour'), last_error = $4`+which, append(args, failure.Error())
	}
	if _, err := s.db.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("note what the channel %s said to alert %d: %w", c.Name, a.ID, err)
	}
	if failure != nil {
		return fmt.Errorf("channel %s, alert %d: %w", c.Name, a.ID, failure)
	}
	return nil
}
