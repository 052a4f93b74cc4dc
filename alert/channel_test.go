package alert

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChannelsReachNothingInside tries addresses that are reachable from here only, by number, by name and by an answer that sends on.
func TestChannelsReachNothingInside(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer inside.Close()
	a := &Alert{ID: 1}
	for _, address := range []string{
		inside.URL, "http://localhost:1/", "http://[::1]:1/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.3.4/", "http://169.254.169.254/latest/",
		"http://[fe80::1]/", "http://[fd00::1]/", "http://0.0.0.0:1/", "http://100.64.0.1/", "http://[::ffff:127.0.0.1]:1/", "http://224.0.0.1/",
	} {
		for _, c := range []Channel{
			{Kind: "webhook", Secret: address}, {Kind: "discord", Secret: address}, {Kind: "slack", Secret: address},
			{Kind: "telegram", Secret: "t", Chat: "1", Server: address},
		} {
			require.ErrorIs(t, c.Send(t.Context(), a), errInside, "%s %s", c.Kind, address)
		}
	}
	require.Empty(t, asked)
	require.NoError(t, Channel{Kind: "webhook", Secret: inside.URL + "/allowed", Inside: true}.Send(t.Context(), a))
	require.Equal(t, "/allowed", <-asked)
}

func TestSenselessChannelsAreRefused(t *testing.T) {
	t.Parallel()
	whole := Mail{Host: "smtp.example.org", From: "rcas@example.org", To: []string{"me@example.org"}}
	broken := func(change func(*Mail)) Channel {
		m := whole
		change(&m)
		return Channel{Kind: "email", Mail: m}
	}
	require.NoError(t, Channel{Kind: "email", Mail: whole}.Validate())
	for want, c := range map[string]Channel{
		"no such kind":                      {Kind: "pager"},
		"not an http or https URL":          {Kind: "webhook", Secret: "ftp://example.org/s3cr3t"},
		"(discord): its address is not":     {Kind: "discord", Secret: "s3cr3t.example"},
		"(slack): its address is not":       {Kind: "slack", Secret: "://s3cr3t"},
		"no bot's token":                    {Kind: "telegram", Secret: "12:s3cr3t/../x", Chat: "1"},
		"chat: is missing":                  {Kind: "telegram", Secret: "12:s3cr3t"},
		"server: is not an http":            {Kind: "telegram", Secret: "12:s3cr3t", Chat: "1", Server: "tg.example"},
		"host, from and to are needed":      broken(func(m *Mail) { m.Host = "" }),
		"there is no password":              broken(func(m *Mail) { m.User = "me" }),
		"to: ":                              broken(func(m *Mail) { m.To = []string{"nobody"} }),
		`tls: "on": write starttls, tls or`: broken(func(m *Mail) { m.TLS = "on" }),
	} {
		err := c.Validate()
		require.ErrorIs(t, err, ErrBadChannel)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}
