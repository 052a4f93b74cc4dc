package feed

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// DialTimeout bounds the opening of a connection, and every single write.
const DialTimeout = 15 * time.Second

// MaxMessage bounds one message of a WebSocket feed, in bytes. A longer one ends the session.
const MaxMessage = 4 << 20

// Conn is an open WebSocket connection. It answers pings by itself, with the same payload.
type Conn struct {
	ws      *websocket.Conn
	session *Session
}

// Dial opens a WebSocket connection with the client (nil: http.DefaultClient), whose transport is where proxies and tests
// step in. A refusal is a [*StatusError]. Whatever arrives on the connection counts as a sign of life of the session.
func Dial(ctx context.Context, client *http.Client, url string, session *Session) (*Conn, error) {
	dialling, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	ws, answer, err := websocket.Dial(dialling, url, &websocket.DialOptions{
		HTTPClient: client,
		OnPingReceived: func(context.Context, []byte) bool {
			session.Alive()
			return true
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, refusal(answer, err))
	}
	ws.SetReadLimit(MaxMessage)
	session.Alive()
	return &Conn{ws: ws, session: session}, nil
}

// refusal turns the answer to a failed handshake into a StatusError where there was an answer.
func refusal(answer *http.Response, err error) error {
	if answer == nil || answer.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	return Refusal(answer)
}

// Send writes one text message.
func (c *Conn) Send(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, message)
}

// Each hands every message to take until the connection breaks, ctx ends or take fails, and returns why. The message
// belongs to take.
func (c *Conn) Each(ctx context.Context, take func(message []byte) error) error {
	for {
		_, message, err := c.ws.Read(ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		c.session.Alive()
		if err := take(message); err != nil {
			return err
		}
	}
}

// Close drops the connection without ceremony: whatever the other side would still say is not awaited.
func (c *Conn) Close() error { return c.ws.CloseNow() }
