package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"rcas/agents"
	"rcas/api"
)

// defaultAPIAddress is where questions over HTTP are answered.
const defaultAPIAddress = "127.0.0.1:8420"

// readers is how many questions the database works on at a time; the others wait.
const readers = 8

// apiFlags say how questions over HTTP are answered.
type apiFlags struct {
	origin string
	rows   int
	within time.Duration
	rate   float64
}

// defaultAPI is what holds where nothing is said.
var defaultAPI = apiFlags{rows: 200_000, within: 30 * time.Second, rate: 50}

func (f *apiFlags) add(cmd *cobra.Command) {
	*f = defaultAPI
	cmd.Flags().StringVar(&f.origin, "origin", f.origin, "web origin whose pages may read answers (CORS), as https://notebook.example")
	cmd.Flags().IntVar(&f.rows, "rows", f.rows, "most rows of one answer")
	cmd.Flags().DurationVar(&f.within, "within", f.within, "longest work on one answer")
	cmd.Flags().Float64Var(&f.rate, "rate", f.rate, "questions a second that one address may ask; 0 for no bound")
}

func newServe(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer questions over HTTP, and for assistants (MCP), until stopped",
		Long: `Answer GET /v1/NAME?… with what the function or view NAME of docs/sql.md says, as JSON, CSV, NDJSON or Parquet; /v1/live/NAME as
events; / lists all with their arguments; /mcp is for assistants. It only reads. Where others reach the address, RCAS_API_TOKEN holds the tokens
(blanks between) that they must show. See docs/api.md. rcas up --serve does the same beside everything else.`,
		Example: "  rcas serve\n  curl 'http://" + defaultAPIAddress + "/v1/mood?symbol=BTC&from=-24h&to=now&width=1h&format=csv'",
		Args:    cobra.NoArgs,
	}
	var flags apiFlags
	flags.add(cmd)
	address := cmd.Flags().String("address", defaultAPIAddress, "host:port to listen on")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := s.openToAsk(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		return a.answerHTTP(cmd.Context(), *address, flags)
	}
	return cmd
}

// answerHTTP answers until ctx ends.
func (a *app) answerHTTP(ctx context.Context, address string, flags apiFlags) error {
	db, err := a.store.Readers(ctx, readers)
	if err != nil {
		return err
	}
	defer db.Close()
	assistants, err := agents.New(ctx, db, version(), a.settings.log)
	if err != nil {
		return err
	}
	server := api.New(api.Config{
		DB: db, Tokens: strings.Fields(a.settings.env["RCAS_API_TOKEN"]), Origin: flags.origin, Rows: flags.rows, Time: flags.within, Rate: flags.rate,
		Also: map[string]http.Handler{"/mcp": agents.Handler(assistants)}, Log: a.settings.log,
	})
	return server.Serve(ctx, address, func(at net.Addr) {
		a.settings.say(fmt.Sprintf("answering on http://%s/ (and /mcp for assistants); Ctrl-C stops it", at))
	})
}

func newMCP(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Answer an assistant's questions on standard input (Model Context Protocol)",
		Long: `Speak the Model Context Protocol on standard input and output: each public function and view of docs/sql.md is a tool. It only
reads. An assistant that runs on this machine starts it by itself: give it the command "rcas" with the argument "mcp". One elsewhere
asks rcas serve at /mcp.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openToAsk(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			db, err := a.store.Readers(cmd.Context(), readers)
			if err != nil {
				return err
			}
			defer db.Close()
			server, err := agents.New(cmd.Context(), db, version(), s.log)
			if err != nil {
				return err
			}
			if err := server.Run(cmd.Context(), &mcp.StdioTransport{}); err != nil && cmd.Context().Err() == nil {
				return fmt.Errorf("speak with the assistant: %w", err)
			}
			return nil
		},
	}
}
