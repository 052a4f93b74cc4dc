// Package dashboards holds RCAS's Grafana dashboards as JSON, and the tests that check them and everything else that Grafana
// is provisioned with.
package dashboards

import "embed"

// Files are the dashboards, as Grafana provisions them.
//
//go:embed *.json
var Files embed.FS
