package catalog

import "strings"

// Schema is the JSON Schema of values of a type of PostgreSQL, as they are asked for and answered.
func Schema(sqlType string) map[string]any {
	if element, ok := strings.CutSuffix(sqlType, "[]"); ok {
		return map[string]any{"type": "array", "items": Schema(element)}
	}
	switch sqlType {
	case timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case "interval":
		return map[string]any{"type": "string", "examples": []string{"5 minutes", "1 hour", "1 day"}}
	case "boolean":
		return map[string]any{"type": "boolean"}
	case "smallint", "integer", "bigint":
		return map[string]any{"type": "integer"}
	case "real", "double precision", "numeric":
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "string"}
}
