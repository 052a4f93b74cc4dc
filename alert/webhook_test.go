package alert

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWebhookReachesNothingInside tries addresses that are reachable from here only, by number, by name and by an answer that sends on.
func TestWebhookReachesNothingInside(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer inside.Close()
	outside := client(false)
	for _, address := range []string{
		inside.URL, "http://localhost:1/", "http://[::1]:1/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.3.4/", "http://169.254.169.254/latest/",
		"http://[fe80::1]/", "http://[fd00::1]/", "http://0.0.0.0:1/", "http://100.64.0.1/", "http://[::ffff:127.0.0.1]:1/", "http://224.0.0.1/",
	} {
		response, err := outside.Post(address, "application/json", nil)
		require.ErrorIs(t, err, errInside, address)
		require.Nil(t, response)
	}
	require.Empty(t, asked)
	response, err := client(true).Get(inside.URL + "/allowed")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "/allowed", <-asked)
}
