package telemetry

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// names are those of all metrics that a process can have, with their labels.
func names(t *testing.T) map[string][]string {
	t.Helper()
	descriptions := make(chan *prometheus.Desc, 1000)
	New("").registry.Describe(descriptions)
	close(descriptions)
	found := map[string][]string{}
	for d := range descriptions {
		m := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([\w,]*)\}`).FindStringSubmatch(d.String())
		require.Len(t, m, 3, d.String())
		found[m[1]] = strings.Split(m[2], ",")
	}
	return found
}

// TestPrometheusRules reads the alert rules as Prometheus does, and looks each metric and label up that they name.
func TestPrometheusRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../grafana/prometheus/rules.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	known := names(t)
	known["up"] = []string{"job"}
	require.NotEmpty(t, file.Groups[0].Rules)
	for _, rule := range file.Groups[0].Rules {
		expr, err := metricsql.Parse(rule.Expr)
		require.NoError(t, err, rule.Alert)
		if rule.For != "" {
			_, err = time.ParseDuration(rule.For)
			require.NoError(t, err, rule.Alert)
		}
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["description"], rule.Alert)
		require.Contains(t, []string{"warning", "critical"}, rule.Labels["severity"], rule.Alert)
		metrics := 0
		metricsql.VisitAll(expr, func(e metricsql.Expr) {
			m, ok := e.(*metricsql.MetricExpr)
			if !ok {
				return
			}
			for _, filters := range m.LabelFilterss {
				metrics++
				name := filters[0].Value
				labels, exists := known[name]
				for _, suffix := range []string{"_bucket", "_count", "_sum"} {
					if cut, ok := strings.CutSuffix(name, suffix); ok && !exists {
						labels, exists = known[cut]
					}
				}
				require.True(t, exists, "%s: there is no metric %s", rule.Alert, name)
				for _, f := range filters[1:] {
					require.Contains(t, labels, f.Label, "%s: %s has no such label", rule.Alert, name)
				}
			}
		})
		require.Positive(t, metrics, rule.Alert)
	}
}
