package datasource

import (
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/jackc/pgx/v5/pgtype"
)

// timeColumn is the name of the column that says when a row is. It is never NULL, and its field not nullable: alert rules and
// SQL expressions take no series without such a field.
const timeColumn = "time"

// fieldOf makes an empty field for a column of a PostgreSQL type.
func fieldOf(name string, oid uint32) (*data.Field, error) {
	switch oid {
	case pgtype.TimestamptzOID:
		if name == timeColumn {
			return data.NewField(name, nil, []time.Time{}), nil
		}
		return data.NewField(name, nil, []*time.Time{}), nil
	case pgtype.Float8OID, pgtype.Float4OID, pgtype.Int4OID, pgtype.Int8OID:
		return data.NewField(name, nil, []*float64{}), nil
	case pgtype.TextOID:
		return data.NewField(name, nil, []*string{}), nil
	case pgtype.BoolOID:
		return data.NewField(name, nil, []*bool{}), nil
	}
	return nil, fmt.Errorf("the database answers with type %d, which this data source does not know", oid)
}

// appendTo adds a value of pgx to its field.
func appendTo(field *data.Field, v any) error {
	if field.Type() != data.FieldTypeTime {
		field.Append(pointer(v))
		return nil
	}
	at, known := v.(time.Time)
	if !known {
		return fmt.Errorf("column %s holds %v where a time must stand", field.Name, v)
	}
	field.Append(at.UTC())
	return nil
}

// pointer turns a value of pgx into what a nullable field takes. Counts become doubles: exact up to 2^53.
func pointer(v any) any {
	switch v := v.(type) {
	case time.Time:
		v = v.UTC()
		return &v
	case float64:
		return &v
	case float32:
		f := float64(v)
		return &f
	case int32:
		f := float64(v)
		return &f
	case int64:
		f := float64(v)
		return &f
	case string:
		return &v
	case bool:
		return &v
	}
	return nil
}

// look is how a column is shown unless the panel says otherwise.
type look struct {
	unit, description string
	decimals          int
}

// asNeeded leaves the decimals to Grafana, which goes by the value: a coin may cost 60,000 dollars or 0.00002.
const asNeeded = -1

// dollars is the unit of prices. Of Grafana's units for money it alone shows both 13195 and 0.00000673: "locale" and the financial
// currencies make the second 0, "currencyUSD" makes the first 13.2K.
const dollars = "prefix:$"

var looks = map[string]look{
	"open": {dollars, "First trade of the window.", asNeeded}, "high": {dollars, "Highest trade of the window.", asNeeded},
	"low": {dollars, "Lowest trade of the window.", asNeeded}, "close": {dollars, "Last trade of the window.", asNeeded},
	"price": {dollars, "Quote currency per coin.", asNeeded}, "vwap": {dollars, "Mean price weighted by volume.", asNeeded},
	"volume":        {"short", "Coins traded.", 2},
	"weighted_mood": {"none", "Mean score of the judged posts, weighted by reach and engagement (damped); -1 to 1.", 3},
	"mood":          {"none", "Mean score of the judged posts; -1 to 1.", 3}, "mood_error": {"none", "Standard error of mood.", 3},
	"negative": {"percentunit", "Share of the judged posts.", 1}, "neutral": {"percentunit", "Share of the judged posts.", 1},
	"positive": {"percentunit", "Share of the judged posts.", 1}, "dominance": {"percentunit", "Share of the posts about all coins.", 1},
	"return": {"percentunit", "ln(close / previous close).", 2}, "realised_volatility": {"percentunit", "Per year.", 1},
	"divergence": {"none", "mood_z - return_z, in standard deviations.", 1}, "mood_z": {"none", "Mood in standard deviations from its baseline.", 1},
	"return_z":       {"none", "Return in standard deviations from its baseline.", 1},
	"signal":         {"none", "The divergence where the rule fires, else 0.", 1},
	"silent_seconds": {"s", "Since rows of the feed were last stored.", 0}, "source_lag": {"s", "Median from event to receipt.", 2},
	"store_lag": {"s", "Median from receipt to commit.", 2}, "store_lag_p95": {"s", "95th percentile from receipt to commit.", 2},
	"behind_seconds": {"s", "How long the oldest unscored post has waited.", 0}, "score_lag": {"s", "Median from receipt to score.", 2},
	"score": {"none", "", 3}, "correlation": {"none", "Positive lags: mood moves first.", 3},
}

// describe gives the fields their units.
func describe(frame *data.Frame) {
	for _, f := range frame.Fields {
		if l, known := looks[f.Name]; known {
			f.Config = &data.FieldConfig{Unit: l.unit, Description: l.description}
			if l.decimals != asNeeded {
				f.Config.SetDecimals(uint16(l.decimals))
			}
		}
	}
}
