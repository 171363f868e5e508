package conformance

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// iterator gets an iterator; more are further members of the request.
func (k *kit) iterator(ctx context.Context, stream string, shard int, kind string, more obj) string {
	return k.iteratorOf(ctx, stream, shardID(shard), kind, more)
}

func (k *kit) iteratorOf(ctx context.Context, stream, shard, kind string, more obj) string {
	in := obj{"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind}
	maps.Copy(in, more)
	a := k.call(ctx, "GetShardIterator", in)
	k.must(a.ShardIterator != "", "GetShardIterator: want a ShardIterator, got %s", a)
	return a.ShardIterator
}

// visible is how long after the acknowledgement readers may have to wait for a
// record: at the service usually less.
const visible = time.Second

// seen waits until readers can see what was put.
func (k *kit) seen(ctx context.Context) {
	if hidden := time.Until(k.stored.Add(visible)); hidden > 0 {
		k.wait(ctx, hidden)
	}
}

// read calls GetRecords, again if it is throttled, once what was put can be seen.
func (k *kit) read(ctx context.Context, it string, more obj) answer {
	k.seen(ctx)
	in := obj{"ShardIterator": it}
	maps.Copy(in, more)
	a := k.call(ctx, "GetRecords", in)
	k.must(a.MillisBehindLatest != nil && a.members()["Records"] != nil,
		"GetRecords: want Records and MillisBehindLatest, got %s", a)
	return a
}

// some reads from an iterator until there are n records or the tip is reached.
func (k *kit) some(ctx context.Context, it string, n int) (recs []record) {
	for range 50 {
		a := k.read(ctx, it, obj{"Limit": n - len(recs)})
		if !k.ok() {
			return nil
		}
		recs = append(recs, a.Records...)
		it = a.NextShardIterator
		if len(recs) >= n || it == "" || len(a.Records) == 0 && *a.MillisBehindLatest == 0 {
			break
		}
	}
	return recs
}

// readAll reads a shard from its beginning to the tip or its end.
func (k *kit) readAll(ctx context.Context, stream string, shard int) []record {
	return k.some(ctx, k.iterator(ctx, stream, shard, "TRIM_HORIZON", nil), 10000)
}

// recordAt reads the record with a sequence number.
func (k *kit) recordAt(ctx context.Context, stream, shard, sequence string) record {
	recs := k.some(ctx, k.iteratorOf(ctx, stream, shard, "AT_SEQUENCE_NUMBER", obj{"StartingSequenceNumber": sequence}), 1)
	if !k.ok() {
		return record{}
	}
	if len(recs) == 0 || recs[0].SequenceNumber != sequence {
		k.fail("reading at sequence number %s: want that record, got %d others", sequence, len(recs))
		return record{}
	}
	return recs[0]
}

func checkPositions(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	var puts []answer
	for i := range 3 {
		puts = append(puts, k.put(ctx, stream, "k", fmt.Sprint(i)))
		k.wait(ctx, 100*time.Millisecond)
	}
	recs := k.readAll(ctx, stream, 0)
	k.equal("from TRIM_HORIZON", dataOf(recs), "0 1 2")
	if !k.ok() {
		return
	}
	at := recs[1].ApproximateArrivalTimestamp
	for i, p := range []struct {
		kind string
		more obj
		want string
	}{
		{"AT_SEQUENCE_NUMBER", obj{"StartingSequenceNumber": puts[1].SequenceNumber}, "1 2"},
		{"AFTER_SEQUENCE_NUMBER", obj{"StartingSequenceNumber": puts[1].SequenceNumber}, "2"},
		{"AT_TIMESTAMP", obj{"Timestamp": at}, "1 2"},
		{"AT_TIMESTAMP", obj{"Timestamp": at + 0.02}, "2"},
		{"AT_TIMESTAMP", obj{"Timestamp": 1}, "0 1 2"},
		{"LATEST", nil, ""},
	} {
		k.equal(fmt.Sprintf("from %s %d", p.kind, i), dataOf(k.some(ctx, k.iterator(ctx, stream, 0, p.kind, p.more), 10)), p.want)
	}
	k.refused(ctx, "GetShardIterator", obj{
		"StreamName": stream, "ShardId": shardID(0), "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at + 3600,
	}, invalid, "")
}

func checkLatest(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	it := k.iterator(ctx, stream, 0, "LATEST", nil)
	k.put(ctx, stream, "k", "later")
	k.seen(ctx)
	after := k.iterator(ctx, stream, 0, "LATEST", nil)
	k.equal("from a LATEST issued before the put", dataOf(k.some(ctx, it, 10)), "later")
	k.equal("from a LATEST issued after the put", dataOf(k.some(ctx, after, 10)), "")
}

func checkBadPositions(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	seq := k.store(ctx, stream, []obj{entry("0", "x")})[0].SequenceNumber
	in := func(shard int, kind string, more obj) obj {
		o := obj{"StreamName": stream, "ShardId": shardID(shard), "ShardIteratorType": kind}
		maps.Copy(o, more)
		return o
	}
	const either = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or " +
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
	start := obj{"StartingSequenceNumber": seq}
	k.refused(ctx, "GetShardIterator", in(0, "LATEST", start), invalid, either+"LATEST and also a StartingSequenceNumber.")
	k.refused(ctx, "GetShardIterator", in(0, "AT_SEQUENCE_NUMBER", nil), invalid, either+"AT_SEQUENCE_NUMBER and no StartingSequenceNumber.")
	k.refused(ctx, "GetShardIterator", in(1, "AT_SEQUENCE_NUMBER", start), invalid, "Invalid StartingSequenceNumber. It encodes "+
		"shardId-000000000000, while it was used in a call to a shard with shardId-000000000001")
	k.refused(ctx, "GetShardIterator", in(0, "AT_TIMESTAMP", nil), invalid,
		"Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	k.refused(ctx, "GetShardIterator", in(9, "LATEST", nil), notFound,
		"Shard shardId-000000000009 in stream "+stream+" under account "+k.account(ctx)+" does not exist")
}

func checkGetRecords(ctx context.Context, k *kit) {
	const n = 5
	stream := k.stream(ctx, 1)
	rng := rand.NewChaCha8([32]byte{1})
	var puts []answer
	var sent [n][]byte
	took := time.Second // the resolution of Date
	for i := range n {
		sent[i] = make([]byte, 100*i)
		_, _ = rng.Read(sent[i])
		start := time.Now()
		puts = append(puts, k.put(ctx, stream, "k", string(sent[i])))
		took = max(took, time.Since(start)+time.Second)
	}
	page := k.read(ctx, k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil), obj{"Limit": 2})
	k.must(len(page.Records) <= 2, "with a Limit of 2: want at most 2 records, got %d", len(page.Records))
	recs := k.readAll(ctx, stream, 0)
	k.equal("records", len(recs), n)
	for i := range recs {
		if !k.ok() {
			return
		}
		r, put := recs[i], puts[i]
		k.equal(fmt.Sprintf("sequence number of record %d", i), r.SequenceNumber, put.SequenceNumber)
		k.must(bytes.Equal(r.Data, sent[i]), "data of record %d: want %x, got %x", i, sent[i], r.Data)
		k.must(r.PartitionKey != nil && *r.PartitionKey == "k", "record %d: want its partition key, got %v", i, r.PartitionKey)
		ms := r.ApproximateArrivalTimestamp * 1000
		k.must(math.Abs(ms-math.Round(ms)) < 0.01, "want an arrival time in whole ms, got %v", r.ApproximateArrivalTimestamp)
		if date, err := http.ParseTime(put.header.Get("Date")); err == nil {
			arrived := time.UnixMilli(int64(ms))
			k.must(!arrived.Before(date.Add(-took)) && !arrived.After(date.Add(2*time.Second)),
				"record %d: want it to arrive about %v, got %v", i, date, arrived.UTC())
		}
	}
}

func checkReadLimit(ctx context.Context, k *kit) {
	it := k.iterator(ctx, k.common(ctx), 0, "LATEST", nil)
	k.refusedWith(ctx, "GetRecords", obj{"ShardIterator": it, "Limit": 0}, validation,
		"Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	k.refusedWith(ctx, "GetRecords", obj{"ShardIterator": it, "Limit": 10001}, validation,
		"Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000")
}

func checkEmptyShard(ctx context.Context, k *kit) {
	it := k.iterator(ctx, k.stream(ctx, 1), 0, "TRIM_HORIZON", nil)
	for i := range 4 {
		a := k.read(ctx, it, nil)
		k.must(a.NextShardIterator != "" && a.NextShardIterator != it, "read %d of an empty shard: want a new NextShardIterator, got %q", i, a.NextShardIterator)
		k.equal("records of an empty shard", len(a.Records), 0)
		it = a.NextShardIterator
		k.wait(ctx, 20*time.Millisecond) // tokens may hold the time in ms
	}
}

func checkReuse(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	it := k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil)
	k.put(ctx, stream, "k", "a")
	k.put(ctx, stream, "k", "b")
	for range 2 {
		k.equal("records of the same iterator", dataOf(k.some(ctx, it, 10)), "a b")
	}
}

func checkExpiry(ctx context.Context, k *kit) {
	if !k.opts.Slow {
		k.skip("waits five minutes (--slow)")
		return
	}
	it := k.iterator(ctx, k.common(ctx), 0, "LATEST", nil)
	k.wait(ctx, 299*time.Second)
	k.read(ctx, it, nil)
	k.wait(ctx, 2*time.Second)
	a := k.patient(ctx, "GetRecords", obj{"ShardIterator": it}, "ExpiredIteratorException")
	const stamp = `[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}`
	text := regexp.MustCompile(`^Iterator expired\. The iterator was created at time ` + stamp + ` while right now it is ` + stamp +
		` which is further in the future than the tolerated delay of 300000 milliseconds\.$`)
	k.must(a.Code == "ExpiredIteratorException" && text.MatchString(a.Message),
		"an iterator after 301 s: want ExpiredIteratorException with both times, got %s", a)
}

func checkBadIterators(ctx context.Context, k *kit) {
	it := []byte(k.iterator(ctx, k.common(ctx), 0, "LATEST", nil))
	if !k.ok() {
		return
	}
	if i := len(it) / 2; it[i] == 'A' {
		it[i] = 'B'
	} else {
		it[i] = 'A'
	}
	k.refused(ctx, "GetRecords", obj{"ShardIterator": string(it)}, invalid, "Invalid ShardIterator.")
	k.refused(ctx, "GetRecords", obj{"ShardIterator": "x"}, invalid, "Invalid ShardIterator.")
	k.refusedWith(ctx, "GetRecords", obj{"ShardIterator": ""}, validation, "Member must have length greater than or equal to 1")
	k.refusedWith(ctx, "GetRecords", obj{"ShardIterator": strings.Repeat("A", 600)}, validation, "Member must have length less than or equal to 512")
}

func checkBehind(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	start := time.Now()
	k.put(ctx, stream, "k", "a")
	k.put(ctx, stream, "k", "b")
	k.wait(ctx, 2*time.Second)
	a := k.read(ctx, k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil), obj{"Limit": 1})
	age := time.Since(start)
	if !k.ok() {
		return
	}
	behind := time.Duration(*a.MillisBehindLatest) * time.Millisecond
	k.must(behind >= time.Second && behind <= age+time.Second, "one record behind: want MillisBehindLatest of about 2 s, got %v", behind)
	k.until(ctx, 10*time.Second, "MillisBehindLatest 0", func() bool {
		a = k.read(ctx, a.NextShardIterator, nil)
		return k.ok() && *a.MillisBehindLatest == 0
	})
}

func checkRetention(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	set := func(hours int) obj {
		return obj{"StreamName": stream, "RetentionPeriodHours": hours}
	}
	short := "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."
	k.refused(ctx, "IncreaseStreamRetentionPeriod", set(23), invalid, short)
	k.refused(ctx, "DecreaseStreamRetentionPeriod", set(23), invalid, short)
	a := k.patient(ctx, "IncreaseStreamRetentionPeriod", set(8761), "")
	k.must(a.status == http.StatusBadRequest, "a retention of 8761 hours: want 400, got %s", a)
	if !k.opts.Virtual {
		k.call(ctx, "IncreaseStreamRetentionPeriod", set(48))
		k.settle(ctx, stream)
		k.call(ctx, "DecreaseStreamRetentionPeriod", set(24))
		k.leave("records vanishing after a day")
		return
	}
	stored := func(want string) {
		k.settle(ctx, stream)
		k.equal("records stored", dataOf(k.readAll(ctx, stream, 0)), want)
	}
	k.put(ctx, stream, "k", "a")
	k.wait(ctx, 25*time.Hour)
	k.put(ctx, stream, "k", "b")
	k.call(ctx, "IncreaseStreamRetentionPeriod", set(48))
	stored("b")
	k.wait(ctx, 25*time.Hour)
	k.put(ctx, stream, "k", "c")
	stored("b c")
	k.call(ctx, "DecreaseStreamRetentionPeriod", set(24))
	stored("c")
}
