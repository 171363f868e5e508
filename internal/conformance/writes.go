package conformance

import (
	"context"
	"crypto/md5"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// put writes a record, again if it is throttled.
func (k *kit) put(ctx context.Context, stream, key, data string) answer {
	a := k.call(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": key, "Data": []byte(data)})
	k.must(a.ShardID != "" && a.SequenceNumber != "", "PutRecord: want ShardId and SequenceNumber, got %s", a)
	return a
}

// entry is a record of PutRecords, kept to one shard by an explicit hash key.
func entry(hash, data string) obj {
	return obj{"Data": []byte(data), "PartitionKey": "k", "ExplicitHashKey": hash}
}

// batch calls PutRecords once and checks the answer's shape.
func (k *kit) batch(ctx context.Context, stream string, entries []obj) answer {
	a := k.call(ctx, "PutRecords", obj{"StreamName": stream, "Records": entries})
	if k.ok() && len(a.Records) != len(entries) {
		k.fail("PutRecords of %d: want as many results, got %d", len(entries), len(a.Records))
	}
	failed := 0
	for i, r := range a.Records {
		stored := r.SequenceNumber != "" && r.ShardID != "" && r.ErrorCode == "" && r.ErrorMessage == ""
		refused := r.SequenceNumber == "" && r.ShardID == "" && r.ErrorCode != "" && r.ErrorMessage != ""
		k.must(stored != refused, "result %d: want either where it was stored or why not, got %+v", i, r)
		if refused {
			failed++
		}
	}
	k.equal("FailedRecordCount", a.FailedRecordCount, failed)
	return a
}

// store writes all entries, those that are throttled again, and returns where
// they are.
func (k *kit) store(ctx context.Context, stream string, entries []obj) []record {
	out := make([]record, len(entries))
	left := make([]int, 0, len(entries))
	for i := range entries {
		left = append(left, i)
	}
	for try := 0; k.ok() && len(left) > 0; try++ {
		k.must(try < 60, "PutRecords: %d records still refused after %d tries", len(left), try)
		n := min(len(left), 500)
		var some []obj
		for _, i := range left[:n] {
			some = append(some, entries[i])
		}
		a := k.batch(ctx, stream, some)
		var again []int
		for j, r := range a.Records {
			if out[left[j]] = r; r.ErrorCode != "" {
				again = append(again, left[j])
			}
		}
		left = append(again, left[n:]...)
		if len(again) > 0 {
			k.wait(ctx, 300*time.Millisecond)
		}
	}
	return out
}

// keys returns partition keys of one to eight characters from all planes.
func keys(n int) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]string, n)
	for i := range out {
		var b strings.Builder
		for range 1 + rng.IntN(8) {
			r := rune(rng.IntN(0x10fffe) + 1)
			if r >= 0xd800 && r < 0xe000 { // halves of surrogates are no characters
				r = 'é'
			}
			b.WriteRune(r)
		}
		out[i] = b.String()
	}
	return out
}

func checkRouting(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	shards := k.shards(ctx, stream)
	k.equal("shards", idsOf(shards), "0 1")
	if !k.ok() {
		return
	}
	border := decimal(shards[1].HashKeyRange.StartingHashKey)
	holder := func(hash *big.Int) string {
		if hash.Cmp(border) < 0 {
			return shards[0].ShardID
		}
		return shards[1].ShardID
	}
	n := 1000
	if k.opts.Slow {
		n = 10000
	}
	all := keys(n)
	for i := 0; i < n && k.ok(); i += 500 {
		var entries []obj
		for _, key := range all[i : i+500] {
			entries = append(entries, obj{"Data": "", "PartitionKey": key})
		}
		for j, r := range k.store(ctx, stream, entries) {
			sum := md5.Sum([]byte(all[i+j]))
			k.equal(fmt.Sprintf("shard of the key %q", all[i+j]), r.ShardID, holder(new(big.Int).SetBytes(sum[:])))
		}
	}
	for _, hash := range []string{"0", shards[0].HashKeyRange.EndingHashKey, shards[1].HashKeyRange.StartingHashKey, maxHash} {
		r := k.store(ctx, stream, []obj{entry(hash, "")})[0]
		k.equal("shard of the hash key "+hash, r.ShardID, holder(decimal(hash)))
	}
}

func checkHashKeys(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	in := func(hash string) obj {
		return obj{"StreamName": stream, "Data": "", "PartitionKey": "k", "ExplicitHashKey": hash}
	}
	over := after(maxHash)
	k.refused(ctx, "PutRecord", in(over), invalid,
		"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "+over)
	for _, bad := range []string{"01", "-1"} {
		k.refused(ctx, "PutRecord", in(bad), validation, "1 validation error detected: Value '"+bad+"' at 'explicitHashKey' "+
			`failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})`)
	}
}

func checkPartitionKeys(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	k.put(ctx, stream, strings.Repeat("é", 256), "")
	for _, bad := range []struct{ key, rule string }{
		{strings.Repeat("é", 257), "less than or equal to 256"},
		{"", "greater than or equal to 1"},
	} {
		k.refused(ctx, "PutRecord", obj{"StreamName": stream, "Data": "", "PartitionKey": bad.key}, validation,
			"1 validation error detected: Value '"+bad.key+"' at 'partitionKey' failed to satisfy constraint: Member must have length "+bad.rule)
	}
	k.refused(ctx, "PutRecord", obj{"StreamName": stream, "Data": ""}, validation,
		"1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null")
}

func checkRecordSize(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	first := k.put(ctx, stream, "k", "")
	got := k.recordAt(ctx, stream, first.ShardID, first.SequenceNumber)
	k.equal("data of an empty record", string(got.Data), "")
	k.sizes(ctx, stream, 1<<20)
	arn := k.arn(ctx, stream)
	k.call(ctx, "UpdateMaxRecordSize", obj{"StreamARN": arn, "MaxRecordSizeInKiB": 10240})
	k.settle(ctx, stream)
	k.sizes(ctx, stream, 10<<20)
}

// sizes writes a record of the largest size, and one larger.
func (k *kit) sizes(ctx context.Context, stream string, most int) {
	k.put(ctx, stream, "k", strings.Repeat("x", most-1))
	a := k.patient(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": "k", "Data": make([]byte, most)}, "")
	k.must(a.status == http.StatusBadRequest, "a record of %d bytes: want 400, got %s", most+1, a)
}

func checkMaxRecordSize(ctx context.Context, k *kit) {
	arn := k.arn(ctx, k.common(ctx))
	for _, kib := range []int{1023, 10241} {
		k.refusedWith(ctx, "UpdateMaxRecordSize", obj{"StreamARN": arn, "MaxRecordSizeInKiB": kib}, validation,
			fmt.Sprintf("Value '%d' at 'maxRecordSizeInKiB' failed to satisfy constraint", kib))
	}
}

func checkBatchSize(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	many := make([]obj, 501)
	for i := range many {
		many[i] = obj{"Data": "", "PartitionKey": "k"}
	}
	k.batch(ctx, stream, many[:500])
	length := "failed to satisfy constraint: Member must have length "
	k.refusedWith(ctx, "PutRecords", obj{"StreamName": stream, "Records": many}, validation, "at 'records' "+length+"less than or equal to 500")
	k.refusedWith(ctx, "PutRecords", obj{"StreamName": stream, "Records": []obj{}}, validation, "at 'records' "+length+"greater than or equal to 1")
	big := make([]obj, 11)
	for i := range big {
		big[i] = obj{"Data": make([]byte, 1<<20-1), "PartitionKey": "k"}
	}
	k.batch(ctx, stream, big[:10])
	big[10]["Data"] = ""
	k.refused(ctx, "PutRecords", obj{"StreamName": stream, "Records": big}, invalid, "")
}

func checkBatchAnswer(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 2)
	var entries []obj
	for i := range 10 {
		hash := "0"
		if i%3 == 0 {
			hash = maxHash
		}
		entries = append(entries, entry(hash, fmt.Sprint(i)))
	}
	a := k.batch(ctx, stream, entries)
	k.equal("refused records", a.FailedRecordCount, 0)
	for i, r := range a.Records {
		want := shardID(0)
		if i%3 == 0 {
			want = shardID(1)
		}
		k.equal(fmt.Sprintf("shard of record %d", i), r.ShardID, want)
		got := k.recordAt(ctx, stream, r.ShardID, r.SequenceNumber)
		k.equal(fmt.Sprintf("data at the sequence number of record %d", i), string(got.Data), fmt.Sprint(i))
	}
}

func checkInternalFailure(ctx context.Context, k *kit) {
	if k.opts.Lab == nil {
		k.skip("no request provokes an internal failure")
		return
	}
	k.within(ctx, Setting{StoreBytes: 4 << 20, NoLimits: true}, func(o *kit) {
		stream := o.stream(ctx, 1)
		o.call(ctx, "UpdateMaxRecordSize", obj{"StreamARN": o.arn(ctx, stream), "MaxRecordSizeInKiB": 10240})
		o.settle(ctx, stream)
		a := o.batch(ctx, stream, []obj{entry("0", "a"), entry("0", strings.Repeat("x", 5<<20)), entry("0", "b")})
		o.equal("FailedRecordCount", a.FailedRecordCount, 1)
		if o.ok() {
			o.equal("ErrorCode", a.Records[1].ErrorCode, "InternalFailure")
			o.equal("ErrorMessage", a.Records[1].ErrorMessage, "Internal Service Failure")
		}
	})
}

func checkBatchRefused(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	over := after(maxHash)
	k.refused(ctx, "PutRecords", obj{"StreamName": stream, "Records": []obj{entry("0", "a"), entry(over, "b")}}, invalid,
		"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "+over)
	k.equal("records stored of the refused batch", dataOf(k.readAll(ctx, stream, 0)), "")
}

func checkOrdering(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	last := k.put(ctx, stream, "k", "0").SequenceNumber
	for i := range 3 {
		next := k.call(ctx, "PutRecord", obj{
			"StreamName": stream, "PartitionKey": "k", "Data": []byte(fmt.Sprint(i)), "SequenceNumberForOrdering": last,
		}).SequenceNumber
		k.must(decimal(next).Cmp(decimal(last)) > 0, "want a sequence number above %s, got %s", last, next)
		last = next
	}
	// No layout has numbers of 46 digits; and one of a day to come.
	future := new(big.Int).Add(decimal(last), new(big.Int).Lsh(big.NewInt(86400), 9*4))
	for _, bad := range []string{"1" + strings.Repeat("0", 45), future.String()} {
		k.refused(ctx, "PutRecord", obj{"StreamName": stream, "PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": bad}, invalid,
			"ExclusiveMinimumSequenceNumber "+bad+" used in PutRecord on stream "+stream+" under account "+k.account(ctx)+" is invalid.")
	}
}

func checkEncryptionType(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	a := k.put(ctx, stream, "k", "plain")
	_, stated := a.members()["EncryptionType"]
	k.must(!stated, "PutRecord on a plain stream: want no EncryptionType, got %s", a)
	k.call(ctx, "StartStreamEncryption", obj{"StreamName": stream, "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"})
	k.settle(ctx, stream)
	k.until(ctx, 20*time.Second, "EncryptionType KMS", func() bool {
		a = k.put(ctx, stream, "k", "sealed")
		return a.EncryptionType == "KMS"
	})
	b := k.batch(ctx, stream, []obj{entry("0", "sealed")})
	k.equal("EncryptionType of PutRecords", b.EncryptionType, "KMS")
	k.equal("EncryptionType of a record", k.recordAt(ctx, stream, a.ShardID, a.SequenceNumber).EncryptionType, "KMS")
}

func checkWriteUpdating(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	k.call(ctx, "SplitShard", obj{"StreamName": stream, "ShardToSplit": shardID(0), "NewStartingHashKey": "1000"})
	if k.status(ctx, stream) != "UPDATING" {
		k.leave("UPDATING: streams change at once here")
	}
	a := k.put(ctx, stream, "k", "x")
	k.batch(ctx, stream, []obj{entry("0", "x")})
	k.settle(ctx, stream)
	k.equal("data of a record put while UPDATING", string(k.recordAt(ctx, stream, a.ShardID, a.SequenceNumber).Data), "x")
}

func checkDistribution(ctx context.Context, k *kit) {
	provisioned := k.arn(ctx, k.common(ctx))
	k.refused(ctx, "UpdateStreamRecordDistributionStrategy", obj{"StreamARN": provisioned, "RecordDistributionStrategy": "AUTO"}, invalid, "")
	stream := k.onDemand(ctx)
	arn := k.arn(ctx, stream)
	old := k.put(ctx, stream, "k", "old")
	set := func(strategy string) {
		k.call(ctx, "UpdateStreamRecordDistributionStrategy", obj{"StreamARN": arn, "RecordDistributionStrategy": strategy})
	}
	set("AUTO")
	entries := make([]obj, 400)
	for i := range entries {
		entries[i] = obj{"Data": []byte("keyless")}
	}
	entries[0]["PartitionKey"] = "given"
	per, stored := map[string]int{}, k.store(ctx, stream, entries)
	for _, r := range stored {
		per[r.ShardID]++
	}
	chi := 0.0
	for i := range 4 {
		d := float64(per[shardID(i)] - 100)
		chi += d * d / 100
	}
	k.must(chi < 16.3, "400 records over 4 shards: want an even spread (χ² below 16.3), got %v (%.1f)", per, chi)
	for i, want := range []bool{true, false} {
		r := k.recordAt(ctx, stream, stored[i].ShardID, stored[i].SequenceNumber)
		k.must((r.PartitionKey != nil) == want, "record %d read: want a partition key only if one was sent, got %v", i, r.PartitionKey != nil)
	}
	k.refused(ctx, "PutRecord", obj{"StreamName": stream, "Data": "", "SequenceNumberForOrdering": old.SequenceNumber}, invalid, "")
	set("USER_PARTITION_KEY")
	k.equal("data put before", string(k.recordAt(ctx, stream, old.ShardID, old.SequenceNumber).Data), "old")
	k.equal("shard of the same key afterwards", k.put(ctx, stream, "k", "new").ShardID, old.ShardID)
}

func checkDryRun(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	app := k.register(ctx, stream, "app")
	it := k.iterator(ctx, stream, 0, "TRIM_HORIZON", nil)
	for _, c := range []struct {
		op      string
		in      obj
		name    string // the member to spoil, and how
		bad     any
		instead string
	}{
		{"PutRecord", obj{"StreamName": stream, "PartitionKey": "k", "Data": ""}, "StreamName", k.name(), notFound},
		{"PutRecords", obj{"StreamName": stream, "Records": []obj{entry("0", "")}}, "Records", []obj{}, validation},
		{"GetShardIterator", obj{"StreamName": stream, "ShardId": shardID(0), "ShardIteratorType": "LATEST"}, "ShardId", shardID(9), notFound},
		{"GetRecords", obj{"ShardIterator": it}, "ShardIterator", "x", invalid},
		{"SubscribeToShard", obj{
			"ConsumerARN": app, "ShardId": shardID(0), "StartingPosition": obj{"Type": "LATEST"},
		}, "ShardId", shardID(9), notFound},
	} {
		c.in["DryRun"] = true
		k.refused(ctx, c.op, c.in, dryRun, "")
		c.in[c.name] = c.bad
		k.refused(ctx, c.op, c.in, c.instead, "")
	}
	k.equal("records stored by dry runs", dataOf(k.readAll(ctx, stream, 0)), "")
}
