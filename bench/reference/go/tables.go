package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

type need int

const (
	key need = iota
	keyOrEmpty
	required
	optional
)

// column is one field of a table: its SQL type, whether it must be there, and where to find its text.
type column[T any] struct {
	name    string
	sqlType string
	need    need
	of      func(*T) *string
}

func field[T any](name, sqlType string, need need, of func(*T) *string) column[T] {
	return column[T]{name, sqlType, need, of}
}

// table is one domain: its columns, key first, and the data of an event that leaves everything out.
type table[T any] struct {
	name             string
	changed, deleted string
	keys             int
	columns          []column[T]
	fresh            func() T
}

func newTable[T any](name, entity string, fresh func() T, columns ...column[T]) *table[T] {
	keys := 0
	for keys < len(columns) && columns[keys].need <= keyOrEmpty {
		keys++
	}
	return &table[T]{name, "erp." + entity + ".changed.v1", "erp." + entity + ".deleted.v1", keys, columns, fresh}
}

// fieldsOf is the text of every field, each of them checked; of a deleted entity only the key.
func (t *table[T]) fieldsOf(data *T, deleted bool) ([]*string, error) {
	fields := make([]*string, len(t.columns))
	known := t.columns
	if deleted {
		known = known[:t.keys]
	}
	for i := range known {
		column := &known[i]
		field := column.of(data)
		if problem := column.problem(field); problem != "" {
			return nil, fmt.Errorf("%s.%s %s", t.name, column.name, problem)
		}
		fields[i] = field
	}
	return fields, nil
}

func (c *column[T]) problem(field *string) string {
	if field == nil || c.need == key && *field == "" {
		if c.need == optional {
			return ""
		}
		return "is missing"
	}
	if strings.IndexByte(*field, 0) >= 0 {
		return "has a NUL character"
	}
	switch c.sqlType {
	case quantity:
		if !isDecimal(*field, 11, 4) {
			return "is no quantity"
		}
	case money:
		if !isDecimal(*field, 11, 10) {
			return "is no amount"
		}
	case moment:
		if _, err := time.Parse(time.RFC3339Nano, *field); err != nil {
			return "is no time of RFC 3339"
		}
	}
	return ""
}

// isDecimal tells a plain decimal number of at most so many integer and decimal digits.
func isDecimal(text string, whole, places int) bool {
	text = strings.TrimPrefix(text, "-")
	before, after, hasPoint := strings.Cut(text, ".")
	return areDigits(before, whole) && (!hasPoint || areDigits(after, places))
}

func areDigits(text string, most int) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return 0 < len(text) && len(text) <= most
}

func flag(value *bool) *string {
	switch {
	case value == nil:
		return nil
	case *value:
		return &yes
	}
	return &no
}

func document(value any, given bool) *string {
	if !given {
		return nil
	}
	encoded, err := json.Marshal(value)
	must(err)
	text := string(encoded)
	return &text
}

var yes, no = "true", "false"
