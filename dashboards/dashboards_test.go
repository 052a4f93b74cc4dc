package dashboards

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	postgresUID = "rcas-postgres"
	marketUID   = "rcas-market"
)

var sourceTypes = map[string]string{postgresUID: "grafana-postgresql-datasource", marketUID: "rcas-market-datasource"}

func TestDashboards(t *testing.T) {
	t.Parallel()
	uids, titles := map[string]bool{}, map[string]bool{}
	for name, b := range boards(t) {
		require.Regexp(t, `^rcas-[a-z]+$`, b.UID, name)
		require.False(t, uids[b.UID], "%s: the uid %s is taken", name, b.UID)
		require.False(t, titles[b.Title], "%s: the title %s is taken", name, b.Title)
		uids[b.UID], titles[b.Title] = true, true
		require.Equal(t, 42, b.SchemaVersion, name)
		require.NotEmpty(t, b.Description, name)
		require.Contains(t, b.Tags, "rcas", name)
		require.Equal(t, "utc", b.Timezone, "%s: windows of days begin at midnight UTC", name)
		require.False(t, b.Editable, name)
		require.Len(t, b.Links, 1, name)
		require.True(t, b.Links[0].IncludeVars && b.Links[0].KeepTime, "%s: variables and time carry through the links", name)
		ids := map[int]bool{}
		for _, p := range b.Panels {
			checkPanel(t, name, p)
			require.False(t, ids[p.ID], "%s: panel %d is there twice", name, p.ID)
			ids[p.ID] = true
		}
		checkVariables(t, name, b)
	}
	for name, b := range boards(t) {
		for _, target := range regexp.MustCompile(`/d/([a-z-]+)`).FindAllStringSubmatch(dump(t, b), -1) {
			require.True(t, uids[target[1]], "%s links to the dashboard %s, which is not there", name, target[1])
		}
	}
}

// TestGrids looks at the panels as they lie: those of a row that is folded away lie over what follows it.
func TestGrids(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(Files, "*.json")
	require.NoError(t, err)
	for _, name := range names {
		text, err := Files.ReadFile(name)
		require.NoError(t, err)
		var b board
		require.NoError(t, json.Unmarshal(text, &b), name)
		checkGrid(t, name, b.Panels)
		for _, p := range b.Panels {
			require.Equal(t, p.Type == "row", len(p.Panels) > 0, "%s: %s", name, p.Title)
			checkGrid(t, name, p.Panels)
		}
	}
}

func checkPanel(t *testing.T, file string, p *panel) {
	where := file + ": " + p.Title
	require.NotEmpty(t, p.Title, "%s: panel %d has no title", file, p.ID)
	require.NotEmpty(t, p.Description, where)
	require.NotEmpty(t, p.FieldConfig.Defaults.Unit, "%s has no unit", where)
	requireEmptyText(t, where, p.FieldConfig.Defaults.NoValue)
	require.NotNil(t, p.FieldConfig.Defaults.Thresholds, "%s has no thresholds", where)
	require.Nil(t, p.FieldConfig.Defaults.Thresholds.Steps[0].Value, "%s: the first threshold has no value: it is minus infinity", where)
	require.NotEmpty(t, p.Targets, where)
	require.Equal(t, p.Type == "xychart", p.PluginVersion != "", "%s: without a version Grafana rewrites the options of a scatter, and draws nothing", where)
	require.Equal(t, sourceTypes[p.Datasource.UID], p.Datasource.Type, where)
	refs := map[string]bool{}
	for _, q := range p.Targets {
		require.Equal(t, p.Datasource, q.Datasource, where)
		require.False(t, refs[q.RefID], where)
		refs[q.RefID] = true
		if q.Datasource.UID == postgresUID {
			require.True(t, q.RawQuery && q.EditorMode == "code" && q.RawSQL != "", where)
			require.Contains(t, []string{"table", "time_series"}, q.Format, where)
		} else {
			require.NotEmpty(t, q.QueryType, where)
		}
	}
}

// requireEmptyText requires a sentence that says why a panel is empty, and is true where its question failed, too: Grafana shows it then as well.
func requireEmptyText(t *testing.T, where, text string) {
	if text == "–" {
		return
	}
	require.Regexp(t, `^Nothing to show\. A red sign above: the question failed, point at it\. Without one: .+`, text, where)
}

// checkGrid requires that no two panels lie over each other and none leaves the 24 columns.
func checkGrid(t *testing.T, file string, panels []*panel) {
	for i, p := range panels {
		g := p.GridPos
		require.True(t, g.W > 0 && g.H > 0 && g.X >= 0 && g.X+g.W <= 24, "%s: %s lies outside the grid", file, p.Title)
		for _, q := range panels[:i] {
			o := q.GridPos
			apart := g.X+g.W <= o.X || o.X+o.W <= g.X || g.Y+g.H <= o.Y || o.Y+o.H <= g.Y
			require.True(t, apart, "%s: %s lies over %s", file, p.Title, q.Title)
		}
	}
}

// TestReadable holds the boards to what was read from pictures of them, 390, 800 and 1,600 pixels wide.
func TestReadable(t *testing.T) {
	t.Parallel()
	for name, b := range boards(t) {
		above := 0
		for _, v := range b.Templating.List {
			if v.Hide == shown {
				above++
			}
		}
		require.LessOrEqual(t, above, 7, "%s: at 800 pixels each choice above the panels takes a line of its own", name)
		for _, p := range b.Panels {
			where := name + ": " + p.Title
			custom := p.FieldConfig.Defaults.Custom
			switch p.Type {
			case "stat":
				require.LessOrEqual(t, len(figures(p)), 4, "%s: more figures in a row are too small on a telephone", where)
			case "timeseries", "candlestick":
				require.GreaterOrEqual(t, custom["axisWidth"], 60.0, "%s: the first label of the time axis, 27 Dec 00:00, loses its head", where)
				require.Equal(t, "bottom", p.Options["legend"].(map[string]any)["placement"], "%s: a legend beside the lines shifts them against the panels above and below", where)
			case "barchart":
				require.Positive(t, p.Options["xTickLabelSpacing"], "%s: labels of bars lie over each other", where)
				require.Equal(t, "vertical", p.Options["orientation"], where)
			case "table":
				for _, o := range p.FieldConfig.Overrides {
					for _, property := range o.Properties {
						if cell, ok := property.Value.(map[string]any); ok && cell["type"] == "color-background" && slices.Contains(figures(p), "Fired") {
							require.Fail(t, "what is over is no reason for a loud colour", where)
						}
					}
				}
			}
		}
	}
}

// figures are the names of the columns of a panel's first question.
func figures(p *panel) []string {
	// A column's name is in quotes after AS, at the level of the outermost SELECT: names within parentheses are of subqueries.
	var names []string
	depth := 0
	sql := p.Targets[0].RawSQL
	for i := 0; i < len(sql); i++ {
		switch {
		case sql[i] == '(':
			depth++
		case sql[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(sql[i:], `AS "`):
			names = append(names, strings.SplitN(sql[i+4:], `"`, 2)[0])
		}
	}
	return names
}

var reference = regexp.MustCompile(`\$\{([a-zA-Z_.]+)(?::[a-z]+)?\}`)

// Where Grafana 12.3 and newer show a variable: above the panels, or in the menu of controls.
const (
	shown  = 0
	inMenu = 3
)

// carried are the variables that every dashboard has, were it only hidden, so that none is lost on the way through one that does not use it.
var carried = []string{"symbol", "venue", "source", "model", "who", "repeats", "width"}

// TestCarriedVariables requires that links keep what was chosen: those at the top carry every variable of a dashboard, those in the panels
// name them one by one.
func TestCarriedVariables(t *testing.T) {
	t.Parallel()
	all := boards(t)
	links := 0
	for name, b := range all {
		var names []string
		for _, v := range b.Templating.List {
			require.False(t, v.SkipURLSync, "%s: links would leave out %s", name, v.Name)
			require.True(t, v.Hide == shown || v.Hide == inMenu || slices.Contains(carried, v.Name), "%s: %s is hidden and of no use elsewhere", name, v.Name)
			names = append(names, v.Name)
		}
		require.Subset(t, names, carried, name)
		for _, m := range regexp.MustCompile(`"/d/(rcas-[a-z]+)\?([^"]*)"`).FindAllStringSubmatch(dump(t, b), -1) {
			links++
			wanted := carried
			if m[1] == b.UID {
				wanted = names
			}
			for _, v := range wanted {
				if v == "width" && strings.Contains(m[2], "from=") {
					continue // A link to a time of its own leaves the width to that time.
				}
				require.Regexp(t, `\$\{`+v+`:queryparam\}|\bvar-`+v+`=`, m[2], "%s: a link to %s drops %s", name, m[1], v)
			}
		}
	}
	require.Equal(t, 6, links)
}

// safe are the forms in which a variable may enter SQL: quoted, and cast unless it is text; in Grafana's macro, which takes quotes off and does
// not know doubled ones, as characters that hold none.
var safe = regexp.MustCompile(`\$\{(?:symbol|venue|source|model|who):sqlstring\}|\$\{[a-z_]+:sqlstring\}::(?:interval|boolean|integer|bigint|float8)\b|` +
	`\$__timeGroupAlias\([a-z.]+, '\$\{width:percentencode\}'`)

// TestVariablesInSQL requires that no value of a variable, which a link can set to anything, becomes more than a value in a query.
func TestVariablesInSQL(t *testing.T) {
	t.Parallel()
	n := 0
	check := func(where, sql string) {
		n += len(safe.FindAllString(sql, -1))
		rest := safe.ReplaceAllString(sql, "")
		require.NotRegexp(t, `\$[^_]|\$_[^_]|\[\[`, rest, "%s: a variable enters SQL as it is", where)
	}
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				check(name+": "+p.Title, q.RawSQL)
			}
		}
		for _, a := range b.Annotations.List {
			if a.Target != nil {
				check(name+": annotation "+a.Name, a.Target.RawSQL)
			}
		}
		for _, v := range b.Templating.List {
			check(name+": variable "+v.Name, v.Query+v.Definition)
		}
	}
	require.Greater(t, n, 100)
	for _, bad := range []string{"'${width}'", "${repeats}", "${terms:raw}", "${width:sqlstring}", "$symbol", "[[symbol]]", "'${width:percentencode}'"} {
		require.Regexp(t, `\$[^_]|\[\[`, safe.ReplaceAllString(bad, ""))
	}
}

// checkVariables requires that every variable is explained, and every reference means one.
func checkVariables(t *testing.T, file string, b *board) {
	known := []string{"__url_time_range", "__value.text", "__data.fields.Coin", "__data.fields.From", "__data.fields.To", "__field.labels.Coin", "__field.labels.Name"}
	for _, v := range b.Templating.List {
		require.NotEmpty(t, v.Label, "%s: %s", file, v.Name)
		require.NotEmpty(t, v.Description, "%s: %s", file, v.Name)
		if len(v.Options) > 0 {
			require.True(t, slices.ContainsFunc(v.Options, func(o option) bool { return o.Value == v.Current.Value }), "%s: %s", file, v.Name)
		}
		known = append(known, v.Name)
	}
	for _, m := range reference.FindAllStringSubmatch(dump(t, b), -1) {
		if !strings.HasPrefix(m[0], "${width:") || slices.Contains(known, "width") {
			require.Contains(t, known, m[1], file)
		}
	}
}
