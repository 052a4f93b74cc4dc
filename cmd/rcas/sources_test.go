package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Reddit's tokens come from a host of their own, which can be set too.
func TestRedditTokenURL(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	var once sync.Once
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(asked) })
		http.Error(w, "later", http.StatusServiceUnavailable)
	}))
	defer tokens.Close()
	config := filepath.Join(t.TempDir(), "rcas.yaml")
	sources := fmt.Sprintf("sources: {reddit: {username: ann, url: %q, token_url: %q}}\n", "http://127.0.0.1:1", tokens.URL)
	require.NoError(t, os.WriteFile(config, []byte(sources), 0o600))
	cmd := process(t, append([]string{"up", "--config", config}, onServer(t)...)...)
	cmd.Env = append(cmd.Env, "RCAS_REDDIT_CLIENT_ID=id", "RCAS_REDDIT_CLIENT_SECRET=secret")
	require.NoError(t, cmd.Start())
	select {
	case <-asked:
	case <-time.After(2 * time.Minute):
		t.Error("the host for tokens was not asked")
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}
