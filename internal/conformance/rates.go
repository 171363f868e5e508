package conformance

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// together makes n calls at once.
func (k *kit) together(ctx context.Context, n int, op string, in func(i int) obj) []answer {
	out := make([]answer, n)
	if !k.ok() {
		return nil
	}
	var calls sync.WaitGroup
	for i := range out {
		calls.Go(func() { out[i] = k.wire.post(ctx, op, in(i)) })
	}
	calls.Wait()
	k.called(op)
	for _, a := range out {
		if a.err != nil {
			k.fail("%s: want an answer, got %v", op, a.err)
		}
	}
	return out
}

func checkBatchThrottle(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 2)
	text := fmt.Sprintf("Rate exceeded for shard %s in stream %s under account %s.", shardID(0), stream, k.account(ctx))
	records := make([]obj, 500)
	for i := range records {
		records[i] = entry("0", "x")
		if i >= 490 {
			records[i] = entry(maxHash, "x")
		}
	}
	stored := k.flood(ctx, stream, records, 8, text)
	k.wait(ctx, 1100*time.Millisecond)
	a := k.try(ctx, "PutRecords", obj{"StreamName": stream, "Records": records[:100]})
	k.equal("records refused a second later", a.FailedRecordCount, 0)
	stored[0] += 100
	k.wait(ctx, 2*time.Second)
	large := []obj{entry("0", strings.Repeat("x", 600<<10)), entry(maxHash, "x")}
	for shard, n := range k.flood(ctx, stream, large, 6, text) {
		stored[shard] += n
	}
	for shard, want := range stored {
		k.equal("records in "+shardID(shard), len(k.readAll(ctx, stream, shard)), want)
	}
}

// flood sends the batch n times at once to a stream of two shards, must see
// shard 0 throttled and shard 1 not, and returns how many records were stored.
func (k *kit) flood(ctx context.Context, stream string, batch []obj, n int, text string) (stored [2]int) {
	refused := 0
	for _, a := range k.together(ctx, n, "PutRecords", func(int) obj { return obj{"StreamName": stream, "Records": batch} }) {
		failed := 0
		k.must(a.status == http.StatusOK && len(a.Records) == len(batch), "PutRecords over the rate: want 200 with %d results, got %s", len(batch), a)
		for i, r := range a.Records {
			hash := batch[i%len(batch)]["ExplicitHashKey"]
			switch {
			case r.ErrorCode == "" && hash == "0":
				stored[0]++
			case r.ErrorCode == "":
				stored[1]++
			default:
				failed++
				k.equal("shard 1, within its rate, has an error", hash == maxHash, false)
				k.equal("ErrorCode", r.ErrorCode, throttled)
				k.equal("ErrorMessage", r.ErrorMessage, text)
			}
		}
		k.equal("FailedRecordCount", a.FailedRecordCount, failed)
		refused += failed
	}
	k.must(refused > 0, "%d times %d records at once: want some throttled, got none", n, len(batch))
	return stored
}

func checkPutThrottle(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	data := make([]byte, 900<<10)
	refused := 0
	for _, a := range k.together(ctx, 8, "PutRecord", func(int) obj {
		return obj{"StreamName": stream, "PartitionKey": "k", "Data": data}
	}) {
		if a.status == http.StatusOK {
			continue
		}
		refused++
		k.must(a.status == http.StatusBadRequest && a.Code == throttled, "PutRecord over the rate: want 400 %s, got %s", throttled, a)
		k.equal("message", a.Message, fmt.Sprintf("Rate exceeded for shard %s in stream %s under account %s.", shardID(0), stream, k.account(ctx)))
	}
	k.must(refused > 0, "8 records of 900 KiB at once: want some throttled, got none")
}

func checkNoLimits(ctx context.Context, k *kit) {
	if k.opts.Lab == nil {
		k.skip("needs a server started without limits")
		return
	}
	k.within(ctx, Setting{NoLimits: true}, func(o *kit) {
		stream := o.stream(ctx, 1)
		records := make([]obj, 500)
		for i := range records {
			records[i] = entry("0", "x")
		}
		for range 5 {
			o.equal("records refused without limits", o.try(ctx, "PutRecords", obj{"StreamName": stream, "Records": records}).FailedRecordCount, 0)
		}
	})
}

func checkReadThrottle(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 2)
	it, other := k.iterator(ctx, stream, 0, "LATEST", nil), k.iterator(ctx, stream, 1, "LATEST", nil)
	start, granted := time.Now(), 0
	for _, a := range k.together(ctx, 12, "GetRecords", func(int) obj { return obj{"ShardIterator": it} }) {
		if a.status == http.StatusOK {
			granted++
			continue
		}
		_, read := a.members()["Records"]
		k.must(a.Code == throttled && !read, "GetRecords over the rate: want %s without records, got %s", throttled, a)
		k.equal("message", a.Message, fmt.Sprintf("Rate exceeded for Shard - %s/%s/%s", k.account(ctx), stream, shardID(0)))
	}
	most := 6 + int(5*time.Since(start).Seconds())
	most = min(most, 11) // whatever a slow server makes of it, one must be refused
	k.must(granted > 0 && granted <= most, "12 calls of GetRecords at once: want 5 granted, got %d", granted)
	a := k.try(ctx, "GetRecords", obj{"ShardIterator": other})
	k.must(a.status == http.StatusOK, "GetRecords on another shard: want 200, got %s", a)
}

func checkReadBytes(ctx context.Context, k *kit) {
	const pageBytes, pause = 10 << 20, 5 * time.Second
	stream := k.full(ctx)
	k.wait(ctx, 6*time.Second) // whatever was read before
	it := k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil)
	asked := time.Now() // the pause begins somewhere between this and the answer's arrival
	page := k.read(ctx, it, obj{"Limit": 10000})
	size := 0
	for _, r := range page.Records {
		size += len(r.Data)
	}
	k.must(size > 0 && size <= pageBytes, "one GetRecords: want some records, at most 10 MiB, got %d bytes", size)
	if start := time.Now(); size > pageBytes*9/10 {
		for k.ok() && k.try(ctx, "GetRecords", obj{"ShardIterator": page.NextShardIterator}).Code == throttled {
			k.wait(ctx, 250*time.Millisecond)
		}
		k.must(time.Since(asked) >= pause-500*time.Millisecond && time.Since(start) < 2*pause,
			"after 10 MiB: want the next GetRecords granted after %v, got %v", pause, time.Since(asked))
	} else {
		k.leave("the pause after 10 MiB: answers are smaller here")
	}
	k.wait(ctx, 6*time.Second)
	start, n, refused := time.Now(), 0, 0
	for k.ok() && n < fullRecords {
		a := k.try(ctx, "GetRecords", obj{"ShardIterator": it, "Limit": 1})
		if a.Code == throttled {
			refused++
			k.wait(ctx, 250*time.Millisecond)
			continue
		}
		k.must(a.status == http.StatusOK, "GetRecords: want 200, got %s", a)
		n, it = n+len(a.Records), a.NextShardIterator
	}
	k.must(refused > 0 && time.Since(start) >= 3*time.Second, "reading %d MiB one by one: want 2 MiB/s and the rest throttled, got %d throttled", fullRecords, refused)
}

func checkSequences(ctx context.Context, k *kit) {
	const writers, each = 64, 5
	stream := k.common(ctx)
	before := time.Now()
	wire := k.wire
	all := make([][]answer, writers)
	var working sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			for range each {
				a := wire.post(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": fmt.Sprint("w", w), "Data": ""})
				for a.overRate() && pause(ctx, 250*time.Millisecond) {
					a = wire.post(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": fmt.Sprint("w", w), "Data": ""})
				}
				all[w] = append(all[w], a)
			}
		})
	}
	working.Wait()
	seen := map[string]bool{}
	for _, list := range all {
		last := new(big.Int)
		for _, a := range list {
			k.must(a.err == nil && a.status == http.StatusOK, "PutRecord: want 200, got %s", a)
			k.equal("digits of "+a.SequenceNumber, len(a.SequenceNumber), 56)
			n := decimal(a.SequenceNumber)
			k.must(n.Cmp(last) > 0, "want increasing sequence numbers, got %s after %s", n, last)
			k.must(!seen[a.SequenceNumber], "want unique sequence numbers, got %s twice", n)
			seen[a.SequenceNumber], last = true, n
			k.decodable(a, before)
		}
	}
}

// decodable checks the layout of a sequence number: 47 hex digits that hold the
// times of the shard's creation and of the arrival, a counter and the shard.
func (k *kit) decodable(a answer, before time.Time) {
	hex := decimal(a.SequenceNumber).Text(16)
	if len(hex) != 47 || hex[0] != '2' || hex[46] != '2' {
		k.fail("sequence number %s: want 47 hex digits from 2 to 2, got %s", a.SequenceNumber, hex)
		return
	}
	field := func(from, to int) int64 {
		n, _ := new(big.Int).SetString(hex[from:to], 16)
		return n.Int64()
	}
	k.equal("shard in "+a.SequenceNumber, shardID(int(field(38, 46))), a.ShardID)
	arrived := time.Unix(field(29, 38), 0)
	k.must(arrived.After(before.Add(-time.Minute)) && arrived.Before(time.Now().Add(time.Minute)),
		"second of arrival in %s: want about %v, got %v", a.SequenceNumber, before.Unix(), arrived.Unix())
}
