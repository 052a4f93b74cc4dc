package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// RequestTimeout bounds one request to a REST endpoint, its answer included.
const RequestTimeout = 30 * time.Second

// MaxAnswer bounds the answer of a REST endpoint, in bytes.
const MaxAnswer = 64 << 20

// maxRefusal bounds what is kept of an answer that refuses, in bytes: X names a hundred rules and its reasons in one.
const maxRefusal = 256 << 10

// ErrMalformed means that an answer or a message is not of the documented form.
var ErrMalformed = errors.New("malformed")

// Client asks a REST endpoint, no faster than its limiter allows.
type Client struct {
	// HTTP may be nil: http.DefaultClient.
	HTTP *http.Client
	// Limit may be nil: no limit.
	Limit *rate.Limiter
	// UserAgent is sent where it is not empty.
	UserAgent string
	// MaxAnswer bounds an answer, in bytes. Zero means [MaxAnswer].
	MaxAnswer int
}

// Get asks url and decodes the JSON answer into answer. Any status but 2xx is a [*StatusError]; a body that is not the JSON
// expected is [ErrMalformed].
func (c *Client) Get(ctx context.Context, url string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, err = c.Do(request, answer)
	return err
}

// Do sends the request, once the limiter lets it, and decodes the JSON answer into answer (nil: whatever it is). The header is
// returned with errors too where there was an answer.
func (c *Client) Do(request *http.Request, answer any) (http.Header, error) {
	body, header, err := c.send(request)
	if err != nil || answer == nil {
		return header, err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return header, fmt.Errorf("%w: answer of %s: %w", ErrMalformed, request.URL.Host, err)
	}
	return header, nil
}

// Raw sends the request, once the limiter lets it, and returns the answer as it is, and its header, with errors too where there was an
// answer.
func (c *Client) Raw(request *http.Request) ([]byte, http.Header, error) { return c.send(request) }

func (c *Client) send(request *http.Request) ([]byte, http.Header, error) {
	if c.Limit != nil {
		if err := c.Limit.Wait(request.Context()); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithTimeout(request.Context(), RequestTimeout)
	defer cancel()
	if c.UserAgent != "" {
		request.Header.Set("User-Agent", c.UserAgent)
	}
	response, err := c.client().Do(request.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	most := cmp.Or(c.MaxAnswer, MaxAnswer)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
	switch {
	case response.StatusCode/100 != 2:
		return nil, response.Header, statusError(response, body)
	case err != nil:
		return nil, response.Header, fmt.Errorf("read the answer of %s: %w", request.URL.Host, err)
	case len(body) > most:
		err = fmt.Errorf("%w: answer of %s exceeds %d bytes", ErrMalformed, request.URL.Host, most)
		return nil, response.Header, err
	}
	return body, response.Header, nil
}

func (c *Client) client() *http.Client {
	if c.HTTP == nil {
		return http.DefaultClient
	}
	return c.HTTP
}

// Refusal makes an error of an answer with a status other than the one hoped for; it reads the beginning of the body.
func Refusal(response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	return statusError(response, body)
}

func statusError(response *http.Response, body []byte) *StatusError {
	return &StatusError{
		Code:       response.StatusCode,
		RetryAfter: retryAfter(response.Header, time.Now()),
		Header:     response.Header,
		Body:       string(body[:min(len(body), maxRefusal)]),
	}
}
