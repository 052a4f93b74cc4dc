package stream_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"rcas/stream"
	"rcas/stream/streamtest"
)

// write keeps a file for the test.
func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func TestWaysIn(t *testing.T) {
	t.Parallel()
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	for name, way := range map[string]struct {
		server func(*server.Options)
		auth   stream.Auth
	}{
		"user":  {func(o *server.Options) { o.Username, o.Password = "rcas", "s3cret-word" }, stream.Auth{User: "rcas", Password: "s3cret-word"}},
		"token": {func(o *server.Options) { o.Authorization = "s3cret-word" }, stream.Auth{Token: "s3cret-word"}},
		"nkey": {func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} },
			stream.Auth{Nkey: write(t, "seed", seed)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := streamtest.New(t, 1, way.server)
			var log bytes.Buffer
			s := open(t, stream.Config{URL: nodes.URL(), Auth: way.auth, Log: slog.New(slog.NewTextHandler(&log, nil))})
			publish(t, s, 0, 1)
			_, err := stream.Open(t.Context(), stream.Config{URL: nodes.URL()})
			require.ErrorContains(t, err, "Authorization", "without it")
			_, err = stream.Open(t.Context(), stream.Config{URL: nodes.URL(), Auth: stream.Auth{Token: "s3cret-other"}})
			require.Error(t, err)
			require.NotContains(t, err.Error()+log.String(), "s3cret")
		})
	}
}

// Credentials as nsc writes them: a JWT of an account that an operator has signed.
func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		k, err := create()
		require.NoError(t, err)
		public, err := k.PublicKey()
		require.NoError(t, err)
		return k, public
	}
	operator, operatorKey := pair(nkeys.CreateOperator)
	account, accountKey := pair(nkeys.CreateAccount)
	system, systemKey := pair(nkeys.CreateAccount)
	user, userKey := pair(nkeys.CreateUser)
	_ = system
	claims := jwt.NewAccountClaims(accountKey)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	accountJWT, err := claims.Encode(operator)
	require.NoError(t, err)
	systemJWT, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	require.NoError(t, err)
	userJWT, err := jwt.NewUserClaims(userKey).Encode(account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	credentials, err := jwt.FormatUserConfig(userJWT, seed)
	require.NoError(t, err)

	nodes := streamtest.New(t, 1, func(o *server.Options) {
		trusted := jwt.NewOperatorClaims(operatorKey)
		o.TrustedOperators, o.SystemAccount = []*jwt.OperatorClaims{trusted}, systemKey
		resolver := &server.MemAccResolver{}
		require.NoError(t, resolver.Store(accountKey, accountJWT))
		require.NoError(t, resolver.Store(systemKey, systemJWT))
		o.AccountResolver = resolver
	})
	s := open(t, stream.Config{URL: nodes.URL(), Auth: stream.Auth{Credentials: write(t, "rcas.creds", credentials)}})
	publish(t, s, 0, 1)
	_, err = stream.Open(t.Context(), stream.Config{URL: nodes.URL()})
	require.Error(t, err)
}

func TestTLSWithOnesOwnCA(t *testing.T) {
	t.Parallel()
	ca, config := certificates(t)
	nodes := streamtest.New(t, 1, func(o *server.Options) { o.TLS, o.TLSConfig, o.TLSTimeout = true, config, 30 })
	s := open(t, stream.Config{URL: nodes.URL(), Auth: stream.Auth{CA: ca}})
	publish(t, s, 0, 1)
	_, err := stream.Open(t.Context(), stream.Config{URL: nodes.URL()})
	require.ErrorContains(t, err, "certificate", "the system knows no such authority")
	plain := streamtest.New(t, 1)
	_, err = stream.Open(t.Context(), stream.Config{URL: plain.URL(), Auth: stream.Auth{CA: ca}})
	require.ErrorContains(t, err, "secure", "who names an authority wants TLS")
}

// certificates makes an authority, written to a file, and a server's certificate of it.
func certificates(t *testing.T) (ca string, config *tls.Config) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		if signer == nil {
			parent, signer = template, key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return cert, key, der
	}
	root, rootKey, rootDER := sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ours"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	_, key, der := sign(&x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, root, rootKey)
	ca = write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
	return ca, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestOneWayInOnly(t *testing.T) {
	t.Parallel()
	for want, auth := range map[string]stream.Auth{
		"one way only": {User: "a", Password: "s3cret", Token: "s3cret"},
		"--nats-user":  {Password: "s3cret"},
		"nkey's seed":  {Nkey: "/nowhere/seed"},
	} {
		_, err := stream.Open(t.Context(), stream.Config{URL: "nats://127.0.0.1:1", Auth: auth})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
