package grafana_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"rcas/grafana/grafanatest"
	"rcas/store/storetest"
)

var passwords = []string{"ADMIN_PASSWORD", "WRITER_PASSWORD", "READER_PASSWORD", "GRAFANA_PASSWORD", "NATS_TOKEN"}

// load reads docker-compose.yml as Docker Compose does, with an environment.
func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	for _, name := range passwords {
		environment = append(environment, name+"=secret-"+strings.ToLower(name))
	}
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(environment), cli.WithResolvedPaths(true))
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

// oneShot services end when they have done their work.
var oneShot = []string{"migrate", "roles"}

func TestCompose(t *testing.T) {
	t.Parallel()
	project := load(t)
	require.ElementsMatch(t, []string{"timescaledb", "nats", "migrate", "roles", "ingestor", "scorer", "grafana"}, project.ServiceNames())
	for name, s := range project.Services {
		if s.Build == nil {
			require.Regexp(t, `^[a-z/]+:[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$`, s.Image, "%s: the image is not pinned to a release", name)
		}
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s: port %d is reachable from elsewhere", name, p.Target)
		}
		require.Equal(t, !slices.Contains(oneShot, name), s.HealthCheck != nil, "%s: health", name)
		require.Equal(t, slices.Contains(oneShot, name), s.Restart == "no", "%s: restart", name)
		require.NotEmpty(t, s.Secrets, name)
		for variable, value := range s.Environment {
			require.False(t, value != nil && strings.Contains(*value, "secret-"), "%s: %s shows a password", name, variable)
		}
		require.NotContains(t, strings.Join(append(s.Command, s.Entrypoint...), " "), "secret-", "%s: the command shows a password", name)
	}
	for _, stateful := range []string{"timescaledb", "nats", "grafana"} {
		require.Equal(t, types.VolumeTypeVolume, project.Services[stateful].Volumes[0].Type, stateful)
	}
	require.Equal(t, "service_completed_successfully", project.Services["ingestor"].DependsOn["roles"].Condition)
	require.Equal(t, "service_completed_successfully", project.Services["roles"].DependsOn["migrate"].Condition)
	require.Equal(t, "service_healthy", project.Services["migrate"].DependsOn["timescaledb"].Condition)
	for name, secret := range project.Secrets {
		require.Contains(t, passwords, secret.Environment, name)
	}
}

// TestComposeWithoutPasswords shows that the example of .env names every variable that has to be set, and none is set there.
func TestComposeWithoutPasswords(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.env.example")
	require.NoError(t, err)
	for _, name := range passwords {
		require.Regexp(t, `(?m)^`+name+`=$`, string(text))
	}
	compose, err := os.ReadFile("../docker-compose.yml")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(string(compose), -1) {
		require.Contains(t, string(text), m[1]+"=", "the example does not name %s", m[1])
	}
}

// TestComposeCommands gives each command of the services to the real program, which must know it.
func TestComposeCommands(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "rcas")
	output, err := exec.Command("go", "build", "-o", program, "../cmd/rcas").CombinedOutput()
	require.NoError(t, err, string(output))
	project := load(t)
	commands := [][]string{project.Services["migrate"].Command, project.Services["scorer"].Command}
	script := project.Services["ingestor"].Command[0]
	for _, m := range regexp.MustCompile(`exec rcas ([^;]+);`).FindAllStringSubmatch(script, -1) {
		commands = append(commands, strings.Fields(m[1]))
	}
	require.Len(t, commands, 4)
	models, err := os.ReadFile("../docs/models.md")
	require.NoError(t, err)
	run := regexp.MustCompile(`docker compose run --rm scorer (\w+ \w+ \w+)`).FindStringSubmatch(string(models))
	require.Len(t, run, 2, "the page says how another model is chosen")
	commands = append(commands, strings.Fields(run[1]))
	for _, command := range commands {
		output, err := exec.Command(program, append(command, "--help")...).CombinedOutput()
		require.NoError(t, err, "rcas %s: %s", strings.Join(command, " "), output)
	}
	require.Contains(t, load(t, "RCAS_SOURCES=--source kraken").Services["ingestor"].Command[0], "exec rcas ingest --source kraken;")
}

// TestComposeModels shows that the scorer, and so what is run once in its place, finds models of one's own, and that none need be there.
func TestComposeModels(t *testing.T) {
	t.Parallel()
	folder := func(environment ...string) string {
		scorer := load(t, environment...).Services["scorer"]
		require.Len(t, scorer.Volumes, 1)
		v := scorer.Volumes[0]
		require.Equal(t, types.VolumeTypeBind, v.Type)
		require.Equal(t, *scorer.Environment["RCAS_MODELS_DIR"], v.Target)
		require.True(t, v.ReadOnly)
		require.True(t, bool(v.Bind.CreateHostPath), "a folder that is missing is no error")
		return v.Source
	}
	here, err := filepath.Abs("..")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(here, "models"), folder())
	require.Equal(t, "/srv/models", folder("RCAS_MODELS_DIR=/srv/models"))
	for _, name := range []string{"../.gitignore", "../.dockerignore"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Regexp(t, `(?m)^/models/?$`, string(text), "models are large, and no part of %s", name)
	}
}

var healthQuery = regexp.MustCompile(`rcas sql "(.*)"`)

// TestComposeHealth asks what the health checks ask, where all is well and where it is not.
func TestComposeHealth(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	grafanatest.Fill(t, s, time.Now())
	check := func(service, demo string) error {
		test := load(t).Services[service].HealthCheck.Test
		m := healthQuery.FindStringSubmatch(test[len(test)-1])
		require.Len(t, m, 2, "%v", test)
		_, err := s.Pool().Exec(context.Background(), strings.ReplaceAll(m[1], "$RCAS_DEMO", demo))
		return err
	}
	storetest.Exec(t, s, `INSERT INTO pipeline_counts (component, source, event, n) VALUES ('writer', 'kraken', 'stored', 1)`)
	require.NoError(t, check("ingestor", ""))
	require.NoError(t, check("scorer", ""))
	storetest.Exec(t, s, `DELETE FROM pipeline_counts WHERE time > now() - INTERVAL '30 minutes'`)
	storetest.Exec(t, s, `CALL refresh_continuous_aggregate('pipeline_1m', now() - INTERVAL '1 hour', now())`)
	require.ErrorContains(t, check("ingestor", ""), "division by zero")
	require.NoError(t, check("ingestor", "1"), "the demo's archive ends, and that is well")
	storetest.Exec(t, s, `TRUNCATE pipeline_counts`)
	storetest.Exec(t, s, `CALL refresh_continuous_aggregate('pipeline_1m', NULL, NULL)`)
	require.NoError(t, check("ingestor", "1"), "it is well when it ended so long ago that no feed is known any more")
	require.ErrorContains(t, check("ingestor", ""), "division by zero")
	storetest.Exec(t, s, `DELETE FROM sentiments WHERE time > now() - INTERVAL '14 minutes'`)
	require.ErrorContains(t, check("scorer", ""), "division by zero")
	storetest.Exec(t, s, `TRUNCATE prices`)
	require.ErrorContains(t, check("ingestor", "1"), "division by zero", "nor is a demo well that brought nothing")
}

// TestDockerfile checks that the images are what the services build, run the Make targets that everybody runs, and not as root.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	dockerfile := string(text)
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	targets := regexp.MustCompile(`RUN make (\w+)`).FindAllStringSubmatch(dockerfile, -1)
	require.Len(t, targets, 2)
	for _, m := range targets {
		require.Regexp(t, `(?m)^`+m[1]+`:`, string(makefile))
	}
	stages := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+) AS (\S+)$`).FindAllStringSubmatch(dockerfile, -1) {
		stages[m[2]] = m[1]
		if _, own := stages[m[1]]; !own {
			require.Regexp(t, `^[a-z/]+:[0-9]+\.[0-9]+[0-9a-z.-]*$`, m[1], "the base image is not pinned")
		}
	}
	for name, s := range load(t).Services {
		if s.Build != nil {
			require.Contains(t, stages, s.Build.Target, name)
		}
	}
	require.Contains(t, dockerfile, "\nUSER rcas\n")
	require.NotContains(t, stages["rcas"], "alpine", "the ONNX Runtime needs glibc")
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	require.Contains(t, stages["build"], fmt.Sprintf("golang:%s.", version))
}
