package alert

import (
	"context"
	"errors"
	"fmt"

	"github.com/wneessen/go-mail"
)

// Mail says how e-mail goes.
type Mail struct {
	// Host and Port of the server; port 0: 587, with TLS at the start 465.
	Host string
	Port int
	// TLS is starttls (the default, and demanded), tls (from the start) or off, for a server on this machine.
	TLS string
	// User to log in as; "": the server asks for none.
	User string
	// From and To are addresses, as in "RCAS <rcas@example.org>".
	From string
	To   []string
}

func (m Mail) validate(password string) error {
	if m.Host == "" || m.From == "" || len(m.To) == 0 {
		return errors.New("host, from and to are needed")
	}
	if m.User != "" && password == "" {
		return errors.New("user: is set, and there is no password")
	}
	if _, err := m.message(&Alert{}); err != nil {
		return err
	}
	_, err := m.client(password)
	return err
}

func (m Mail) client(password string) (*mail.Client, error) {
	options := []mail.Option{mail.WithTimeout(sendTimeout)}
	switch m.TLS {
	case "", "starttls":
		options = append(options, mail.WithTLSPortPolicy(mail.TLSMandatory))
	case "tls":
		options = append(options, mail.WithSSLPort(false))
	case "off":
		options = append(options, mail.WithTLSPortPolicy(mail.NoTLS))
	default:
		return nil, fmt.Errorf("tls: %q: write starttls, tls or off", m.TLS)
	}
	if m.Port != 0 {
		options = append(options, mail.WithPort(m.Port))
	}
	if m.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User), mail.WithPassword(password))
	}
	return mail.NewClient(m.Host, options...)
}

func (m Mail) message(a *Alert) (*mail.Msg, error) {
	message := mail.NewMsg()
	if err := message.From(m.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := message.To(m.To...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	message.Subject(a.Title)
	message.SetMessageIDWithValue(fmt.Sprintf("alert-%s@rcas", a.key())) // the same when it is sent again
	message.SetDate()
	message.SetBodyString(mail.TypeTextPlain, a.Text+"\n")
	return message, nil
}

// send hands the mail to the server. What it refuses for good (a reply from 500 on, RFC 5321) is not tried again.
func (m Mail) send(ctx context.Context, password string, a *Alert) error {
	client, err := m.client(password)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	message, err := m.message(a)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if refused, ok := errors.AsType[*mail.SendError](err); ok && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}
