// The reference: what Comporta's worker does to change events, hand-written in Go for speed.
//
// It holds to the same promises where they cost time: outcomes are decided and committed inside the fence, the newest
// event of a key wins, the ledger is kept, and only then is a batch acknowledged. What it leaves out: images and
// packagings (nothing that is measured holds any), check digits and code lists, numbers with exponents or with another
// spelling inside a key, keys that stand twice in one object, the count of what came in beside the ledger, the keys
// that were missed, the watchers, the quarantine (a bad event ends it), reconnecting, orders and operators.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"runtime/debug"

	"github.com/jackc/pgx/v4"
	amqp "github.com/rabbitmq/amqp091-go"
)

const prefetch = 1000

// Consumes until it is ended, and prints how many events it has brought home after each batch.
func main() {
	log.SetFlags(0)
	// Every event leaves a dozen small texts behind: collected a quarter as often, they cost a quarter less time.
	debug.SetGCPercent(400)
	connection, err := amqp.Dial(os.Getenv("COMPORTA_BROKER_URL"))
	must(err)
	committed := make(chan int)
	start(connection, products, committed)
	start(connection, priceTables, committed)
	start(connection, prices, committed)
	start(connection, stock, committed)
	start(connection, customers, committed)
	total := 0
	for count := range committed {
		total += count
		fmt.Println(total)
	}
}

// start consumes a table's queue on a channel of its own, and writes to it over a connection of its own: while one
// batch is being committed, the next is decoded.
func start[T any](connection *amqp.Connection, into *table[T], committed chan<- int) {
	channel, err := connection.Channel()
	must(err)
	must(channel.Qos(prefetch, 0, false))
	database, err := pgx.Connect(context.Background(), os.Getenv("COMPORTA_DATABASE_URL"))
	must(err)
	deliveries, err := channel.Consume("comporta."+into.name, "", false, false, false, false, nil)
	must(err)
	batches := make(chan batch)
	go gather(deliveries, into, batches)
	go func() {
		target := newTarget(database, into)
		for batch := range batches {
			must(target.commit(batch))
			must(channel.Ack(batch.lastTag, true))
			committed <- len(batch.events)
		}
	}()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
