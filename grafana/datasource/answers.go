package datasource

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/jackc/pgx/v5"
)

// question is a query as the database takes it: a fixed statement and its parameters.
type question struct {
	sql  string
	args []any
	// form is what the answer asserts about itself.
	form data.FrameType
	// series marks answers over windows, which may end in one that still fills.
	series bool
}

// text is a parameter that may be missing: the functions take NULL as all venues, all networks, the active model.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (q *query) interval() string { return fmt.Sprintf("%d seconds", int64(q.window.Seconds())) }

// who is whose posts count.
func (q *query) who() string { return cmp.Or(q.Who, "people") }

func (q *query) repeats() bool { return q.Repeats != nil && bool(*q.Repeats) }

// rule is the tail of the parameters of all divergence functions.
func (q *query) rule(args ...any) []any {
	return append(args, q.interval(), int64(q.Baseline.or(96)), q.Threshold.or(1), int64(q.MinPosts.or(20)), int64(q.Persistence.or(2)),
		q.repeats(), text(q.Venue), text(q.Source), text(q.Model), q.who())
}

const ruleParameters = `$4::interval, $5::integer, $6::float8, $7::bigint, $8::integer, $9::boolean, $10::text, $11::text, $12::text, who => $13::text`

// question chooses the statement. No part of a query becomes part of one.
func (q *query) question() (question, error) {
	span := []any{q.Symbol, q.from, q.to}
	switch q.Type {
	case typeCandles:
		return question{`SELECT bucket AS time, open, high, low, close, volume, vwap, trades
			FROM candles($1::text, $2::timestamptz, $3::timestamptz, $4::interval, $5::text, $6::boolean)`,
			append(span, q.interval(), text(q.Venue), q.Fill), data.FrameTypeTimeSeriesWide, true}, nil
	case typeMood:
		return question{`SELECT bucket AS time, weighted_mood, mood, mood_error, negative, neutral, positive, posts, unique_posts, judged, authors, dominance, momentum, influence
			FROM mood($1::text, $2::timestamptz, $3::timestamptz, $4::interval, $5::boolean, $6::text, $7::text, who => $8::text)`,
			append(span, q.interval(), q.repeats(), text(q.Source), text(q.Model), q.who()), data.FrameTypeTimeSeriesWide, true}, nil
	case typeMoodPrice:
		return question{`SELECT bucket AS time, close, weighted_mood, mood, "return", realised_volatility, volume, posts
			FROM mood_price($1::text, $2::timestamptz, $3::timestamptz, $4::interval, $5::boolean, $6::text, $7::text, $8::text, who => $9::text)`,
			append(span, q.interval(), q.repeats(), text(q.Venue), text(q.Source), text(q.Model), q.who()), data.FrameTypeTimeSeriesWide, true}, nil
	case typeDivergence:
		return question{`SELECT bucket AS time, divergence, mood_z, return_z, CASE WHEN firing THEN divergence ELSE 0 END AS signal, posts
			FROM divergence($1::text, $2::timestamptz, $3::timestamptz, ` + ruleParameters + `)`, q.rule(span...), data.FrameTypeTimeSeriesWide, true}, nil
	case typeDivergenceEvents:
		return question{`SELECT start_time AS time, end_time AS "timeEnd", initcap(direction) || ' divergence of ' || $1::text AS title,
				to_char(abs(peak), 'FM990.0') || ' standard deviations apart at the peak, ' || posts || ' posts' AS text, direction AS tags,
				peak, posts, price, return_1h, return_4h, return_24h
			FROM divergence_events($1::text, $2::timestamptz, $3::timestamptz, ` + ruleParameters + `)`, q.rule(span...), data.FrameTypeTable, false}, nil
	}
	return q.questionWithoutSeries(span)
}

func (q *query) questionWithoutSeries(span []any) (question, error) {
	switch q.Type {
	case typeDivergenceState:
		at := q.to
		if now := time.Now().Add(-30 * time.Second); at.After(now) {
			at = now // The scores of the last half minute may still be on their way.
		}
		rule := q.rule(at)
		return question{`SELECT symbol, signal, divergence, mood_z, return_z, posts
			FROM divergence_state($1::timestamptz, $2::interval, $3::integer, $4::float8, $5::bigint, $6::integer, $7::boolean, $8::text, $9::text, $10::text, who => $11::text)`,
			rule, data.FrameTypeNumericLong, false}, nil
	case typeLeadLag:
		return question{`SELECT lag, correlation, p_value, n, effective_n
			FROM lead_lag($1::text, $2::timestamptz, $3::timestamptz, $4::interval, $5::integer, $6::boolean, $7::text, $8::text, $9::text, who => $10::text)`,
			append(span, q.interval(), int64(q.MaxLag.or(12)), q.repeats(), text(q.Venue), text(q.Source), text(q.Model), q.who()), data.FrameTypeTable, false}, nil
	case typeTerms:
		return question{`SELECT term, posts, share FROM top_terms($1::text, $2::timestamptz, $3::timestamptz, $4::integer, source => $5::text)`,
			append(span, q.limit(), text(q.Source)), data.FrameTypeNumericLong, false}, nil
	case typeTrending:
		return question{`SELECT term, posts, expected, ratio, score FROM trending_terms($1::text, $2::timestamptz, $3::timestamptz, "limit" => $4::integer, source => $5::text)`,
			append(span, q.limit(), text(q.Source)), data.FrameTypeNumericLong, false}, nil
	case typeFeedHealth:
		return question{`SELECT feed, kind, silent_seconds, per_second, source_lag, store_lag, store_lag_p95, dropped_share FROM feed_health()`,
			nil, data.FrameTypeNumericLong, false}, nil
	case typeScorerHealth:
		return question{`SELECT model, per_second, unscored, behind_seconds, score_lag, skipped_share FROM scorer_health()`, nil, data.FrameTypeNumericLong, false}, nil
	}
	return question{}, fmt.Errorf("%w: there is no query type %.40q", errQuery, q.Type)
}

func (q *query) limit() int64 { return int64(max(1, min(q.Limit.or(30), maxTerms))) }

// ask runs a query and frames the answer.
func (d *Datasource) ask(ctx context.Context, q *query) (*data.Frame, error) {
	question, err := q.question()
	if err != nil {
		return nil, err
	}
	rows, err := d.pool.Query(ctx, question.sql, question.args...)
	if err != nil {
		return nil, err
	}
	frame, err := frameOf(q.Type, rows)
	if err != nil {
		return nil, err
	}
	if err := q.narrow(frame); err != nil {
		return nil, err
	}
	describe(frame)
	frame.Meta = &data.FrameMeta{Type: question.form, TypeVersion: data.FrameTypeVersion{0, 1}}
	if question.series {
		if q.Symbol != "" {
			for _, f := range frame.Fields[1:] {
				f.Labels = data.Labels{"symbol": q.Symbol}
			}
		}
		frame.AppendNotices(q.notices(frame, time.Now())...)
	}
	return frame, nil
}

// narrow leaves one figure beside times and names: the one that the query names or, for an alert rule, the first. A rule takes one
// value for each set of labels, and refuses several that bear the same.
func (q *query) narrow(frame *data.Frame) error {
	if q.Value == "" && !q.alert {
		return nil
	}
	var kept []*data.Field
	found := false
	for _, f := range frame.Fields {
		switch {
		case f.Type() != data.FieldTypeNullableFloat64:
			kept = append(kept, f)
		case !found && (q.Value == "" || q.Value == f.Name):
			kept, found = append(kept, f), true
		}
	}
	if !found {
		return fmt.Errorf("%w: %s has no figure %.40q", errQuery, q.Type, q.Value)
	}
	frame.Fields = kept
	return nil
}

// notices say what a glance at the last window would get wrong: that it still fills, or that nothing came for long.
func (q *query) notices(frame *data.Frame, now time.Time) []data.Notice {
	if frame.Rows() == 0 || q.to.Before(now.Add(-q.window)) {
		return nil // The past is what it is.
	}
	last := frame.Fields[0].At(frame.Rows() - 1).(time.Time)
	end := last.Add(q.window)
	switch silent := now.Sub(end); {
	case silent < 0:
		return []data.Notice{{Severity: data.NoticeSeverityInfo, Text: fmt.Sprintf("The last window (%s to %s UTC) is provisional: it still fills.",
			last.Format("15:04"), end.Format("15:04"))}}
	case silent > max(2*q.window, 5*time.Minute):
		ago := silent.Round(time.Minute).String()
		if silent > 48*time.Hour {
			ago = fmt.Sprintf("%.0f days", silent.Hours()/24)
		}
		return []data.Notice{{Severity: data.NoticeSeverityWarning, Text: "The newest window ended " + ago + " ago: see the Pipeline dashboard."}}
	}
	return nil
}

// frameOf reads all rows into a frame with a field per column, nullable but for the time.
func frameOf(name string, rows pgx.Rows) (*data.Frame, error) {
	defer rows.Close()
	frame := data.NewFrame(name)
	for _, column := range rows.FieldDescriptions() {
		field, err := fieldOf(column.Name, column.DataTypeOID)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
		frame.Fields = append(frame.Fields, field)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if err := appendTo(frame.Fields[i], v); err != nil {
				return nil, err
			}
		}
	}
	return frame, rows.Err()
}
