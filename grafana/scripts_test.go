package grafana_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripts are the shell scripts inside the Dockerfile, by the path at which the image has them.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)<<'SCRIPT' (\S+)\n(.*?)\nSCRIPT\n`).FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = m[2] + "\n"
	}
	return found
}

// runScript runs a script of an image with the secrets in a folder of the test's.
func runScript(t *testing.T, path string, secrets map[string]string, environment []string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range secrets {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	script := filepath.Join(dir, "script.sh")
	text := strings.ReplaceAll(scripts(t)[path], "/run/secrets", dir)
	text = strings.ReplaceAll(text, "/run.sh", "printenv")
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700))
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	return string(output)
}

// TestImageScripts runs what the images begin with.
func TestImageScripts(t *testing.T) {
	t.Parallel()
	require.Len(t, scripts(t), 2)
	out := runScript(t, "/usr/local/bin/with-secrets", map[string]string{"database_password": "p@ss w/ord", "nats_token": "abc"},
		[]string{"NATS_ADDRESS=nats:4222"}, "printenv", "PGPASSWORD", "RCAS_NATS_URL")
	require.Equal(t, "p@ss w/ord\nnats://abc@nats:4222\n", out)
	out = runScript(t, "/usr/local/bin/with-secrets", map[string]string{"database_password": "x"}, nil, "sh", "-c", `echo "$PGPASSWORD ${RCAS_NATS_URL:-none}"`)
	require.Equal(t, "x none\n", out, "the migrations need no NATS")
	out = runScript(t, "/usr/share/rcas/start", map[string]string{"reader_password": "r", "nats_token": "abc"}, nil,
		"RCAS_GRAFANA_DB_PASSWORD", "RCAS_GRAFANA_NATS_TOKEN")
	require.Equal(t, "r\nabc\n", out)
}
