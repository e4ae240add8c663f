package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/jackc/pgx/v4"
)

const (
	// The key is that of storage/fence.py. Lock and read are two statements: in one, the read would see the past.
	fence    = "SELECT pg_advisory_xact_lock_shared(1129270608, 1)"
	switches = "SELECT shop, domain FROM switches WHERE off AND (until IS NULL OR until > clock_timestamp())"
	tally    = `INSERT INTO ledger AS known (minute, worker, shop, domain, outcome, count)
SELECT date_trunc('minute', clock_timestamp()), $1, given.shop, $2, given.outcome, given.count
FROM unnest($3::text[], $4::text[], $5::bigint[]) AS given (shop, outcome, count) WHERE given.count > 0
ON CONFLICT (minute, worker, shop, domain, outcome) DO UPDATE SET count = known.count + excluded.count`
)

// target writes the batches of one table.
type target struct {
	database *pgx.Conn
	name     string
	worker   string
	fields   int
	upsert   string
}

func newTarget[T any](database *pgx.Conn, of *table[T]) *target {
	return &target{database, of.name, fmt.Sprintf("go-%d", os.Getpid()), len(of.columns), upsertOf(of)}
}

// commit decides and writes a batch inside the fence; when it returns, every outcome is committed.
func (t *target) commit(b batch) error {
	ctx := context.Background()
	return t.database.BeginFunc(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fence); err != nil {
			return err
		}
		off, err := t.off(ctx, tx)
		if err != nil {
			return err
		}
		discarded, superseded, winners := sorted(b.events, off)
		applied, err := t.write(ctx, tx, winners)
		if err != nil {
			return err
		}
		for shop, count := range applied {
			superseded[shop] -= count
		}
		return t.count(ctx, tx, map[string]map[string]int64{
			"applied": applied, "superseded": superseded, "discarded": discarded,
		})
	})
}

// off holds the shops that the table is switched off for, "*" for all of them.
func (t *target) off(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, switches)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	off := map[string]bool{}
	for rows.Next() {
		var shop, domain string
		if err := rows.Scan(&shop, &domain); err != nil {
			return nil, err
		}
		if domain == "*" || domain == t.name {
			off[shop] = true
		}
	}
	return off, rows.Err()
}

// sorted counts what is discarded and what is not, by shop, and gives the newest event of each key, in key order: two
// writers that took the same keys in different order would deadlock.
func sorted(events []event, off map[string]bool) (discarded, kept map[string]int64, winners []*event) {
	discarded, kept = map[string]int64{}, map[string]int64{}
	newest := make(map[string]*event, len(events))
	for i := range events {
		one := &events[i]
		if len(off) > 0 && (off["*"] || off[one.shop]) {
			discarded[one.shop]++
			continue
		}
		kept[one.shop]++
		if known := newest[one.key]; known == nil || one.newerThan(known) {
			newest[one.key] = one
		}
	}
	winners = make([]*event, 0, len(newest))
	for _, one := range newest {
		winners = append(winners, one)
	}
	sort.Slice(winners, func(i, j int) bool { return winners[i].key < winners[j].key })
	return discarded, kept, winners
}

// write upserts one event a key; returns how many of each shop were newer than their row.
func (t *target) write(ctx context.Context, tx pgx.Tx, winners []*event) (map[string]int64, error) {
	applied := map[string]int64{}
	if len(winners) == 0 {
		return applied, nil
	}
	rows, err := tx.Query(ctx, t.upsert, t.arrays(winners)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var shop string
		var count int64
		if err := rows.Scan(&shop, &count); err != nil {
			return nil, err
		}
		applied[shop] = count
	}
	return applied, rows.Err()
}

// arrays turns events into one array a column.
func (t *target) arrays(events []*event) []any {
	size := len(events)
	shops, ids, versions := make([]string, size), make([]string, size), make([]int64, size)
	deleted, times := make([]bool, size), make([]*string, size)
	fields := make([][]*string, t.fields)
	for column := range fields {
		fields[column] = make([]*string, size)
	}
	for i, one := range events {
		shops[i], ids[i], versions[i] = one.shop, one.id, one.version
		deleted[i], times[i] = one.deleted, one.occurredAt
		for column, field := range one.fields {
			fields[column][i] = field
		}
	}
	arrays := []any{shops, versions, ids, deleted, times}
	for _, field := range fields {
		arrays = append(arrays, field)
	}
	return arrays
}

// count adds the outcomes to the ledger.
func (t *target) count(ctx context.Context, tx pgx.Tx, byOutcome map[string]map[string]int64) error {
	var shops, outcomes []string
	var counts []int64
	for outcome, byShop := range byOutcome {
		for shop, count := range byShop {
			shops, outcomes, counts = append(shops, shop), append(outcomes, outcome), append(counts, count)
		}
	}
	_, err := tx.Exec(ctx, tally, t.worker, t.name, shops, outcomes, counts)
	return err
}

// upsertOf is the statement that writes a table's rows: newer events win, whatever the order of their coming.
func upsertOf[T any](t *table[T]) string {
	names := []string{"shop", "version", "event_id", "deleted", "occurred_at"}
	arrays := []string{"$1::text[]", "$2::bigint[]", "$3::text[]", "$4::boolean[]", "$5::text[]"}
	values := []string{"shop", "version", "event_id", "deleted", "occurred_at::timestamptz"}
	keys := []string{"shop"}
	for i, column := range t.columns {
		names = append(names, column.name)
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+6))
		values = append(values, column.name+"::"+column.sqlType)
		if i < t.keys {
			keys = append(keys, column.name)
		}
	}
	changes := []string{"applied_at = excluded.applied_at"}
	for i, name := range names {
		if i > 0 && (i < 5 || i >= 5+t.keys) {
			changes = append(changes, name+" = excluded."+name)
		}
	}
	listed := strings.Join(names, ", ")
	return fmt.Sprintf(`WITH written AS (
INSERT INTO %s AS known (%s, applied_at)
SELECT %s, clock_timestamp() FROM unnest(%s) AS given (%s) WHERE true
ON CONFLICT (%s) DO UPDATE SET %s
WHERE (known.version, known.event_id) < (excluded.version, excluded.event_id) RETURNING known.shop
) SELECT shop, count(*) FROM written GROUP BY shop`,
		t.name, listed, strings.Join(values, ", "), strings.Join(arrays, ", "), listed,
		strings.Join(keys, ", "), strings.Join(changes, ", "))
}
