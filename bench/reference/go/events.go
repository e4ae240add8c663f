package main

import (
	"encoding/json"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	batchSize = 500
	batchTime = 20 * time.Millisecond
)

// batch is what is committed at once, in the order in which it came.
type batch struct {
	events  []event
	lastTag uint64
}

// event is one change, checked and ready to be written: the table's fields as text, in the order of its columns.
type event struct {
	shop       string
	key        string
	version    int64
	id         string
	deleted    bool
	occurredAt *string
	fields     []*string
}

// newerThan tells which of two events of one key wins.
func (e *event) newerThan(other *event) bool {
	return e.version > other.version || e.version == other.version && e.id > other.id
}

// gather decodes deliveries into batches: full ones under load, what came within batchTime otherwise.
func gather[T any](deliveries <-chan amqp.Delivery, into *table[T], batches chan<- batch) {
	for first := range deliveries {
		gathered := batch{events: make([]event, 0, batchSize)}
		gathered.take(&first, into.decode)
		deadline := time.After(batchTime)
	full:
		for len(gathered.events) < batchSize {
			select {
			case next, open := <-deliveries:
				if !open {
					break full
				}
				gathered.take(&next, into.decode)
			case <-deadline:
				break full
			}
		}
		batches <- gathered
	}
	log.Fatalf("the broker ended the consumer of %s", into.name)
}

func (b *batch) take(delivery *amqp.Delivery, decode func(shop string, body []byte) (event, error)) {
	shop, _, _ := strings.Cut(delivery.RoutingKey, ".")
	decoded, err := decode(shop, delivery.Body)
	if err != nil {
		log.Fatalf("an event of %s: %v", delivery.RoutingKey, err)
	}
	b.events = append(b.events, decoded)
	b.lastTag = delivery.DeliveryTag
}

type envelope[T any] struct {
	SpecVersion string  `json:"specversion"`
	ID          string  `json:"id"`
	Source      string  `json:"source"`
	Type        string  `json:"type"`
	Time        *string `json:"time"`
	Sequence    string  `json:"sequence"`
	Data        T       `json:"data"`
}

// decode reads one CloudEvent in structured JSON and checks what the columns ask for.
func (t *table[T]) decode(shop string, body []byte) (event, error) {
	read := envelope[T]{Data: t.fresh()}
	if err := json.Unmarshal(body, &read); err != nil {
		return event{}, err
	}
	deleted := read.Type == t.deleted
	switch {
	case read.SpecVersion != "1.0" || read.ID == "" || read.Source == "":
		return event{}, fmt.Errorf("not a CloudEvent with specversion 1.0, id and source")
	case !deleted && read.Type != t.changed:
		return event{}, fmt.Errorf("an event of type %q in the queue of %s", read.Type, t.name)
	}
	version, err := versionOf(read.Sequence, read.Time)
	if err != nil {
		return event{}, err
	}
	fields, err := t.fieldsOf(&read.Data, deleted)
	if err != nil {
		return event{}, err
	}
	key := shop
	for _, field := range fields[:t.keys] {
		key += "\x00" + *field
	}
	return event{shop, key, version, read.ID, deleted, read.Time, fields}, nil
}

// versionOf is the sequence or, without one, the time in microseconds.
func versionOf(sequence string, at *string) (int64, error) {
	var moment time.Time
	if at != nil {
		var err error
		if moment, err = time.Parse(time.RFC3339Nano, *at); err != nil {
			return 0, err
		}
	}
	if sequence != "" {
		return strconv.ParseInt(sequence, 10, 64)
	}
	if at == nil {
		return 0, fmt.Errorf("neither sequence nor time")
	}
	return moment.UnixMicro(), nil
}
