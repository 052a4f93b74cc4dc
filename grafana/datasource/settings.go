package datasource

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settings is the configuration of one data source. Host and user stand in Grafana's own fields (URL, user), as in its PostgreSQL source.
type settings struct {
	host, user, password string

	// Database to read.
	Database string `json:"database"`
	// SSLMode is libpq's: disable, require, verify-ca or verify-full (the default).
	SSLMode string `json:"sslmode"`
	// TLSServerName is the name in the server's certificate, where it differs from the host.
	TLSServerName string `json:"tlsServerName"`
	// NATSURL is where live values come from, nats://host:port or tls://host:port; empty: no live values.
	NATSURL string `json:"natsUrl"`

	// PEM blocks: of the authority that signed the servers' certificates, and of the client's own certificate and key.
	ca, certificate, key string
	natsToken            string
}

func readSettings(s backend.DataSourceInstanceSettings) (*settings, error) {
	secrets := s.DecryptedSecureJSONData
	c := &settings{
		host: s.URL, user: s.User, password: secrets["password"],
		ca: secrets["tlsCACert"], certificate: secrets["tlsClientCert"], key: secrets["tlsClientKey"], natsToken: secrets["natsToken"],
	}
	if err := json.Unmarshal(s.JSONData, c); err != nil {
		return nil, fmt.Errorf("the settings of the data source are not readable: %w", err)
	}
	switch {
	case c.host == "":
		return nil, errors.New("the data source has no database host; set it to host:port")
	case c.Database == "":
		return nil, errors.New("the data source has no database; set its name, e.g. rcas")
	case c.user == "":
		return nil, errors.New("the data source has no user; set it, e.g. rcas_reader")
	}
	return c, nil
}

// pool opens connections that can only read, lazily: a database that is away now may come back.
func (c *settings) pool() (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	db := config.ConnConfig
	db.Database, db.User, db.Password, db.Fallbacks = c.Database, c.user, c.password, nil
	if db.Host, db.Port, err = c.address(); err != nil {
		return nil, err
	}
	if db.TLSConfig, err = c.tls(db.Host); err != nil {
		return nil, err
	}
	// Works on every server, on one that serves all sessions from one backend too, and parameters stay parameters.
	db.DefaultQueryExecMode = pgx.QueryExecModeExec
	db.RuntimeParams = map[string]string{
		"application_name": "rcas-grafana", "timezone": "UTC", "default_transaction_read_only": "on",
		"default_transaction_isolation": "repeatable read", "statement_timeout": "30000", "jit": "off",
	}
	config.MaxConns = 8
	return pgxpool.NewWithConfig(backgroundContext(), config)
}

// address splits the host; one that begins with a slash is the directory of a unix socket, as in libpq.
func (c *settings) address() (host string, port uint16, err error) {
	const usual = 5432
	if strings.HasPrefix(c.host, "/") {
		return c.host, usual, nil
	}
	host, digits, err := net.SplitHostPort(c.host)
	if err != nil {
		return c.host, usual, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("the port of the database host %q is not a number", c.host)
	}
	return host, uint16(n), nil
}

// tls follows libpq: require encrypts without asking who answers, unless there is an authority to check by.
func (c *settings) tls(host string) (*tls.Config, error) {
	if strings.HasPrefix(host, "/") {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.TLSServerName != "" {
		config.ServerName = c.TLSServerName
	}
	if c.ca != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(c.ca)) {
			return nil, errors.New("the authority's certificate holds no PEM block that is a certificate")
		}
	}
	if c.certificate != "" || c.key != "" {
		pair, err := tls.X509KeyPair([]byte(c.certificate), []byte(c.key))
		if err != nil {
			return nil, fmt.Errorf("the client's certificate and key do not fit: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	switch c.SSLMode {
	case "disable":
		return nil, nil
	case "require":
		if c.ca == "" {
			config.InsecureSkipVerify = true
			return config, nil
		}
		return verifyChainOnly(config), nil
	case "verify-ca":
		return verifyChainOnly(config), nil
	case "verify-full", "":
		return config, nil
	}
	return nil, fmt.Errorf("the TLS mode %q is not one of disable, require, verify-ca and verify-full", c.SSLMode)
}

// verifyChainOnly checks that the authority signed the server's certificate, for whatever name.
func verifyChainOnly(config *tls.Config) *tls.Config {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
	return config
}

// where names the database and the broker without their secrets.
func (c *settings) where() (database, broker string) {
	database = fmt.Sprintf("%s on %s", c.Database, c.host)
	if u, err := url.Parse(c.NATSURL); err == nil {
		broker = u.Host
	}
	return database, broker
}
