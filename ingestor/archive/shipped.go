package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Log shippers that read a file of JSON lines, or take them from elsewhere, wrap each in a record of their own. What is sent is within:
//
//   - Vector, Logstash, Fluentd: {"message": "{…}", "timestamp": …, "host": …}; Fluent Bit: {"log": "{…}", "date": …}; Splunk's collectors:
//     {"event": …}. The value is a JSON object, or the text of one.
//   - Promtail and Grafana's agents: {"streams": [{"stream": {labels}, "values": [[nanoseconds, "{…}"], …]}, …]}.
//   - Telegraf: {"metrics": [{"name": …, "timestamp": …, "tags": {…}, "fields": {…}}, …]}, or one of these alone: the fields are the record.

// wrappers are the keys under which shippers put what they ship.
var wrappers = []string{"message", "log", "event"}

// unwrapped returns the records within a value that a shipper wrapped, the value itself where none did.
func unwrapped(raw []byte) [][]byte {
	if len(raw) == 0 || raw[0] != '{' {
		return [][]byte{raw}
	}
	has := map[string][]byte{}
	members(raw, func(key, value []byte) { has[string(key)] = value })
	switch {
	case has["streams"] != nil:
		return ofStreams(raw)
	case has["metrics"] != nil:
		return ofMetrics(raw)
	case has["fields"] != nil && has["timestamp"] != nil && has["fields"][0] == '{':
		return [][]byte{ofMetric(metric{Fields: has["fields"], Tags: has["tags"], Timestamp: has["timestamp"]})}
	case has["text"] != nil || has["price"] != nil:
		return [][]byte{raw}
	}
	for _, key := range wrappers {
		if inner := objectIn(has[key]); inner != nil {
			return [][]byte{inner}
		}
	}
	return [][]byte{raw}
}

// objectIn returns the JSON object that a value is, or is the text of; nil for none.
func objectIn(value []byte) []byte {
	if len(value) > 0 && value[0] == '"' {
		var text string
		if json.Unmarshal(value, &text) != nil {
			return nil
		}
		value = []byte(strings.TrimSpace(text))
	}
	if len(value) == 0 || value[0] != '{' || !json.Valid(value) {
		return nil
	}
	return value
}

func ofStreams(raw []byte) [][]byte {
	var pushed struct {
		Streams []struct {
			Values [][]json.RawMessage `json:"values"`
		} `json:"streams"`
	}
	if json.Unmarshal(raw, &pushed) != nil {
		return [][]byte{raw}
	}
	var records [][]byte
	for _, stream := range pushed.Streams {
		for _, value := range stream.Values {
			record := json.RawMessage("null")
			if len(value) > 1 {
				record = value[1]
			}
			if inner := objectIn(record); inner != nil {
				record = inner
			}
			records = append(records, record)
		}
	}
	return records
}

// metric is a record of Telegraf.
type metric struct {
	Fields    json.RawMessage `json:"fields"`
	Tags      json.RawMessage `json:"tags"`
	Timestamp json.RawMessage `json:"timestamp"`
}

func ofMetrics(raw []byte) [][]byte {
	var batch struct {
		Metrics []metric `json:"metrics"`
	}
	if json.Unmarshal(raw, &batch) != nil {
		return [][]byte{raw}
	}
	var records [][]byte
	for _, m := range batch.Metrics {
		records = append(records, ofMetric(m))
	}
	return records
}

// ofMetric returns a metric's fields, its tags and its time as one record. A field "value" may be the text of one.
func ofMetric(m metric) []byte {
	record := map[string]json.RawMessage{}
	_ = json.Unmarshal(m.Tags, &record) // there may be none
	_ = json.Unmarshal(m.Fields, &record)
	for _, key := range append(slices.Clone(wrappers), "value") {
		if inner := objectIn(record[key]); inner != nil {
			return inner
		}
	}
	if _, told := record["time"]; !told && len(m.Timestamp) > 0 {
		record["time"] = m.Timestamp
	}
	text, err := json.Marshal(record)
	if err != nil { // a field that is no JSON
		return m.Fields
	}
	return text
}

// aliases are other names under which records of logs have a post's time and text.
var aliases = map[string][]string{
	"time": {"created_at", "date", "timestamp", "@timestamp"},
	"text": {"message", "body", "content", "log"},
}

// renamed returns the object with its time and text under the names that posts have; nil where nothing was to be renamed.
func renamed(raw []byte) []byte {
	has := map[string]bool{}
	members(raw, func(key, value []byte) { has[string(key)] = value[0] != 'n' })
	names := map[string]string{}
	for name, others := range aliases {
		if has[name] {
			continue
		}
		for _, other := range others {
			if has[other] {
				names[other] = name
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	var out bytes.Buffer
	separator := byte('{')
	members(raw, func(key, value []byte) {
		name := string(key)
		if other, ok := names[name]; ok {
			name = other
		} else if aliases[name] != nil && value[0] == 'n' {
			return
		}
		out.WriteByte(separator)
		fmt.Fprintf(&out, `"%s":%s`, name, value)
		separator = ','
	})
	out.WriteByte('}')
	return out.Bytes()
}

// shipped reads a record as decode does, under other names where it cannot be read under its own.
func shipped(raw []byte, decode func(raw []byte) error) error {
	err := decode(raw)
	u, unread := errors.AsType[*unreadable](err)
	if !unread || u.reason != reasonNoTime && u.reason != reasonNoText && u.reason != reasonNoPost {
		return err
	}
	if other := renamed(raw); other != nil {
		return decode(other)
	}
	return err
}
