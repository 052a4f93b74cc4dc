package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAlertTest tries channels as a person would: those that take, that refuse, that lie inside, and that are not there. Their secrets show
// nowhere.
func TestAlertTest(t *testing.T) {
	t.Parallel()
	took := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/gone/s3cr3t" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		took <- r.URL.Path + " " + string(body)
	}))
	defer server.Close()
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "rcas.yaml"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(secret, []byte("12:s3cr3t\n"), 0o600))
	try := func(alerts string, args ...string) (string, error) {
		require.NoError(t, os.WriteFile(file, []byte("alerts:\n"+alerts), 0o600))
		cmd := process(t, append(args, "--config", file, "--data-dir", dir, "--log-format", "text")...)
		cmd.Env = append(cmd.Env, "RCAS_ALERT_TEAM="+server.URL+"/hook/s3cr3t", "RCAS_ALERT_OLD="+server.URL+"/gone/s3cr3t", "RCAS_ALERT_OUT="+server.URL+"/s3cr3t",
			"RCAS_ALERT_PHONE_FILE="+secret)
		out, err := cmd.CombinedOutput()
		require.NotContains(t, string(out), "s3cr3t")
		return string(out), err
	}
	channels := `  rules: {loud: {kind: volume, to: [team]}}
  channels:
    team: {kind: discord, inside: true}
    old: {kind: slack, inside: true}
    out: {kind: webhook}
    phone: {kind: telegram, chat: "7", inside: true, server: "` + server.URL + "\"}\n"
	for name, path := range map[string]string{"team": "/hook/s3cr3t", "phone": "/bot12:s3cr3t/sendMessage"} {
		out, err := try(channels, "alert", "test", name)
		require.NoError(t, err, out)
		require.Contains(t, out, name+" (")
		got := <-took
		require.Contains(t, got, path+" {")
		require.Contains(t, got, "RCAS: a test, nothing has happened")
	}
	for _, c := range []struct{ alerts, name, want string }{
		{channels, "old", "rcas: channel old: refused for good: it answered 404 Not Found"},
		{channels, "out", "it lies inside this network"},
		{channels, "nobody", `there is no channel "nobody"; there is old, out, phone, team`},
		{"  threshold: 2\n", "team", "belongs to no channel"},
		{"  threshold: 2\n  rules: {loud: {kind: volume}}\n", "team", "with rules: there is no rule beside them"},
		{"  rules: {loud: {kind: noise}}\n", "team", `rule loud: there is no kind "noise"`},
		{"  rules: {loud: {to: [nobody]}}\n", "team", `rule loud: there is no channel "nobody"`},
		{"  rules: {loud: {symbols: [NONE]}}\n", "team", `rule loud: there is no coin "NONE"`},
		{"  channels: {Team: {kind: slack}}\n", "team", `channel "Team": a name is made of small letters`},
		{"  channels: {desk: {kind: slack}}\n", "desk", "channel desk: set RCAS_ALERT_DESK (or RCAS_ALERT_DESK_FILE) to its address"},
		{strings.Replace(channels, "discord", "pager", 1), "team", "write webhook, telegram, discord, slack or email"},
	} {
		out, err := try(c.alerts, "alert", "test", c.name)
		require.Error(t, err)
		require.Contains(t, out, c.want)
	}
	require.Empty(t, took)
}
