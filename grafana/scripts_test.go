package grafana_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// containerScript makes a script of docker/ run here: its secrets are in a folder of the test's, and its other paths are replaced.
func containerScript(t *testing.T, name string, secrets map[string]string, replace ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	for name, value := range secrets {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	text, err := os.ReadFile("../docker/" + name)
	require.NoError(t, err)
	script := filepath.Join(dir, "script")
	body := strings.NewReplacer(append([]string{"/run/secrets", dir, "/tmp/", dir + "/"}, replace...)...).Replace(string(text))
	require.NoError(t, os.WriteFile(script, []byte(body), 0o700))
	cmd := exec.Command("sh", script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	return cmd
}

func TestScriptsRefuseBadSecrets(t *testing.T) {
	t.Parallel()
	all := func(change, to string) map[string]string {
		secrets := map[string]string{}
		for _, name := range passwords {
			secrets[strings.ToLower(name)] = "s3cret"
		}
		if secrets[change] = to; to == "absent" {
			delete(secrets, change)
		}
		return secrets
	}
	for _, c := range []struct{ script, secret, value, want string }{
		{"nats", "nats_token", "", "NATS_TOKEN is empty"},
		{"nats", "nats_token", `a" no: "b`, "letters, digits"},
		{"nats", "nats_token", "absent", "NATS_TOKEN is empty"},
		{"roles", "nats_token", "", "NATS_TOKEN is empty"},
		{"roles", "writer_password", "", "WRITER_PASSWORD is empty"},
		{"roles", "grafana_password", "", "GRAFANA_PASSWORD is empty"},
		{"roles", "admin_password", "absent", "ADMIN_PASSWORD is empty"},
		{"roles", "reader_password", "pa$word", "no dollar sign"},
		{"grafana", "reader_password", "pa$word", "no dollar sign"},
		{"grafana", "nats_token", "", "nats_token is empty"},
		{"grafana", "reader_password", "absent", "reader_password is empty"},
	} {
		output, err := containerScript(t, c.script, all(c.secret, c.value), "/run.sh", "true").CombinedOutput()
		require.Error(t, err, "%s with %s %q: %s", c.script, c.secret, c.value, output)
		require.Contains(t, string(output), c.want)
	}
	cmd := containerScript(t, "grafana", map[string]string{"reader_password": "p@ss w/ord", "nats_token": "abc"}, "/run.sh", "printenv RCAS_GRAFANA_DB_PASSWORD RCAS_GRAFANA_NATS_TOKEN")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "p@ss w/ord\nabc\n", string(output))
}

// TestNATSScript starts the real server by it: only the token opens it, and the token stands in no command line.
func TestNATSScript(t *testing.T) {
	t.Parallel()
	bin, data := t.TempDir(), t.TempDir()
	output, err := exec.Command("go", "build", "-o", filepath.Join(bin, "nats-server"), "github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, string(output))
	port := func() string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	}
	client := port()
	cmd := containerScript(t, "nats", map[string]string{"nats_token": "0x12-abc_E5"}, "4222", client, "0.0.0.0:8222", "127.0.0.1:"+port(), "/data", data)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var conn *nats.Conn
	require.Eventually(t, func() bool {
		conn, err = nats.Connect("nats://0x12-abc_E5@127.0.0.1:" + client)
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.AccountInfo(t.Context())
	require.NoError(t, err)
	_, err = nats.Connect("nats://127.0.0.1:" + client)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	line, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline")
	require.NoError(t, err)
	require.Contains(t, string(line), "nats-server")
	require.NotContains(t, string(line), "abc")
}
