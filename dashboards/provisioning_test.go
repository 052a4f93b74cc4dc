package dashboards

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"rcas/store"
	"rcas/store/storetest"
)

const provisioning = "../grafana/provisioning"

// readYAML decodes a provisioning file into the keys that Grafana knows; any other is an error.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(provisioning, path))
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), path)
	// A single dollar sign stands for a variable of the environment, and these are the ones that are set.
	for _, m := range regexp.MustCompile(`(\$+)(\{?[A-Za-z_]*)`).FindAllStringSubmatch(withoutComments(string(text)), -1) {
		if m[1] == "$" {
			require.Regexp(t, `^\{RCAS_GRAFANA_[A-Z_]+$`, m[2], path)
		}
	}
}

func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(text, "")
}

func TestDatasources(t *testing.T) {
	t.Parallel()
	var file struct {
		APIVersion        int `yaml:"apiVersion"`
		DeleteDatasources []struct {
			Name  string `yaml:"name"`
			OrgID int    `yaml:"orgId"`
		} `yaml:"deleteDatasources"`
		Datasources []struct {
			Name, UID, Type, Access, URL, User string
			IsDefault                          bool `yaml:"isDefault"`
			Editable                           bool
			JSONData                           map[string]any    `yaml:"jsonData"`
			SecureJSONData                     map[string]string `yaml:"secureJsonData"`
		} `yaml:"datasources"`
	}
	readYAML(t, "datasources/rcas.yaml", &file)
	require.Equal(t, 1, file.APIVersion)
	require.Len(t, file.Datasources, 2)
	for _, d := range file.Datasources {
		require.Equal(t, sourceTypes[d.UID], d.Type)
		require.False(t, d.Editable)
		require.NotContains(t, d.JSONData, "password", "secrets belong in secureJsonData")
		require.Contains(t, d.SecureJSONData, "password")
		require.True(t, slices.ContainsFunc(file.DeleteDatasources, func(x struct {
			Name  string `yaml:"name"`
			OrgID int    `yaml:"orgId"`
		}) bool {
			return x.Name == d.Name
		}))
	}
}

func TestDashboardProvider(t *testing.T) {
	t.Parallel()
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type    string
			OrgID                 int    `yaml:"orgId"`
			FolderUID             string `yaml:"folderUid"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               struct {
				Path                      string
				FoldersFromFilesStructure bool `yaml:"foldersFromFilesStructure"`
			}
		}
	}
	readYAML(t, "dashboards/rcas.yaml", &file)
	require.Len(t, file.Providers, 1)
	require.Equal(t, "file", file.Providers[0].Type)
	require.False(t, file.Providers[0].AllowUIUpdates)
}

// rule is an alert rule as Grafana provisions it.
type rule struct {
	UID, Title, Condition, For string
	NoDataState                string `yaml:"noDataState"`
	ExecErrState               string `yaml:"execErrState"`
	Labels, Annotations        map[string]string
	Data                       []struct {
		RefID             string                 `yaml:"refId"`
		DatasourceUID     string                 `yaml:"datasourceUid"`
		RelativeTimeRange struct{ From, To int } `yaml:"relativeTimeRange"`
		Model             struct {
			RefID                    string `yaml:"refId"`
			Format, Type, Expression string
			RawQuery                 bool   `yaml:"rawQuery"`
			EditorMode               string `yaml:"editorMode"`
			RawSQL                   string `yaml:"rawSql"`
			Conditions               []struct {
				Evaluator struct {
					Type   string
					Params []float64
				}
			}
		}
	}
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			OrgID                  int `yaml:"orgId"`
			Name, Folder, Interval string
			Rules                  []rule
		}
	}
	readYAML(t, "alerting/rules.yaml", &file)
	var all []rule
	for _, g := range file.Groups {
		interval, err := time.ParseDuration(g.Interval)
		require.NoError(t, err)
		require.Zero(t, interval%(10*time.Second), "Grafana evaluates in steps of ten seconds")
		all = append(all, g.Rules...)
	}
	return all
}

func TestAlertRules(t *testing.T) {
	t.Parallel()
	byUID := map[string]map[int]bool{}
	for _, b := range boards(t) {
		byUID[b.UID] = map[int]bool{}
		for _, p := range b.Panels {
			byUID[b.UID][p.ID] = true
		}
	}
	uids := map[string]bool{}
	for _, r := range rules(t) {
		require.LessOrEqual(t, len(r.UID), 40)
		require.False(t, uids[r.UID], r.UID)
		uids[r.UID] = true
		_, err := time.ParseDuration(r.For)
		require.NoError(t, err, r.UID)
		require.Contains(t, []string{"OK", "NoData", "Alerting", "KeepLast"}, r.NoDataState)
		require.Contains(t, []string{"OK", "Error", "Alerting", "KeepLast"}, r.ExecErrState)
		panel, err := strconv.Atoi(r.Annotations["__panelId__"])
		require.NoError(t, err)
		require.True(t, byUID[r.Annotations["__dashboardUid__"]][panel], "%s points to a panel that is not there", r.UID)
		require.Len(t, r.Data, 2, r.UID)
		require.Equal(t, postgresUID, r.Data[0].DatasourceUID)
		require.Equal(t, "__expr__", r.Data[1].DatasourceUID)
		require.Equal(t, r.Condition, r.Data[1].RefID)
		require.Equal(t, r.Data[0].RefID, r.Data[1].Model.Expression)
		for _, d := range r.Data {
			require.Equal(t, d.RefID, d.Model.RefID)
		}
	}
}

// testAlerts runs the rules where everything is well and where it is not, and requires of each what Grafana requires: one numeric
// column, the rest text, one row for each set of labels.
func testAlerts(t *testing.T, s *store.Store) {
	fires := func() map[string][]string {
		firing := map[string][]string{}
		for _, r := range rules(t) {
			got, err := run(t, s, r.Data[0].Model.RawSQL)
			require.NoError(t, err, r.UID)
			numbers := 0
			seen := map[string]bool{}
			for i, oid := range got.types {
				require.True(t, isNumber(oid) || isText(oid), "%s: column %s is neither text nor a number", r.UID, got.columns[i])
				if isNumber(oid) {
					numbers++
				}
			}
			require.Equal(t, 1, numbers, r.UID)
			for _, row := range got.rows {
				var labels []string
				var value float64
				for i, v := range row {
					if isNumber(got.types[i]) {
						value = v.(float64)
					} else {
						labels = append(labels, v.(string))
					}
				}
				key := strings.Join(labels, " ")
				require.False(t, seen[key], "%s: two rows for %q", r.UID, key)
				seen[key] = true
				e := r.Data[1].Model.Conditions[0].Evaluator
				if e.Type == "gt" && value > e.Params[0] || e.Type == "outside_range" && (value < e.Params[0] || value > e.Params[1]) {
					firing[r.UID] = append(firing[r.UID], key)
				}
			}
		}
		return firing
	}
	// Filling may have taken minutes: the feeds are alive, and a quarter of an hour may have ended.
	storetest.Exec(t, s, `INSERT INTO pipeline_counts (component, source, event, n) SELECT 'writer', feed, 'stored', 1 FROM feed_health()`)
	diverging := []string{"SOL"}
	if storetest.Value[int64](t, s, `SELECT count(*) FROM divergence_now WHERE signal <> 0`) == 0 {
		diverging = nil
	}
	firing := fires()
	require.Equal(t, diverging, firing["rcas-divergence"])
	delete(firing, "rcas-divergence")
	require.Equal(t, map[string][]string{"rcas-dead-letters": {"writer reddit"}}, firing)

	storetest.Exec(t, s, `DELETE FROM pipeline_counts WHERE time > now() - INTERVAL '20 minutes'`)
	storetest.Exec(t, s, `CALL refresh_continuous_aggregate('pipeline_1m', now() - INTERVAL '1 hour', now())`)
	storetest.Exec(t, s, `DELETE FROM sentiments WHERE time > now() - INTERVAL '14 minutes' AND symbol = 'ETH'`)
	firing = fires()
	delete(firing, "rcas-divergence")
	require.Equal(t, map[string][]string{"rcas-trades-stale": {"coinbase", "kraken"}, "rcas-posts-stale": {"bluesky", "reddit"}, "rcas-scorer-behind": {""}}, firing)
}

// expand does to an annotation what Grafana does at every evaluation: labels and values that are not there are invalid, not errors.
func expand(t *testing.T, text string, labels map[string]string, values map[string]float64) string {
	t.Helper()
	type value struct{ Value float64 }
	captured := map[string]value{}
	for ref, v := range values {
		captured[ref] = value{v}
	}
	functions := template.FuncMap{"humanizeDuration": func(seconds float64) string { return time.Duration(seconds * float64(time.Second)).String() }}
	parsed, err := template.New("").Funcs(functions).Option("missingkey=invalid").Parse(text)
	require.NoError(t, err, text)
	var out strings.Builder
	require.NoError(t, parsed.Execute(&out, map[string]any{"Labels": labels, "Values": captured}), text)
	require.NotContains(t, out.String(), "<no value>", text)
	return out.String()
}

// TestAlertMessages renders what people are told: of a rule that fires, and of one whose query failed or brought nothing.
func TestAlertMessages(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"symbol": "BTC", "feed": "kraken", "source": "reddit", "component": "writer"}
	for _, r := range rules(t) {
		for name, text := range r.Annotations {
			require.NotContains(t, text, "$", r.UID)
			got := expand(t, text, labels, map[string]float64{r.Data[0].RefID: 185})
			without := expand(t, text, nil, nil)
			if name == "summary" {
				require.Regexp(t, `185|3m5s`, got, "the message says how much")
				require.Contains(t, without, "the question failed", r.UID)
			}
		}
	}
	for signal, want := range map[float64]string{
		1.42:  "BTC: mood is up while the price falls (bullish divergence), 1.4 standard deviations apart",
		-1.42: "BTC: mood is down while the price rises (bearish divergence), -1.4 standard deviations apart",
		0:     "BTC: mood and price do not part ways",
	} {
		require.Equal(t, want, expand(t, ruleOf(t, "rcas-divergence").Annotations["summary"], labels, map[string]float64{"signal": signal}))
	}
}

func ruleOf(t *testing.T, uid string) rule {
	t.Helper()
	all := rules(t)
	i := slices.IndexFunc(all, func(r rule) bool { return r.UID == uid })
	require.GreaterOrEqual(t, i, 0, uid)
	return all[i]
}

// alert is one as Grafana gives it to the templates of messages.
type alert struct {
	Labels, Annotations  map[string]string
	StartsAt, EndsAt     time.Time
	PanelURL, SilenceURL string
}

// alertOf is a rule's alert with the annotations of the last evaluation.
func alertOf(t *testing.T, r rule, labels map[string]string, values map[string]float64) alert {
	t.Helper()
	a := alert{Labels: map[string]string{"alertname": r.Title, "grafana_folder": "RCAS"}, Annotations: map[string]string{},
		StartsAt: time.Unix(0, 0), EndsAt: time.Unix(60, 0)}
	for _, set := range []map[string]string{r.Labels, labels} {
		for name, v := range set {
			a.Labels[name] = v
		}
	}
	for _, name := range []string{"summary", "description"} {
		a.Annotations[name] = expand(t, r.Annotations[name], labels, values)
	}
	return a
}

// unanswered is what Grafana makes of a rule whose query failed.
func unanswered(t *testing.T, r rule) alert {
	t.Helper()
	a := alertOf(t, r, nil, nil)
	a.Labels["rulename"], a.Labels["alertname"] = r.Title, "DatasourceError"
	a.Labels["ref_id"], a.Labels["datasource_uid"] = r.Data[0].RefID, postgresUID
	a.Annotations["Error"] = "failed to connect to server"
	return a
}

// say renders a template of messages for alerts that are told together.
func say(t *testing.T, name string, firing, resolved []alert) string {
	t.Helper()
	var templates struct {
		APIVersion int `yaml:"apiVersion"`
		Templates  []struct {
			OrgID          int `yaml:"orgId"`
			Name, Template string
		}
	}
	readYAML(t, "alerting/templates.yaml", &templates)
	parsed, err := template.New("").Option("missingkey=zero").Parse(templates.Templates[0].Template)
	require.NoError(t, err)
	require.NotNil(t, parsed.Lookup(name), name)
	status, common := "resolved", map[string]string{}
	if len(firing) > 0 {
		status = "firing"
	}
	all := append(slices.Clone(firing), resolved...)
	for name, v := range all[0].Labels {
		if !slices.ContainsFunc(all, func(a alert) bool { return a.Labels[name] != v }) {
			common[name] = v
		}
	}
	var out strings.Builder
	require.NoError(t, parsed.ExecuteTemplate(&out, name, map[string]any{
		"Status": status, "CommonLabels": common, "Alerts": map[string]any{"Firing": firing, "Resolved": resolved},
	}))
	return out.String()
}

// TestMessages tells of alerts from their beginning to their end.
func TestMessages(t *testing.T) {
	t.Parallel()
	divergence, bitcoin := ruleOf(t, "rcas-divergence"), map[string]string{"symbol": "BTC"}
	a := alertOf(t, divergence, bitcoin, map[string]float64{"signal": 1.42})
	a.PanelURL = "http://grafana/d/rcas-divergence?orgId=1&viewPanel=1"
	require.Equal(t, "Mood and price part ways (BTC)", say(t, "rcas.title", []alert{a}, nil))
	require.Equal(t, "BTC: mood is up while the price falls (bullish divergence), 1.4 standard deviations apart\nSince 1970-01-01 00:00 UTC.\n\n"+
		divergence.Annotations["description"]+"\nLook: http://grafana/d/rcas-divergence?orgId=1&viewPanel=1&var-symbol=BTC\n\n",
		say(t, "rcas.message", []alert{a}, nil), "the link opens the coin that it is about")

	a = alertOf(t, divergence, bitcoin, map[string]float64{"signal": 0})
	require.Equal(t, "Over: Mood and price part ways (BTC)", say(t, "rcas.title", nil, []alert{a}))
	require.Equal(t, "Over: Mood and price part ways (BTC)\nFrom 1970-01-01 00:00 to 00:01 UTC.\n", say(t, "rcas.message", nil, []alert{a}))
	a.Annotations["grafana_state_reason"] = "MissingSeries"
	require.Contains(t, say(t, "rcas.message", nil, []alert{a}), "No longer known: Mood and price part ways (BTC)\n")

	for uid, labels := range map[string]map[string]string{"rcas-trades-stale": {"feed": "kraken"}, "rcas-dead-letters": {"component": "writer", "source": "reddit"}} {
		r := ruleOf(t, uid)
		a := alertOf(t, r, labels, map[string]float64{r.Data[0].RefID: 185})
		a.PanelURL = "http://grafana/d/rcas-pipeline?viewPanel=3"
		require.Contains(t, say(t, "rcas.message", []alert{a}, nil), "\nLook: http://grafana/d/rcas-pipeline?viewPanel=3\n")
		require.Regexp(t, `^Over: .* \((kraken|writer, reddit)\)$`, say(t, "rcas.title", nil, []alert{a}))
	}
}

// TestUnansweredRules shows that questions that fail are one message, which says which and why: a database that does not answer is one reason,
// a rule on another source that asks for what is not there another.
func TestUnansweredRules(t *testing.T) {
	t.Parallel()
	var all []alert
	groups := map[string]bool{}
	for _, r := range rules(t) {
		require.Equal(t, "Error", r.ExecErrState, "%s: only then is the alert called DatasourceError", r.UID)
		a := unanswered(t, r)
		all = append(all, a)
		groups[groupOf(t, a)] = true
	}
	require.Len(t, groups, 1, "%v", groups)
	signals := map[string]bool{}
	for _, symbol := range []string{"BTC", "ETH"} {
		signals[groupOf(t, alertOf(t, ruleOf(t, "rcas-divergence"), map[string]string{"symbol": symbol}, map[string]float64{"signal": 1}))] = true
	}
	require.Len(t, signals, 2, "signals are told one by one")

	require.Equal(t, "Alert rules cannot be evaluated", say(t, "rcas.title", all, nil))
	text := say(t, "rcas.message", all, nil)
	require.Contains(t, text, "The questions of these rules fail, and they warn of nothing until they are answered:\n- Mood and price part ways (data source rcas-postgres), since 1970-01-01 00:00 UTC: failed to connect to server\n")
	for _, r := range rules(t) {
		require.Contains(t, text, "- "+r.Title+" (data source rcas-postgres), since ")
	}
	require.NotContains(t, text, "{{")
	own := unanswered(t, ruleOf(t, "rcas-divergence"))
	own.Labels["datasource_uid"], own.Annotations["Error"] = "rcas-market", `Unknown symbol "XYZ".`
	require.NotContains(t, say(t, "rcas.title", []alert{own}, nil)+say(t, "rcas.message", []alert{own}, nil), "database does not answer")
	require.Contains(t, say(t, "rcas.message", []alert{own}, nil), `(data source rcas-market), since 1970-01-01 00:00 UTC: Unknown symbol "XYZ".`)
	require.Equal(t, "Alert rules are evaluated again", say(t, "rcas.title", nil, all))
	require.Contains(t, say(t, "rcas.message", nil, all), "The questions of these rules are answered again:\n- Mood and price part ways, without an answer from 1970-01-01 00:00 to 00:01 UTC\n")
}

// groupOf is what an alert is told together with: its route, and its values of the labels that the route groups by.
func groupOf(t *testing.T, a alert) string {
	t.Helper()
	top := policies(t)
	route := top
	for _, child := range top.Routes {
		matches := !slices.ContainsFunc(child.ObjectMatchers, func(m []string) bool {
			require.Equal(t, "=", m[1])
			return a.Labels[m[0]] != m[2]
		})
		if matches {
			route = child
			break
		}
	}
	wait, err := time.ParseDuration(route.GroupWait)
	require.NoError(t, err)
	if a.Labels["alertname"] == "DatasourceError" {
		require.Greater(t, wait, time.Minute, "Grafana spreads the rules over their interval")
	}
	key := strings.Join(route.GroupBy, " ") + ":"
	for _, name := range route.GroupBy {
		key += " " + a.Labels[name]
	}
	return key
}

func policies(t *testing.T) policy {
	t.Helper()
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Policies   []struct {
			OrgID  int `yaml:"orgId"`
			policy `yaml:",inline"`
		}
	}
	readYAML(t, "alerting/policies.yaml", &file)
	require.Len(t, file.Policies, 1, "Grafana has one tree of policies")
	return file.Policies[0].policy
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	var points struct {
		APIVersion    int `yaml:"apiVersion"`
		ContactPoints []struct {
			OrgID     int `yaml:"orgId"`
			Name      string
			Receivers []struct {
				UID, Type             string
				DisableResolveMessage bool `yaml:"disableResolveMessage"`
				Settings              map[string]string
			}
		} `yaml:"contactPoints"`
	}
	readYAML(t, "alerting/contact-points.yaml", &points)
	var check func(p policy)
	check = func(p policy) {
		require.Equal(t, points.ContactPoints[0].Name, p.Receiver)
		for _, child := range p.Routes {
			check(child)
		}
	}
	check(policies(t))
	for _, setting := range []string{"title", "message"} {
		call := points.ContactPoints[0].Receivers[0].Settings[setting]
		name := regexp.MustCompile(`template "([^"]+)"`).FindStringSubmatch(call)
		require.Len(t, name, 2, call)
		one := alertOf(t, ruleOf(t, "rcas-scorer-behind"), nil, map[string]float64{"seconds": 185})
		require.NotEmpty(t, say(t, name[1], []alert{one}, nil), call)
	}
}

type policy struct {
	Receiver       string
	GroupBy        []string   `yaml:"group_by"`
	GroupWait      string     `yaml:"group_wait"`
	GroupInterval  string     `yaml:"group_interval"`
	RepeatInterval string     `yaml:"repeat_interval"`
	ObjectMatchers [][]string `yaml:"object_matchers"`
	Routes         []policy
}
