// Client for publishing change events to Comporta: one file to copy. It needs amqp091-go alone:
// go get github.com/rabbitmq/amqp091-go
//
//	client := Client{URL: "amqp://user:password@host:5672/vhost", Shop: "main"}
//	reasons := client.Publish([]Event{{Domain: "stock", ID: "stock-18446", Body: body}})
//
// Publish returns a reason for each event, in order, once the broker has answered for all of them. An event whose
// reason is empty is confirmed: a queue keeps it. From the command line, with lines of DOMAIN, ID and JSON between tabs:
//
//	go run comporta_client.go URL FILE
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	window   = 500              // Events that wait for their confirm at a time.
	silence  = 30 * time.Second // Without any confirm for so long, the connection counts as lost.
	attempts = 5                // Connections in a row that confirm nothing.
)

// Event is what is sent; the same change has the same ID and the same body, however often it is sent.
type Event struct {
	Domain, ID string
	Body       []byte
}

// Client publishes one shop's events.
type Client struct{ URL, Shop string }

// Publish sends a batch; what is not confirmed when a connection is lost is sent again, the same to the letter.
func (c Client) Publish(events []Event) []string {
	reasons := make(map[int]string, len(events))
	var lost error
	for failed := 0; len(reasons) < len(events) && failed < attempts; {
		if failed > 0 {
			time.Sleep(time.Second << (failed - 1))
		}
		before := len(reasons)
		lost = c.attempt(events, reasons)
		if failed++; len(reasons) > before {
			failed = 0
		}
	}
	results := make([]string, len(events))
	for number := range events {
		reason, answered := reasons[number]
		if !answered {
			reason = fmt.Sprintf("no answer from the broker in %d attempts: %v", attempts, lost)
		}
		results[number] = reason
	}
	return results
}

// attempt sends on one connection what has no answer yet, and notes the answers.
func (c Client) attempt(events []Event, reasons map[int]string) error {
	config := amqp.Config{Heartbeat: 30 * time.Second, Dial: amqp.DefaultDial(10 * time.Second)}
	connection, err := amqp.DialConfig(c.URL, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Confirm(false); err != nil {
		return err
	}
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, window))
	returns := channel.NotifyReturn(make(chan amqp.Return, window))
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	session := session{client: c, events: events, reasons: reasons, returned: map[string]bool{}}
	for number := range events {
		if _, answered := reasons[number]; !answered {
			session.unsent = append(session.unsent, number)
		}
	}
	for len(session.sent) > session.answers || len(session.unsent) > 0 {
		if len(session.unsent) > 0 && len(session.sent)-session.answers < window {
			if err := session.send(channel); err == nil {
				continue
			}
			// The channel is closed: why, is heard below.
		}
		select {
		case message := <-returns:
			session.returned[message.MessageId] = true
		case confirmation, open := <-confirms:
			if open {
				// An event without a queue is returned first, and confirmed after that.
				session.drain(returns)
				session.answer(confirmation)
				continue
			}
			return session.end(<-closed)
		case reason := <-closed:
			return session.end(reason)
		case <-time.After(silence):
			return fmt.Errorf("no confirm within %v", silence)
		}
	}
	return nil
}

// session is one channel: its delivery tags count up from 1, and confirms come in their order.
type session struct {
	client   Client
	events   []Event
	reasons  map[int]string
	returned map[string]bool
	unsent   []int
	sent     []int
	answers  int
}

func (s *session) send(channel *amqp.Channel) error {
	event := s.events[s.unsent[0]]
	message := amqp.Publishing{
		ContentType: "application/cloudevents+json", DeliveryMode: amqp.Persistent, MessageId: event.ID, Body: event.Body,
	}
	if err := channel.Publish("erp.events", s.client.Shop+"."+event.Domain, true, false, message); err != nil {
		return err
	}
	s.sent, s.unsent = append(s.sent, s.unsent[0]), s.unsent[1:]
	return nil
}

func (s *session) drain(returns <-chan amqp.Return) {
	for {
		select {
		case message, open := <-returns:
			if !open {
				return
			}
			s.returned[message.MessageId] = true
		default:
			return
		}
	}
}

func (s *session) answer(confirmation amqp.Confirmation) {
	number := s.sent[confirmation.DeliveryTag-1]
	event := s.events[number]
	s.answers++
	switch {
	case !confirmation.Ack:
		s.reasons[number] = "nacked: the broker could not keep the event; look at its log"
	case s.returned[event.ID]:
		s.reasons[number] = "returned: no queue takes " + s.client.Shop + "." + event.Domain + "; has Comporta run here?"
	default:
		s.reasons[number] = ""
	}
}

// end notes a refusal: the broker has closed the channel, and said why.
func (s *session) end(reason *amqp.Error) error {
	if reason == nil {
		return errors.New("the connection was lost")
	}
	if reason.Code == amqp.NotFound || reason.Code == amqp.AccessRefused || reason.Code == amqp.PreconditionFailed {
		for number := range s.events {
			if _, answered := s.reasons[number]; !answered {
				s.reasons[number] = "refused: " + reason.Reason + "; has Comporta run here?"
			}
		}
		return nil
	}
	return reason
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: comporta_client URL FILE")
		os.Exit(2)
	}
	file, err := os.Open(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer file.Close()
	var events []Event
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 2<<20) // A message has at most 1 MiB.
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), "\t", 3)
		events = append(events, Event{parts[0], parts[1], []byte(parts[2])})
	}
	failed := 0
	for number, reason := range (Client{os.Args[1], "main"}).Publish(events) {
		if reason != "" {
			failed++
			fmt.Fprintf(os.Stderr, "NOT confirmed: %s: %s\n", events[number].ID, reason)
		}
	}
	fmt.Printf("confirmed: %d\n", len(events)-failed)
	if failed > 0 {
		os.Exit(1)
	}
}
