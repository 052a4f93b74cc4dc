// Package notebooks_test runs the notebooks and the recipes for back-testers.
package notebooks_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/api"
	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// python is Debian's, whose packages are not those of another one on the path.
const python = "/usr/bin/python3"

// requirePython skips where the packages are not there.
func requirePython(t *testing.T, packages ...string) {
	t.Helper()
	if err := exec.Command(python, "-c", "import "+strings.Join(packages, ", ")).Run(); err != nil {
		t.Skipf("%s is not there: apt-get install python3-pandas python3-matplotlib python3-psycopg", strings.Join(packages, ", "))
	}
}

// fill stores a week of invented hours of two coins: trades every ten minutes, and posts whose mood is that of the next hour's return, with words.
var fill = []string{
	`INSERT INTO models (name, active) VALUES ('test', true)`,
	`SELECT setseed(0.5)`,
	`CREATE TEMPORARY TABLE walk AS SELECT i, '2024-03-04'::timestamptz + i * INTERVAL '10 minutes' AS at, sum(0.004 * (random() + random() + random() - 1.5)) OVER (ORDER BY i) AS level
	 FROM generate_series(0, 1007) AS i`,
	`INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at, stored_at)
	 SELECT at, symbol, 'test', i::text, 60000 * exp(level * beta + 0.001 * random()), 1 + random(), at, at FROM walk, (VALUES ('BTC', 1.0), ('ETH', 0.5)) AS c (symbol, beta)`,
	`CREATE TEMPORARY TABLE posts AS SELECT row_number() OVER () AS n, w.at + k * INTERVAL '90 seconds' AS at, least(greatest(0.5 + 30 * (l.level - w.level) + random() - 0.5, 0.02), 0.97) AS p
	 FROM walk AS w JOIN walk AS l ON l.i = w.i + 6, generate_series(0, 2) AS k`,
	`INSERT INTO tweets (time, source, id, author, text, symbols, received_at, stored_at)
	 SELECT at, 'test', n, 'author' || n % 300, CASE WHEN p > 0.6 THEN 'bitcoin moon soon' WHEN p < 0.4 THEN 'bitcoin crash again' ELSE 'bitcoin as usual' END || ' #' || n % 7, '{BTC}', at, at FROM posts`,
	`INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash, scored_at, kind, terms)
	 SELECT at, 'test', n, 'BTC', 'test', (1 - p) * 0.9, (1 - p) * 0.1, p, p - (1 - p) * 0.9, 1, n % 50, false, n % 300, n, at + CASE WHEN n % 9 = 0 THEN INTERVAL '2 hours' ELSE INTERVAL '5 seconds' END, 'person',
	        CASE WHEN p > 0.6 THEN 'moon' WHEN p < 0.4 THEN 'crash' ELSE 'usual' END FROM posts`,
	`UPDATE model_activations SET time = '-infinity'`,
}

// serve fills a database and answers over HTTP.
func serve(t *testing.T) (*store.Store, string) {
	t.Helper()
	s := storetest.New(t)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	require.NoError(t, pgx.BeginFunc(t.Context(), s.Pool(), func(tx pgx.Tx) error {
		for _, sql := range fill {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}))
	db, err := s.Readers(t.Context(), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	server := httptest.NewServer(api.New(api.Config{DB: db}))
	t.Cleanup(server.Close)
	return s, server.URL
}

// TestNotebooksAndRecipes runs each on a database with a week in it.
func TestNotebooksAndRecipes(t *testing.T) {
	t.Parallel()
	requirePython(t, "pandas", "matplotlib", "psycopg")
	s, url := serve(t)
	environment := append(os.Environ(), "RCAS_URL="+url, "RCAS_DATABASE_URL="+s.URL(), "LABELS="+labels(t, s), "FROM=2024-03-04", "TO=2024-03-11")
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), python, args...)
		command.Env = environment
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	for notebook, want := range map[string][]string{
		"mood_and_price.ipynb": {"weighted_mood", "effective_n", "past mood helps to foretell return"},
		"divergence.ipynb":     {"bullish", "bitcoin", "against the market", "p_single"},
		"own_labels.ipynb":     {"positive", "learned from your labels"},
	} {
		out := run(t, "run.py", notebook)
		for _, w := range want {
			require.Contains(t, out, w, notebook)
		}
	}
	requireRecipes(t, run)
}

// labels are answers about 60 of the posts, as rcas label writes them.
func labels(t *testing.T, s *store.Store) string {
	t.Helper()
	var lines strings.Builder
	for _, row := range storetest.Rows(t, s, `SELECT source || ':' || id, text FROM tweets ORDER BY md5(id) LIMIT 60`) {
		mood := map[bool]int{true: 1}[strings.Contains(row[1].(string), "moon")] - map[bool]int{true: 1}[strings.Contains(row[1].(string), "crash")]
		line, err := json.Marshal(map[string]any{"key": row[0], "coin": "BTC", "text": row[1], "kind": "person", "mood": mood})
		require.NoError(t, err)
		fmt.Fprintln(&lines, string(line))
	}
	file := filepath.Join(t.TempDir(), "mine.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	return file
}

// formats are what each back-tester's documentation wants of the tables that the recipes make.
const formats = `
import os
real = known
known = lambda *a, **k: real(*a, rcas=os.environ["RCAS_URL"], **k)
table = known("BTC", "2024-03-04", "2024-03-11")
assert len(table) == 168 and table.index.is_monotonic_increasing and table.index.is_unique
assert str(table.index.dtype) == "datetime64[ns, UTC]" and table["mood_z"].count() > 100
freqtrade = informative("BTC", "2024-03-04T00:00:00Z", "2024-03-11T00:00:00Z")
assert str(freqtrade["date"].dtype) == "datetime64[ns, UTC]" and (freqtrade["date"].diff().dropna() == pd.Timedelta("1h")).all()
assert all(pd.api.types.is_numeric_dtype(freqtrade[c]) for c in ("mood", "posts", "mood_z", "divergence"))
bt = bars(table)
assert isinstance(bt.index, pd.DatetimeIndex) and not bt[["Open", "High", "Low", "Close"]].isna().any().any()
assert (bt["High"] >= bt[["Open", "Close", "Low"]].max(axis=1)).all()
entries, exits = signals(table.assign(posts=table["posts"] * 10))
assert entries.dtype == bool and exits.dtype == bool and entries.index.equals(table.index) and 0 < entries.sum() < len(table)
first = entries.to_numpy().argmax()
assert table["mood_z"].iloc[first - 1] > 1, "a signal comes a bar after what it is made of"
# As it was known: posts that were scored two hours late are not in it.
now = pd.read_csv(os.environ["RCAS_URL"] + "/v1/mood?symbol=BTC&from=2024-03-04&to=2024-03-11&width=1h&format=csv")
assert 0.85 * now["posts"].sum() < table["posts"].sum() < 0.9 * now["posts"].sum(), (table["posts"].sum(), now["posts"].sum())
`

// requireRecipes runs the code of the page in its order: what needs a back-tester only where it is installed, what makes its table always.
func requireRecipes(t *testing.T, run func(t *testing.T, args ...string) string) {
	t.Helper()
	page, err := os.ReadFile("../backtesters.md")
	require.NoError(t, err)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```python\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if library := regexp.MustCompile(`(?m)^(?:from|import) (freqtrade|backtesting|vectorbt)`).FindStringSubmatch(block[1]); library != nil {
			if exec.Command(python, "-c", "import "+library[1]).Run() != nil {
				run(t, "-c", "import ast, sys; ast.parse(sys.argv[1])", block[1])
				continue
			}
		}
		script.WriteString(block[1])
		if strings.Contains(block[1], "def signals") {
			script.WriteString(formats)
		}
	}
	require.Contains(t, script.String(), "def bars")
	run(t, "-c", script.String())
}
