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

// TestAlertMessages renders what people are told.
func TestAlertMessages(t *testing.T) {
	t.Parallel()
	type value struct{ Value float64 }
	functions := template.FuncMap{"humanizeDuration": func(seconds float64) string { return time.Duration(seconds * float64(time.Second)).String() }}
	for _, r := range rules(t) {
		for name, text := range r.Annotations {
			require.NotContains(t, text, "$", r.UID)
			parsed, err := template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
			require.NoError(t, err, r.UID)
			var out strings.Builder
			require.NoError(t, parsed.Execute(&out, map[string]any{
				"Labels": map[string]string{"symbol": "BTC", "feed": "kraken", "source": "reddit", "component": "writer"},
				"Values": map[string]value{r.Data[0].RefID: {185}},
			}), r.UID)
			require.NotContains(t, out.String(), "<no value>")
			if name == "summary" {
				require.Regexp(t, `185|3m5s`, out.String(), "the message says how much")
			}
		}
	}
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
	var policies struct {
		APIVersion int `yaml:"apiVersion"`
		Policies   []struct {
			OrgID  int `yaml:"orgId"`
			policy `yaml:",inline"`
		}
	}
	readYAML(t, "alerting/policies.yaml", &policies)
	require.Len(t, policies.Policies, 1, "Grafana has one tree of policies")
	var check func(p policy)
	check = func(p policy) {
		require.Equal(t, points.ContactPoints[0].Name, p.Receiver)
		for _, child := range p.Routes {
			check(child)
		}
	}
	check(policies.Policies[0].policy)

	var templates struct {
		APIVersion int `yaml:"apiVersion"`
		Templates  []struct {
			OrgID          int `yaml:"orgId"`
			Name, Template string
		}
	}
	readYAML(t, "alerting/templates.yaml", &templates)
	parsed, err := template.New("").Parse(templates.Templates[0].Template)
	require.NoError(t, err)
	for _, setting := range []string{"title", "message"} {
		call := points.ContactPoints[0].Receivers[0].Settings[setting]
		name := regexp.MustCompile(`template "([^"]+)"`).FindStringSubmatch(call)
		require.Len(t, name, 2, call)
		require.NotNil(t, parsed.Lookup(name[1]), call)
	}
	var out strings.Builder
	alert := map[string]any{"Annotations": map[string]string{"summary": "it burns", "description": "put it out"}, "StartsAt": time.Unix(0, 0), "EndsAt": time.Unix(60, 0),
		"PanelURL": "http://grafana/d/x", "SilenceURL": ""}
	require.NoError(t, parsed.ExecuteTemplate(&out, "rcas.message", map[string]any{"Alerts": map[string]any{"Firing": []any{alert}, "Resolved": []any{alert}}}))
	require.Equal(t, "it burns\nSince 1970-01-01 00:00 UTC.\n\nput it out\nLook: http://grafana/d/x\n\nOver: it burns\nFrom 1970-01-01 00:00 to 00:01 UTC.\n", out.String())
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
