package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// Channel is a way to people or programs.
type Channel struct {
	// Name is what rules and the table alert_deliveries call it.
	Name string
	// Kind is webhook, telegram, discord, slack or email.
	Kind string
	// Secret is the address of a webhook, of Discord's or of Slack's, the token of Telegram's bot, the password of e-mail. It is never logged.
	Secret string
	// Inside lets an address lie on this machine or in a private network. Without it, whoever can set an address could make RCAS post to what is
	// reachable from here only. Mail servers are named by the operator and may lie anywhere.
	Inside bool
	// Chat is the id or @name of the chat that Telegram's bot writes to.
	Chat string
	// Server is the address of a Bot API server other than Telegram's own (https://core.telegram.org/bots/api#using-a-local-bot-api-server).
	Server string
	// Mail says how e-mail goes.
	Mail Mail
}

// ErrBadChannel means that a channel's settings cannot work.
var ErrBadChannel = errors.New("the channel cannot work")

// errRefused means that trying again is no use.
var errRefused = errors.New("refused for good")

// errInside means that an address lies where it must not.
var errInside = errors.New("it lies inside this network, which a channel may reach only where the settings say so " +
	"(inside: true, or RCAS_WEBHOOK_INSIDE=1 for RCAS_WEBHOOK_URL)")

// telegram is the Bot API's own server, https://core.telegram.org/bots/api#making-requests.
const telegram = "https://api.telegram.org"

// What the networks take of a text: https://core.telegram.org/bots/api#sendmessage counts UTF-16 units, of which half are surely enough;
// https://docs.discord.com/developers/resources/webhook#execute-webhook counts characters; Slack cuts by itself far later.
const (
	mostTelegram = 2048
	mostDiscord  = 2000
	mostSlack    = 4000
)

// Validate says in words what is wrong with a channel.
func (c Channel) Validate() error {
	wrong := func(what string) error { return fmt.Errorf("%w: %s (%s): %s", ErrBadChannel, c.Name, c.Kind, what) }
	switch c.Kind {
	case "webhook", "discord", "slack":
		if !isHTTP(c.Secret) {
			return wrong("its address is not an http or https URL")
		}
	case "telegram":
		if c.Secret == "" || strings.ContainsAny(c.Secret, "/?# \n") {
			return wrong("its secret is no bot's token")
		}
		if c.Chat == "" {
			return wrong("chat: is missing, the id or @name of the chat to write to")
		}
		if c.Server != "" && !isHTTP(c.Server) {
			return wrong("server: is not an http or https URL")
		}
	case "email":
		if err := c.Mail.validate(c.Secret); err != nil {
			return wrong(err.Error())
		}
	default:
		return wrong("there is no such kind; write webhook, telegram, discord, slack or email")
	}
	return nil
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// Send tells of an alert. Errors hold no secret: of an address at most host and port.
func (c Channel) Send(ctx context.Context, a *Alert) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	switch c.Kind {
	case "telegram":
		server := c.Server
		if server == "" {
			server = telegram
		}
		return c.post(ctx, strings.TrimRight(server, "/")+"/bot"+c.Secret+"/sendMessage", nil, map[string]any{
			"chat_id": c.Chat, "text": cut(a.Text, mostTelegram), "link_preview_options": map[string]bool{"is_disabled": true},
		})
	case "discord": // Posts are quoted: what they hold must call nobody.
		return c.post(ctx, c.Secret, nil, map[string]any{"content": cut(a.Text, mostDiscord), "allowed_mentions": map[string]any{"parse": []string{}}})
	case "slack": // https://docs.slack.dev/messaging/formatting-message-text#escaping, so that nothing in them calls anybody
		text := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(cut(a.Text, mostSlack))
		return c.post(ctx, c.Secret, nil, map[string]any{"text": text, "unfurl_links": false})
	case "email":
		return c.Mail.send(ctx, c.Secret, a)
	}
	return c.post(ctx, c.Secret, http.Header{"Idempotency-Key": {a.key()}}, a)
}

// key is for receivers that must not act twice.
func (a *Alert) key() string {
	if a.EndedAt != nil {
		return strconv.FormatInt(a.ID, 10) + "-ended"
	}
	return strconv.FormatInt(a.ID, 10)
}

// post sends JSON.
func (c Channel) post(ctx context.Context, address string, header http.Header, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: its address is no URL", errRefused)
	}
	if header != nil {
		request.Header = header
	}
	request.Header.Set("Content-Type", "application/json")
	transport := outside
	if c.Inside {
		transport = anywhere
	}
	response, err := (&http.Client{Transport: transport, Timeout: sendTimeout}).Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the URL, which may hold a secret
		}
		return err
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // lets the connection be used again
	switch code := response.StatusCode; {
	case code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("it answered %s%s", response.Status, reason(said))
	default:
		return fmt.Errorf("%w: it answered %s%s", errRefused, response.Status, reason(said))
	}
}

// reason is what Telegram ("description") and Discord ("message") say beside a status: "chat not found".
func reason(body []byte) string {
	var said struct{ Description, Message string }
	if json.Unmarshal(body, &said) != nil || said.Description+said.Message == "" {
		return ""
	}
	return ": " + cut(strings.Join(strings.Fields(said.Description+said.Message), " "), 200)
}

// shared is the address space between customers and their provider (RFC 6598), which is private as well.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// outside reaches the whole Internet, and nothing else: the address is looked at when the connection is made, for a name may mean another one by
// then, and an answer may send us elsewhere. anywhere reaches inside, too.
var outside, anywhere = transport(false), transport(true)

func transport(inside bool) *http.Transport {
	dialer := &net.Dialer{Timeout: sendTimeout}
	if !inside {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			ip := at.Addr().Unmap()
			if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
				return errInside
			}
			return nil
		}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dialer.DialContext
	return t
}
