package grafana_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

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
var oneShot = []string{"migrate", "nats-data", "roles"}

func TestCompose(t *testing.T) {
	t.Parallel()
	project := load(t)
	require.ElementsMatch(t, []string{"timescaledb", "nats", "nats-data", "migrate", "roles", "ingestor", "scorer", "grafana"}, project.ServiceNames())
	for name, s := range project.Services {
		if s.Build == nil {
			require.Regexp(t, `^[a-z/]+:[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$`, s.Image, "%s: the image is not pinned to a release", name)
		}
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s: port %d is reachable from elsewhere", name, p.Target)
		}
		require.Equal(t, !slices.Contains(oneShot, name), s.HealthCheck != nil, "%s: health", name)
		require.Equal(t, slices.Contains(oneShot, name), s.Restart == "no", "%s: restart", name)
		require.Equal(t, name != "nats-data", len(s.Secrets) > 0, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, "%s keeps what it does not need", name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.Positive(t, s.MemLimit, "%s: memory is not bounded", name)
		require.Positive(t, s.PidsLimit, "%s: processes are not bounded", name)
		require.NotEmpty(t, s.Logging.Options["max-size"], "%s: its log grows without end", name)
		for variable, value := range s.Environment {
			require.False(t, value != nil && strings.Contains(*value, "secret-"), "%s: %s shows a password", name, variable)
		}
		require.NotContains(t, strings.Join(append(s.Command, s.Entrypoint...), " "), "secret-", "%s: the command shows a password", name)
	}
	for _, stateful := range []string{"timescaledb", "nats", "grafana"} {
		require.Equal(t, types.VolumeTypeVolume, project.Services[stateful].Volumes[0].Type, stateful)
	}
	require.NotEmpty(t, project.Services["nats"].User)
	require.Equal(t, project.Services["nats"].User, project.Services["nats-data"].Entrypoint[2], "who owns the folder")
	require.Equal(t, "service_completed_successfully", project.Services["nats"].DependsOn["nats-data"].Condition)
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
		require.Regexp(t, `(?m)^/secrets/?$`, string(text), "secrets in files are no part of %s", name)
	}
}

// TestComposeHealth runs what the health checks of the services of RCAS run, with their variables: there is nobody to answer, and it knows.
func TestComposeHealth(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "rcas")
	output, err := exec.Command("go", "build", "-o", program, "../cmd/rcas").CombinedOutput()
	require.NoError(t, err, string(output))
	for _, name := range []string{"ingestor", "scorer"} {
		s := load(t).Services[name]
		test := s.HealthCheck.Test
		require.Equal(t, []string{"CMD", "rcas"}, []string(test[:2]))
		cmd := exec.Command(program, test[2:]...)
		cmd.Env = []string{"RCAS_DATA_DIR=" + t.TempDir(), "RCAS_METRICS_ADDRESS=" + strings.Replace(*s.Environment["RCAS_METRICS_ADDRESS"], ":9420", ":1", 1)}
		output, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(output), "no rcas answers at http://127.0.0.1:1")
	}
}

// TestComposeExec shows that commands run inside a service need no more than its variables: no wrapper sets what they log in with.
func TestComposeExec(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ingestor", "scorer", "migrate"} {
		s := load(t).Services[name]
		for variable, value := range s.Environment {
			if file, ok := strings.CutSuffix(variable, "_FILE"); ok {
				require.True(t, slices.ContainsFunc(s.Secrets, func(secret types.ServiceSecretConfig) bool {
					return *value == "/run/secrets/"+secret.Source && (secret.Target == "" || secret.Target == *value)
				}), "%s: %s names %s, which is no secret of it", name, file, *value)
			}
		}
		require.Contains(t, s.Environment, "RCAS_DATABASE_PASSWORD_FILE")
	}
}

// TestComposeWorkers compares the background workers of the database with the jobs that it really has.
func TestComposeWorkers(t *testing.T) {
	t.Parallel()
	jobs := storetest.Value[int](t, storetest.New(t), `SELECT count(*) FROM timescaledb_information.jobs`)
	setting := func(name string) int {
		for _, argument := range load(t).Services["timescaledb"].Command {
			if value, ok := strings.CutPrefix(argument, "--"+name+"="); ok {
				n, err := strconv.Atoi(value)
				require.NoError(t, err)
				return n
			}
		}
		require.Fail(t, "not set", name)
		return 0
	}
	const databases, parallel = 3, 8 // a scheduler for each of postgres, template1 and rcas; PostgreSQL's own default
	require.GreaterOrEqual(t, setting("timescaledb.max_background_workers"), jobs+databases)
	require.GreaterOrEqual(t, setting("max_worker_processes"), setting("timescaledb.max_background_workers")+parallel+3)
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
	require.NotContains(t, dockerfile, "<<", "the builder of Docker 20.10 knows no heredocs")
	require.NotContains(t, dockerfile, "--chmod", "nor modes")
	ignored, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^\*\*/\.env$`, string(ignored), "passwords would lie in the build cache")
	require.NotContains(t, stages["rcas"], "alpine", "the ONNX Runtime needs glibc")
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	require.Contains(t, stages["build"], fmt.Sprintf("golang:%s.", version))
}

// TestComposeCluster loads the two files as one, as the first line of the second says, and checks that they agree.
func TestComposeCluster(t *testing.T) {
	t.Parallel()
	var environment []string
	for _, name := range passwords {
		environment = append(environment, name+"=secret-"+strings.ToLower(name))
	}
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml", "../docker-compose.cluster.yml"}, cli.WithEnv(environment),
		cli.WithResolvedPaths(true))
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	single := load(t)
	nodes := []string{"nats", "nats2", "nats3"}
	added := []string{"nats2", "nats3", "nats2-data", "nats3-data", "ingestor2"}
	require.ElementsMatch(t, append(single.ServiceNames(), added...), project.ServiceNames())
	script, err := os.ReadFile("../docker/nats")
	require.NoError(t, err)
	require.Contains(t, string(script), "sync_interval: 250ms")
	disks, ports := map[string]bool{}, 0
	for _, name := range nodes {
		node := project.Services[name]
		require.Equal(t, single.Services["nats"].Image, node.Image)
		require.Equal(t, single.Services["nats"].Entrypoint, node.Entrypoint)
		require.Equal(t, name, *node.Environment["NODE"])
		require.Contains(t, string(script), "@"+name+":6222")
		require.NotNil(t, node.HealthCheck)
		ports += len(node.Ports)
		for _, v := range node.Volumes {
			if v.Target == "/data" {
				disks[v.Source] = true
				owner := project.Services[name+"-data"]
				require.Equal(t, v.Source, owner.Volumes[len(owner.Volumes)-1].Source, "the node could not write to its disk")
				require.Contains(t, node.DependsOn, name+"-data")
			}
		}
	}
	require.Len(t, disks, 3, "each node has a disk of its own")
	require.Len(t, single.Services["nats"].Ports, ports, "one node has the port of the host")
	for _, name := range []string{"ingestor", "ingestor2", "scorer"} {
		s := project.Services[name]
		require.Equal(t, "nats://nats:4222,nats://nats2:4222,nats://nats3:4222", *s.Environment["RCAS_NATS_URL"])
		require.Equal(t, single.Services["ingestor"].Environment["RCAS_NATS_TOKEN_FILE"], s.Environment["RCAS_NATS_TOKEN_FILE"])
		require.Empty(t, s.ContainerName, "it could not be scaled")
	}
	require.Empty(t, project.Services["scorer"].Ports, "it could not be scaled")
	require.Equal(t, project.Services["ingestor"].Command, project.Services["ingestor2"].Command)
}
