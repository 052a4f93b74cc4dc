package api

import (
	"cmp"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"rcas/catalog"
)

// list answers GET /v1/: what can be asked.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	known, err := s.catalog(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, map[string]any{"questions": known})
}

// openAPI answers GET /v1/openapi.json.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) {
	known, err := s.catalog(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	paths := map[string]any{}
	for i := range known {
		paths["/v1/"+known[i].Name] = map[string]any{"get": operation(&known[i])}
		paths["/v1/live/"+known[i].Name] = map[string]any{"get": liveOperation(&known[i])}
	}
	writeJSON(w, map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "RCAS", "version": "1", "description": "What people say about coins, and what these cost, on one clock. " +
			"Mood is in [-1, 1], prices are in US dollars, volumes in coins, times in UTC."},
		"paths": paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer"}},
			"schemas": map[string]any{"problem": map[string]any{"type": "object", "description": "RFC 9457", "properties": map[string]any{
				"type": text, "title": text, "detail": text, "status": map[string]any{"type": "integer"}}}},
		},
		"security": []any{map[string]any{}, map[string]any{"token": []string{}}},
	})
}

var text = map[string]any{"type": "string"}

func operation(e *catalog.Entry) map[string]any {
	row := map[string]any{}
	for _, c := range e.Columns {
		schema := nullable(catalog.Schema(c.Type))
		if c.About != "" {
			schema["description"] = c.About
		}
		row[c.Name] = schema
	}
	content := map[string]any{}
	for _, m := range media {
		content[m.name] = map[string]any{}
	}
	content["application/json"] = map[string]any{"schema": map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": row}}}
	o := described(e)
	o["operationId"] = e.Name
	o["parameters"] = append(parameters(e),
		parameter("rows", "at most so many rows", map[string]any{"type": "integer", "minimum": 1}, false),
		parameter("format", "instead of the Accept header", map[string]any{"type": "string", "enum": []string{"json", "csv", "ndjson", "parquet", "arrow"}}, false))
	o["responses"] = map[string]any{"200": map[string]any{"description": "the rows", "content": content}, "default": failed}
	return o
}

func liveOperation(e *catalog.Entry) map[string]any {
	o := described(e)
	o["operationId"] = "live_" + e.Name
	o["description"] = "The answer now, and again whenever it has changed. " + e.About
	o["parameters"] = append(parameters(e), parameter("every", "how often to look, as 2s", map[string]any{"type": "string", "default": liveEvery.String()}, false))
	o["responses"] = map[string]any{"200": map[string]any{"description": "events of JSON", "content": map[string]any{"text/event-stream": map[string]any{}}},
		"default": failed}
	return o
}

var failed = map[string]any{"description": "what is wrong, and what to do", "content": map[string]any{
	"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/problem"}}}}

func described(e *catalog.Entry) map[string]any {
	summary, _, _ := strings.Cut(e.About, ". ")
	return map[string]any{"summary": cmp.Or(strings.TrimSuffix(summary, "."), e.Name), "description": e.About}
}

func parameters(e *catalog.Entry) []any {
	all := []any{}
	for _, a := range e.Arguments {
		schema := catalog.Schema(a.Type)
		about := a.Type
		if a.Default != "" {
			about += ", default " + a.Default
		}
		all = append(all, parameter(a.Name, about, schema, a.Required))
	}
	return all
}

func parameter(name, about string, schema map[string]any, required bool) map[string]any {
	return map[string]any{"name": name, "in": "query", "description": about, "schema": schema, "required": required}
}

// nullable allows null: a value that can't be known.
func nullable(schema map[string]any) map[string]any {
	schema["type"] = []any{schema["type"], "null"}
	return schema
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v) // who has gone needs no answer
}

//go:embed page.html
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page.html"))

// page answers GET /: the catalogue for people, with a form for each question. Its one style sheet and no script are its own.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	known, err := s.catalog(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	_ = pageTemplate.Execute(w, known) // who has gone needs no page
}
