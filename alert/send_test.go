package alert_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/alert"
)

// told is an alert whose posts try to call everybody.
func told() *alert.Alert {
	return &alert.Alert{ID: 7, Symbol: "BTC", Title: "BTC: mood is up", Text: "BTC: mood is up\n“@everyone <!channel> & more”", FiredAt: time.Now()}
}

// TestChatsTakeWhatIsSent speaks with servers that take what Telegram, Discord and Slack take, and refuse as they do.
func TestChatsTakeWhatIsSent(t *testing.T) {
	t.Parallel()
	type request struct {
		path string
		body map[string]any
	}
	asked := make(chan request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&body) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked <- request{r.URL.Path, body}
		if body["chat_id"] == "nowhere" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`)
		}
	}))
	defer server.Close()

	require.NoError(t, alert.Channel{Kind: "telegram", Secret: "12:token", Chat: "-100", Server: server.URL + "/", Inside: true}.Send(t.Context(), told()))
	got := <-asked
	require.Equal(t, "/bot12:token/sendMessage", got.path)
	require.Equal(t, map[string]any{"chat_id": "-100", "text": told().Text, "link_preview_options": map[string]any{"is_disabled": true}}, got.body)

	require.NoError(t, alert.Channel{Kind: "discord", Secret: server.URL + "/api/webhooks/1/token", Inside: true}.Send(t.Context(), told()))
	got = <-asked
	require.Equal(t, "/api/webhooks/1/token", got.path)
	require.Equal(t, map[string]any{"content": told().Text, "allowed_mentions": map[string]any{"parse": []any{}}}, got.body, "nobody is called")

	require.NoError(t, alert.Channel{Kind: "slack", Secret: server.URL + "/services/token", Inside: true}.Send(t.Context(), told()))
	got = <-asked
	require.Equal(t, map[string]any{"text": "BTC: mood is up\n“@everyone &lt;!channel&gt; &amp; more”", "unfurl_links": false}, got.body)

	long := told()
	long.Text = strings.Repeat("ä", 9000)
	for kind, most := range map[string]int{"discord": 2000, "slack": 4000} {
		require.NoError(t, alert.Channel{Kind: kind, Secret: server.URL, Inside: true}.Send(t.Context(), long))
		got = <-asked
		text, _ := got.body[map[string]string{"discord": "content", "slack": "text"}[kind]].(string)
		require.Equal(t, strings.Repeat("ä", most-1)+"…", text)
	}

	err := alert.Channel{Kind: "telegram", Secret: "12:token", Chat: "nowhere", Server: server.URL, Inside: true}.Send(t.Context(), told())
	require.ErrorContains(t, err, "refused for good: it answered 400 Bad Request: Bad Request: chat not found")
	err = alert.Channel{Kind: "telegram", Secret: "12:token", Chat: "1", Server: "http://127.0.0.1:1", Inside: true}.Send(t.Context(), told())
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "token")
}

// letter is what a mail server was handed.
type letter struct{ from, to, data string }

// mailServer speaks SMTP (RFC 5321) as far as one letter needs, offers what it is told to, and refuses recipients at refused.example.
func mailServer(t *testing.T, offers ...string) (int, <-chan letter) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	letters := make(chan letter, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serveMail(conn, offers, letters)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, letters
}

func serveMail(conn net.Conn, offers []string, letters chan<- letter) {
	in, say := textproto.NewReader(bufio.NewReader(conn)), func(line string) { fmt.Fprint(conn, line+"\r\n") }
	say("220 mail.example ESMTP")
	var l letter
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		switch verb, rest, _ := strings.Cut(line, ":"); strings.ToUpper(strings.Fields(verb + " ?")[0]) {
		case "EHLO":
			for _, offer := range offers {
				say("250-" + offer)
			}
			say("250 8BITMIME")
		case "MAIL":
			l.from = rest
			say("250 ok")
		case "RCPT":
			l.to = rest
			if strings.Contains(rest, "refused.example") {
				say("550 no such mailbox")
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			data, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			l.data = string(data)
			letters <- l
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default: // RSET, NOOP
			say("250 ok")
		}
	}
}

func TestEMail(t *testing.T) {
	t.Parallel()
	port, letters := mailServer(t)
	c := alert.Channel{Name: "mail", Kind: "email", Mail: alert.Mail{Host: "127.0.0.1", Port: port, TLS: "off", From: "RCAS <rcas@example.org>",
		To: []string{"me@example.org"}}}
	require.NoError(t, c.Validate())
	require.NoError(t, c.Send(t.Context(), told()))
	got := <-letters
	require.Contains(t, got.from, "rcas@example.org")
	require.Contains(t, got.to, "me@example.org")
	message, err := mail.ReadMessage(strings.NewReader(got.data))
	require.NoError(t, err)
	require.Equal(t, "BTC: mood is up", message.Header.Get("Subject"))
	require.Equal(t, "<alert-7@rcas>", message.Header.Get("Message-ID"))
	require.Contains(t, got.data, "@everyone <!channel> & more")

	refused := c
	refused.Mail.To = []string{"me@refused.example"}
	require.ErrorContains(t, refused.Send(t.Context(), told()), "refused for good")

	c.Mail.TLS = ""
	require.ErrorContains(t, c.Send(t.Context(), told()), "STARTTLS", "no letter and no password goes out in the clear unless asked to")
	require.Empty(t, letters)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, c.Send(gone, told()))
}
