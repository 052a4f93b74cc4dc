package dashboards

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// board is the part of Grafana's dashboard schema (version 42) that RCAS uses. Decoding is strict: a misspelt key is an error.
type board struct {
	UID                  string
	Title                string
	Description          string
	Tags                 []string
	Timezone             string
	Editable             bool
	GraphTooltip         int
	Refresh              string
	SchemaVersion        int
	Version              int
	FiscalYearStartMonth int
	WeekStart            string
	Time                 struct{ From, To string }
	Timepicker           struct {
		RefreshIntervals []string `json:"refresh_intervals"`
	}
	Annotations struct{ List []annotation }
	Links       []boardLink
	Templating  struct{ List []variable }
	Panels      []*panel
}

type boardLink struct {
	Type, Title, Icon, Tooltip, URL                string
	Tags                                           []string
	AsDropdown, IncludeVars, KeepTime, TargetBlank bool
}

type datasource struct{ Type, UID string }

type annotation struct {
	BuiltIn      int
	Datasource   datasource
	Enable, Hide bool
	IconColor    string
	Name, Type   string
	Placement    string
	Mappings     map[string]any
	Target       *target
	Filter       *struct {
		Exclude bool
		IDs     []int
	}
}

type variable struct {
	Type, Name, Label, Description string
	Datasource                     *datasource
	Query, Definition, Regex       string
	Refresh, Sort, Hide            int
	Multi, IncludeAll, SkipURLSync bool
	Auto                           bool
	AutoCount                      int    `json:"auto_count"`
	AutoMin                        string `json:"auto_min"`
	Options                        []option
	Current                        option
}

type option struct {
	Text, Value string
	Selected    bool
}

type panel struct {
	ID                       int
	Type, Title, Description string
	// PluginVersion keeps Grafana from migrating the options of a panel as if an old version had written them.
	PluginVersion string
	Datasource    datasource
	GridPos       struct{ X, Y, W, H int }
	Targets       []target
	Options       map[string]any
	FieldConfig   struct {
		Defaults  defaults
		Overrides []override
	}
	Transformations []struct {
		ID      string
		Options map[string]any
	}
	// Collapsed rows hold panels of their own, which ask nothing until the row is opened.
	Collapsed bool
	Panels    []*panel
	// TimeFrom is a panel's own relative time range.
	TimeFrom         string
	HideTimeOverride bool
}

type defaults struct {
	Unit, NoValue string
	Decimals      *int
	Min, Max      *float64
	Color         map[string]any
	Thresholds    *struct {
		Mode  string
		Steps []struct {
			Color string
			Value *float64
		}
	}
	Mappings []any
	Custom   map[string]any
}

type override struct {
	Matcher    struct{ ID, Options string }
	Properties []struct {
		ID    string
		Value any
	}
}

type target struct {
	RefID      string
	Datasource datasource
	// Of Grafana's PostgreSQL source.
	Format, EditorMode, RawSQL string
	RawQuery                   bool
	// Of RCAS's own source.
	QueryType, Symbol, Venue, Source, Live string
}

// boards decodes all dashboards, by file name.
func boards(t testing.TB) map[string]*board {
	t.Helper()
	names, err := fs.Glob(Files, "*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 5)
	all := map[string]*board{}
	for _, name := range names {
		text, err := Files.ReadFile(name)
		require.NoError(t, err)
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		b := new(board)
		require.NoError(t, decoder.Decode(b), name)
		b.Panels = flat(b.Panels)
		all[name] = b
	}
	return all
}

// flat takes the panels out of the rows that hold them.
func flat(panels []*panel) []*panel {
	var all []*panel
	for _, p := range panels {
		if p.Type == "row" {
			all = append(all, p.Panels...)
		} else {
			all = append(all, p)
		}
	}
	return all
}
