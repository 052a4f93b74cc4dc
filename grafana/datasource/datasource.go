package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
)

// PluginID is the id of the plugin, as in its plugin.json.
const PluginID = "rcas-market-datasource"

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ backend.StreamHandler         = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// Datasource is one configured data source: a pool of database connections and a connection to NATS.
type Datasource struct {
	backend.CallResourceHandler

	settings *settings
	pool     *pgxpool.Pool
	broker   *nats.Conn // nil: not configured
	log      log.Logger
}

// New makes a data source of its settings. Neither database nor broker need be up.
func New(_ context.Context, s backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	settings, err := readSettings(s)
	if err != nil {
		return nil, err
	}
	d := &Datasource{settings: settings, log: log.DefaultLogger}
	if d.pool, err = settings.pool(); err != nil {
		return nil, err
	}
	if settings.NATSURL != "" {
		if d.broker, err = settings.connect(); err != nil {
			d.Dispose()
			return nil, err
		}
	}
	d.CallResourceHandler = httpadapter.New(d.resources())
	return d, nil
}

// Dispose closes the connections. Grafana calls it when the settings change.
func (d *Datasource) Dispose() {
	d.pool.Close()
	if d.broker != nil {
		d.broker.Close()
	}
}

func backgroundContext() context.Context { return context.Background() }

// QueryData answers the queries of a panel, several at a time. One that fails does not take the others with it.
func (d *Datasource) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	answers := make([]backend.DataResponse, len(req.Queries))
	var group errgroup.Group
	group.SetLimit(4)
	for i, q := range req.Queries {
		group.Go(func() error {
			answers[i] = d.answer(ctx, req, q)
			return nil
		})
	}
	_ = group.Wait()
	response := backend.NewQueryDataResponse()
	for i, q := range req.Queries {
		response.Responses[q.RefID] = answers[i]
	}
	return response, nil
}

// alertHeader is "true" where Grafana's alerting asks.
const alertHeader = "FromAlert"

func (d *Datasource) answer(ctx context.Context, req *backend.QueryDataRequest, q backend.DataQuery) backend.DataResponse {
	query, err := readQuery(q)
	if err != nil {
		return backend.ErrDataResponseWithSource(backend.StatusBadRequest, backend.ErrorSourceDownstream, err.Error())
	}
	query.alert = req.Headers[alertHeader] == "true"
	var frame *data.Frame
	switch query.Type {
	case typeLive:
		frame, err = d.liveFrame(ctx, req.PluginContext, query)
	case typeStreamState:
		frame, err = d.streamState(ctx)
	default:
		frame, err = d.ask(ctx, query)
	}
	if err != nil {
		return d.failure(err)
	}
	frame.RefID = q.RefID
	return backend.DataResponse{Status: backend.StatusOK, Frames: data.Frames{frame}}
}

// errQuery marks errors that lie in the query.
var errQuery = errors.New("this can't be asked")

// invalidParameter is the code of the database's own complaints about arguments, which are written for people.
const invalidParameter = "22023"

// failure turns an error into what a person reads in the panel.
func (d *Datasource) failure(err error) backend.DataResponse {
	var refused *pgconn.PgError
	status, message := backend.StatusInternal, d.explain(err)
	if errors.Is(err, errQuery) || errors.As(err, &refused) && refused.Code == invalidParameter {
		status = backend.StatusBadRequest
	}
	return backend.ErrDataResponseWithSource(status, backend.ErrorSourceDownstream, message)
}

// explain says what went wrong and what to do, without addresses of connections or secrets.
func (d *Datasource) explain(err error) string {
	database, _ := d.settings.where()
	away := fmt.Sprintf("The database %s can't be reached; this panel recovers by itself when it is back.", database)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case refused.Code == "28P01" || refused.Code == "28000":
			return fmt.Sprintf("The database %s refuses the user %s: check user and password of the data source.", database, d.settings.user)
		case refused.Code == "3D000":
			return fmt.Sprintf("There is no database %s.", database)
		case refused.Code == "42883" || refused.Code == "42P01" || refused.Code == "42703":
			return fmt.Sprintf("The database %s has no RCAS schema, or an older one: run rcas migrate up. (%s)", database, refused.Message)
		case refused.Code == "42501":
			return fmt.Sprintf("The user %s may not read this: grant it the role rcas_reader. (%s)", d.settings.user, refused.Message)
		case strings.HasPrefix(refused.Code, "57P"): // it stops, has stopped or starts
			return away
		case refused.Code == "57014":
			return "The answer took longer than 30 seconds: ask for a shorter time or wider windows."
		case refused.Hint != "":
			return sentence(refused.Message) + " " + sentence(refused.Hint)
		}
		return sentence(refused.Message)
	}
	if connecting := new(pgconn.ConnectError); errors.As(err, &connecting) || errors.Is(err, io.ErrUnexpectedEOF) {
		return away
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "The query was given up before the answer came."
	}
	return sentence(err.Error())
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	runes := []rune(s)
	if first := string(runes[0]); first >= "a" && first <= "z" {
		runes[0] -= 'a' - 'A'
	}
	if last := runes[len(runes)-1]; last != '.' && last != '!' && last != '?' {
		runes = append(runes, '.')
	}
	return string(runes)
}

func decode(raw json.RawMessage, into any) error {
	if len(raw) > maxQueryBytes {
		return fmt.Errorf("the query is %d bytes long, and at most %d are read", len(raw), maxQueryBytes)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the query is not readable: %w", err)
	}
	return nil
}
