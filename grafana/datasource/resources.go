package datasource

import (
	"encoding/json"
	"net/http"
)

// choices are the resources that variables and the query editor choose from, each a fixed statement.
var choices = map[string]string{
	"symbols": `SELECT symbol, symbol || ' · ' || name FROM assets ORDER BY symbol`,
	"venues":  `SELECT DISTINCT venue, venue FROM prices_1d ORDER BY 1`,
	"sources": `SELECT DISTINCT source, source FROM mood_1d ORDER BY 1`,
	"models":  `SELECT name, CASE WHEN active THEN name || ' (active)' ELSE name END FROM models ORDER BY NOT active, 1`,
}

// choice is one value with what to show for it.
type choice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// resources serves the choices: GET symbols, venues, sources, models.
func (d *Datasource) resources() http.Handler {
	mux := http.NewServeMux()
	for name, sql := range choices {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			list, err := d.choices(r, sql)
			if err != nil {
				d.log.Warn("cannot list the choices", "resource", name, "error", err)
				respond(w, http.StatusBadGateway, map[string]string{"message": d.explain(err)})
				return
			}
			respond(w, http.StatusOK, list)
		})
	}
	return mux
}

func (d *Datasource) choices(r *http.Request, sql string) ([]choice, error) {
	list := []choice{}
	rows, err := d.pool.Query(r.Context(), sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c choice
		if err := rows.Scan(&c.Value, &c.Label); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
