package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHealth(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running rcas whether it is ready, and exit with 1 where it is not",
		Long: `Ask /readyz of the rcas that runs on this machine, by --metrics-address or on the address that it serves by itself, and print what it
says, a line a check. For probes of containers and service managers: it opens neither database nor stream. With --alive it asks
/healthz: whether the process must be started again.`,
		Args: cobra.NoArgs,
	}
	alive := cmd.Flags().Bool("alive", false, "ask only whether the process lives")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/readyz"
		if *alive {
			path = "/healthz"
		}
		return s.askHealth(cmd.Context(), cmd.OutOrStdout(), path)
	}
	return cmd
}

// metricsURL is where the rcas that is meant serves its health: the one of this data directory, where what it opens is embedded.
func (s *settings) metricsURL() (string, error) {
	if s.metricsAddress != "" && s.metricsAddress != "off" {
		host, port, err := net.SplitHostPort(s.metricsAddress)
		if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
			return "http://" + net.JoinHostPort("127.0.0.1", port), nil
		}
		return "http://" + s.metricsAddress, nil
	}
	if s.databaseURL != "" {
		return "http://" + defaultMetricsAddress, nil
	}
	endpoint, err := s.running()
	if err == nil && endpoint.Metrics == "" {
		err = errors.New("the rcas that serves this data directory serves no metrics; start it with --metrics-address")
	}
	return endpoint.Metrics, err
}

// askHealth prints what a page of the health of the running rcas says; the error names what failed.
func (s *settings) askHealth(ctx context.Context, out io.Writer, path string) error {
	lines, err := s.healthPage(ctx, path)
	if err != nil {
		return err
	}
	var failed []string
	for _, line := range lines {
		fmt.Fprintln(out, line)
		if what, ok := strings.CutPrefix(line, "fail "); ok {
			failed = append(failed, what)
		}
	}
	if len(failed) > 0 {
		return errors.New("not ready: " + strings.Join(failed, "; "))
	}
	return nil
}

// healthPage returns the lines of a page.
func (s *settings) healthPage(ctx context.Context, path string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	server, err := s.metricsURL()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+path, nil)
	if err != nil {
		return nil, fmt.Errorf("--metrics-address: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no rcas answers at %s: %w", server, errors.Unwrap(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", server, err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%s is no rcas: it answered %s", server, response.Status)
	}
	return strings.Split(strings.TrimSpace(string(body)), "\n"), nil
}
