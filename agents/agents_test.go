package agents_test

import (
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"rcas/agents"
	"rcas/market"
	"rcas/store/storetest"
)

// TestAssistant asks as an assistant does, by both roads.
func TestAssistant(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(t.Context(), assets))
	_, err = s.Pool().Exec(t.Context(), `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		SELECT TIMESTAMPTZ '2024-03-01' + n * INTERVAL '1 minute', 'BTC', 'test', n::text, 60000 + n, 0.5, now() FROM generate_series(0, 599) AS n`)
	require.NoError(t, err)
	db, err := s.Readers(t.Context(), 4)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	server, err := agents.New(t.Context(), db, "test", nil)
	require.NoError(t, err)

	ours, theirs := mcp.NewInMemoryTransports()
	go func() { _ = server.Run(t.Context(), ours) }()
	requireTools(t, theirs)

	web := httptest.NewServer(agents.Handler(server))
	t.Cleanup(web.Close)
	requireTools(t, &mcp.StreamableClientTransport{Endpoint: web.URL})
}

func requireTools(t *testing.T, transport mcp.Transport) {
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	require.NoError(t, err)
	defer session.Close()
	listed, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	tools := map[string]*mcp.Tool{}
	for _, tool := range listed.Tools {
		tools[tool.Name] = tool
		require.True(t, tool.Annotations.ReadOnlyHint)
	}
	require.Contains(t, tools, "mood")
	require.Contains(t, tools["mood"].Description, "mood_error")
	require.NotContains(t, tools, "record_alerts")

	answer := func(name string, arguments map[string]any) (string, bool) {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
		require.NoError(t, err)
		return result.Content[0].(*mcp.TextContent).Text, result.IsError
	}
	hours := map[string]any{"symbol": "BTC", "from": "2024-03-01", "to": "2024-03-01T02:00Z", "width": "1 hour"}
	text, failed := answer("candles", hours)
	require.False(t, failed, text)
	require.JSONEq(t, `[{"bucket":"2024-03-01T00:00:00Z","open":60000,"high":60059,"low":60000,"close":60059,"volume":30,"vwap":60029.5,"trades":60},
		{"bucket":"2024-03-01T01:00:00Z","open":60060,"high":60119,"low":60060,"close":60119,"volume":30,"vwap":60089.5,"trades":60}]`, text)
	hours["width"], hours["to"] = "1 minute", "2024-03-02"
	text, failed = answer("candles", hours)
	require.False(t, failed)
	require.Contains(t, text, "Only the first 300 rows: there are more.")
	hours["symbol"] = "bitcoin"
	text, failed = answer("candles", hours)
	require.True(t, failed)
	require.Contains(t, text, `unknown symbol "bitcoin". Known symbols: AAVE`)
	hours["symbol"], hours["width"] = nil, "1 hour"
	text, failed = answer("mood_index", hours)
	require.False(t, failed, "the market's: %s", text)
	require.Contains(t, text, "No rows: nothing is stored that would answer this.")
	hours["symbol"] = map[string]any{"coin": "BTC"}
	text, failed = answer("candles", hours)
	require.True(t, failed)
	require.Contains(t, text, "not an object")
}
