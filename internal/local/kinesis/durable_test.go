package kinesis_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/journal"
	"github.com/kload/kload/internal/local/kinesis"
)

// durable is a server with a data directory.
type durable struct {
	*caller
	server *kinesis.Server
	cfg    kinesis.Config
}

func newDurable(t *testing.T, cfg kinesis.Config) *durable {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	s, err := kinesis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &durable{callerOf(s), s, cfg}
}

// crashed returns a server made from what is on disk now, as after kill -9.
func (d *durable) crashed(t *testing.T) *durable {
	t.Helper()
	cfg := d.cfg
	cfg.Data = t.TempDir()
	files, err := os.ReadDir(d.cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(d.cfg.Data, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(cfg.Data, f.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return newDurable(t, cfg)
}

// image is all that a server says about itself, with every record of stream s.
func (d *durable) image(t *testing.T, consumer string) map[string]any {
	t.Helper()
	image := map[string]any{}
	ask := func(op, body string) {
		var v any
		d.must(t, op, body, &v)
		image[op+body] = v
	}
	ask("ListStreams", `{}`)
	ask("DescribeLimits", `{}`)
	ask("DescribeAccountSettings", `{}`)
	for _, name := range []string{"s", "other"} {
		by := fmt.Sprintf(`{"StreamName":%q}`, name)
		arn := "arn:aws:kinesis:us-east-1:000000000000:stream/" + name
		ask("DescribeStream", by)
		ask("DescribeStreamSummary", by)
		ask("ListShards", by)
		ask("ListTagsForStream", by)
		ask("ListStreamConsumers", fmt.Sprintf(`{"StreamARN":%q}`, arn))
	}
	ask("DescribeStreamConsumer", fmt.Sprintf(`{"ConsumerARN":%q}`, consumer))
	ask("ListTagsForResource", fmt.Sprintf(`{"ResourceARN":%q}`, consumer))
	ask("GetResourcePolicy", fmt.Sprintf(`{"ResourceARN":%q}`, consumer))
	ask("GetResourcePolicy", `{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`)
	for shard := range 7 {
		image[fmt.Sprint("shard ", shard)] = d.records(t, shard)
	}
	return image
}

// records reads a shard to its tip or end, answers as they are but for the
// iterators.
func (d *durable) records(t *testing.T, shard int) (answers []map[string]any) {
	t.Helper()
	var it struct{ ShardIterator string }
	d.must(t, "GetShardIterator", fmt.Sprintf(`{"StreamName":"s","ShardId":"%d","ShardIteratorType":"TRIM_HORIZON"}`, shard), &it)
	for next := any(it.ShardIterator); next != nil; {
		var out map[string]any
		d.must(t, "GetRecords", fmt.Sprintf(`{"ShardIterator":%q,"Limit":3}`, next), &out)
		next = out["NextShardIterator"]
		delete(out, "NextShardIterator")
		answers = append(answers, out)
		if len(out["Records"].([]any)) == 0 {
			break
		}
	}
	return answers
}

// TestRestart makes use of all that has a state, and finds it again.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StateDelay: time.Second, Drop: 1, Dup: 1})
		call := func(op, body string) map[string]any {
			t.Helper()
			<-time.After(1500 * time.Millisecond)
			status, answer := d.call(op, []byte(body))
			var v map[string]any
			if status != 200 || len(answer) > 0 && json.Unmarshal(answer, &v) != nil {
				t.Fatalf("%s: %d %s", op, status, answer)
			}
			return v
		}
		const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
		put := func(n int) {
			t.Helper()
			var recs []string
			for i := range n {
				recs = append(recs, fmt.Sprintf(`{"Data":%q,"PartitionKey":"key %d"}`, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "data %d", i)), i))
			}
			recs = append(recs, `{"Data":"","PartitionKey":"é","ExplicitHashKey":"0"}`)
			call("PutRecords", `{"StreamName":"s","Records":[`+strings.Join(recs, ",")+`]}`)
		}
		call("UpdateAccountSettings", `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}`)
		call("CreateStream", `{"StreamName":"gone","ShardCount":1}`)
		call("CreateStream", `{"StreamName":"s","ShardCount":2,"Tags":{"a":"1","b":"2"}}`)
		call("CreateStream", `{"StreamName":"other","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`)
		put(20)
		call("StartStreamEncryption", `{"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/k"}`)
		put(3)
		call("StopStreamEncryption", `{"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/k"}`)
		call("SplitShard", `{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"1000"}`)
		put(20)
		call("MergeShards", `{"StreamName":"s","ShardToMerge":"3","AdjacentShardToMerge":"2"}`)
		put(20)
		call("UpdateShardCount", `{"StreamName":"s","TargetShardCount":4,"ScalingType":"UNIFORM_SCALING"}`)
		put(20)
		call("IncreaseStreamRetentionPeriod", `{"StreamName":"s","RetentionPeriodHours":48}`)
		call("UpdateMaxRecordSize", `{"StreamARN":"`+arn+`","MaxRecordSizeInKiB":2048}`)
		call("UpdateStreamRecordDistributionStrategy", `{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/other","RecordDistributionStrategy":"AUTO"}`)
		call("EnableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":["IncomingBytes"]}`)
		call("AddTagsToStream", `{"StreamName":"s","Tags":{"b":"3","c":"4"}}`)
		call("RemoveTagsFromStream", `{"StreamName":"s","TagKeys":["a"]}`)
		call("PutResourcePolicy", `{"ResourceARN":"`+arn+`","Policy":"{}"}`)
		call("DeleteStream", `{"StreamName":"gone"}`)
		call("RegisterStreamConsumer", `{"StreamARN":"`+arn+`","ConsumerName":"gone"}`)
		call("DeregisterStreamConsumer", `{"StreamARN":"`+arn+`","ConsumerName":"gone"}`)
		consumer := call("RegisterStreamConsumer", `{"StreamARN":"`+arn+`","ConsumerName":"c","Tags":{"t":"u"}}`)["Consumer"].(map[string]any)["ConsumerARN"].(string)
		call("PutResourcePolicy", `{"ResourceARN":"`+consumer+`","Policy":"[]"}`)
		<-time.After(1500 * time.Millisecond)

		position := fmt.Sprintf(`{"ShardIterator":%q}`, call("GetShardIterator", `{"StreamName":"s","ShardId":"1","ShardIteratorType":"LATEST"}`)["ShardIterator"])
		want := d.image(t, consumer)
		d.cfg.Drop, d.cfg.Dup = 0, 0
		for range 3 { // a restart adds nothing and takes nothing away
			d = d.crashed(t)
			if diff := cmp.Diff(want, d.image(t, consumer)); diff != "" {
				t.Fatalf("after a restart (-before +after):\n%s", diff)
			}
		}
		if n := len(call("GetRecords", position)["Records"].([]any)); n != 0 {
			t.Errorf("%d records behind an iterator of the tip", n)
		}
		call("CreateStream", `{"StreamName":"gone","ShardCount":1}`)
		put(20)
		d = d.crashed(t)
		call("DescribeStream", `{"StreamName":"gone"}`)
		<-time.After(time.Hour)
		status, answer := d.call("GetRecords", []byte(position))
		if status != 400 || !strings.Contains(string(answer), "ExpiredIteratorException") {
			t.Errorf("an old iterator: %d %s", status, answer)
		}
	})
}

// TestSegmentsAreDeleted puts many times the store's size, deletes a stream and
// restarts: the directory stays small and has what the memory has.
func TestSegmentsAreDeleted(t *testing.T) {
	d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 8 << 20})
	d.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	d.must(t, "CreateStream", `{"StreamName":"quiet","ShardCount":1}`, nil)
	d.must(t, "PutRecord", `{"StreamName":"quiet","PartitionKey":"k","Data":""}`, nil)
	data := base64.StdEncoding.EncodeToString(make([]byte, 50000))
	for n := range 600 { // 30 MB
		d.must(t, "PutRecord", fmt.Sprintf(`{"StreamName":"s","PartitionKey":"%d","Data":%q}`, n, data), nil)
	}
	on := func() (bytes int64) {
		files, err := filepath.Glob(filepath.Join(d.cfg.Data, "*.log"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return bytes
	}
	if size := on(); size > 12<<20 {
		t.Errorf("%d bytes on disk for a store of 8 MiB", size)
	}
	again := d.crashed(t)
	if diff := cmp.Diff(d.ends(t), again.ends(t)); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
	d = again
	d.must(t, "DeleteStream", `{"StreamName":"s"}`, nil)
	if err := d.server.Close(); err != nil {
		t.Fatal(err)
	}
	d = newDurable(t, d.cfg)
	if size := on(); size > 64<<10 {
		t.Errorf("%d bytes on disk of a deleted stream", size)
	}
}

// ends returns the last sequence numbers of the shards of stream s.
func (d *durable) ends(t *testing.T) (ends []string) {
	t.Helper()
	for shard := range 2 {
		recs := drain(t, d.caller, shard)
		ends = append(ends, recs[len(recs)-1].SequenceNumber)
	}
	return ends
}

// TestSmallerStore restarts with less memory than there is data: the oldest goes
// and is counted, and a record that cannot fit is an error.
func TestSmallerStore(t *testing.T) {
	d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 32 << 20})
	d.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1,"MaxRecordSizeInKiB":10240}`, nil)
	for n := range 40 {
		put(t, d.caller, "k", numbered(n, 200000))
	}
	d.cfg.StoreBytes = 4 << 20
	small := d.crashed(t)
	recs := drain(t, small.caller, 0)
	if st := small.server.Stats(); int(st.Trimmed)+len(recs) != 40 || len(recs) < 10 || checkNumbered(t, recs[len(recs)-1].Data) != 39 {
		t.Errorf("%d records, stats %+v", len(recs), st)
	}
	put(t, d.caller, "k", numbered(40, 6<<20))
	d.server.Close()
	if _, err := kinesis.New(d.cfg); err == nil || !strings.Contains(err.Error(), "a record of 6291457 bytes in stream s") {
		t.Errorf("a record larger than the store: %v", err)
	}
}

// TestDataDirectoryFails takes the directory away under the server.
func TestDataDirectoryFails(t *testing.T) {
	d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 4 << 20, Data: filepath.Join(t.TempDir(), "data")})
	d.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	if err := os.RemoveAll(d.cfg.Data); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"StreamName":"s","PartitionKey":"k","Data":%q}`, base64.StdEncoding.EncodeToString(make([]byte, 100000)))
	acked, refused := 0, 0
	for range 40 {
		status, answer := d.call("PutRecord", []byte(body))
		switch {
		case status == 200 && refused == 0:
			acked++
		case status == 500 && strings.Contains(string(answer), "InternalFailure"):
			refused++
		default:
			t.Fatalf("%d %s", status, answer)
		}
	}
	if refused == 0 || len(drain(t, d.caller, 0)) != acked {
		t.Errorf("%d acknowledged, %d refused, %d read", acked, refused, len(drain(t, d.caller, 0)))
	}
	if status, _ := d.call("AddTagsToStream", []byte(`{"StreamName":"s","Tags":{"a":"b"}}`)); status != 500 {
		t.Errorf("a change that is not stored is answered %d", status)
	}
	d.must(t, "DescribeStream", `{"StreamName":"s"}`, nil)
	if st := d.server.Stats(); st.RecordsIn != uint64(acked) || st.Unlogged != uint64(refused) || !st.Log.Failed {
		t.Errorf("%d acknowledged, %d refused, stats %+v, log %+v", acked, refused, st, st.Log)
	}
}

func TestDataDirectoryInUse(t *testing.T) {
	d := newDurable(t, kinesis.Config{})
	if _, err := kinesis.New(d.cfg); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a second server: %v", err)
	}
	if _, err := kinesis.New(kinesis.Config{Data: t.TempDir(), Fsync: "often"}); err == nil || !strings.Contains(err.Error(), `"often"`) {
		t.Errorf("no policy: %v", err)
	}
}

func TestLoggedRecords(t *testing.T) {
	for name, recs := range map[string][]kinesis.LoggedRecord{
		"one":    {{Stream: 1, Shard: 0, Counter: 1, Arrived: 1763816000123, Key: "k", Data: "data"}},
		"large":  {{Stream: 1<<64 - 1, Shard: 1<<32 - 1, Counter: 1<<63 - 1, Key: strings.Repeat("é", 256), Data: strings.Repeat("x", 10<<20)}},
		"empty":  {{Stream: 7, Counter: 5}},
		"hidden": {{Stream: 7, Counter: 5, Flags: kinesis.FlagHidden}, {Stream: 7, Counter: 6, Flags: kinesis.FlagKMS, Key: "k", Data: "d"}},
		"many":   {{Stream: 7, Counter: 5, Key: "a"}, {Stream: 7, Counter: 6, Data: "b"}, {Stream: 7, Counter: 7, Key: "c", Data: "d"}},
	} {
		b := kinesis.AppendLogged(recs)
		got, err := kinesis.ReadLogged(b)
		if diff := cmp.Diff(recs, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%.500s", name, err, diff)
		}
		if _, err := kinesis.ReadLogged(b[:len(b)-1]); err == nil {
			t.Errorf("%s: a part of it was read", name)
		}
	}
}

// FuzzReplay builds servers from whatever entries a log might hold: that fails
// or gives one that can be put to, read, and restarted.
func FuzzReplay(f *testing.F) {
	records := kinesis.AppendLogged([]kinesis.LoggedRecord{{Stream: 1, Shard: 0, Counter: 1, Arrived: 1763816000123, Key: "k", Data: "data"}})
	change := `C{"Numbers":1,"Streams":[{"Number":1,"Name":"s","Mode":"PROVISIONED","MaxRecord":1048576,"Retention":86400000000000,` +
		`"Shards":[{"Hashes":{"Start":{},"End":{"Hi":18446744073709551615,"Lo":18446744073709551615}},"Epoch":1}]}]}`
	f.Add([]byte(change), append([]byte("R"), records...))
	f.Add([]byte(`C{}`), []byte("R"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		cfg := kinesis.Config{Data: t.TempDir(), StoreBytes: 4 << 20}
		log, err := journal.Open(cfg.Data, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		log.Cut(nil, []byte(`{"Key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
		for _, entry := range [][]byte{first, second} {
			log.End(append(log.Begin(), entry...))
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s, err := kinesis.New(cfg)
			if err != nil {
				return
			}
			c := callerOf(s)
			c.call("PutRecord", []byte(`{"StreamName":"s","PartitionKey":"k","Data":""}`))
			c.call("DescribeStream", []byte(`{"StreamName":"s"}`))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestRecordsCostNoAllocationInTheLog puts with and without a data directory.
func TestRecordsCostNoAllocationInTheLog(t *testing.T) {
	d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, Fsync: "never"})
	d.must(t, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
	d.w.borrow = true
	measure := func(records int) uint64 {
		body := putRecordsBody(records, 200)
		work := make([]byte, len(body))
		var before, after runtime.MemStats
		for i := range 40 {
			if i == 20 {
				runtime.ReadMemStats(&before)
			}
			copy(work, body)
			if status, answer := d.call("PutRecords", work); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
		}
		runtime.ReadMemStats(&after)
		return (after.Mallocs - before.Mallocs) / 20
	}
	if one, many := measure(1), measure(500); many > one+20 {
		t.Errorf("%d allocations for 500 records, %d for one", many, one)
	}
}

// TestRecreatedStream deletes and makes a stream anew in one segment of the log:
// the records of the old one are not the new one's, and hold no memory.
func TestRecreatedStream(t *testing.T) {
	d := newDurable(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 8 << 20})
	for n := range 3 {
		d.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
		for range 3 {
			put(t, d.caller, "k", numbered(n, 900000))
		}
		if n < 2 {
			d.must(t, "DeleteStream", `{"StreamName":"s"}`, nil)
		}
	}
	d = d.crashed(t)
	recs := drain(t, d.caller, 0)
	for _, r := range recs {
		if n := checkNumbered(t, r.Data); n != 2 {
			t.Errorf("a record of stream %d", n)
		}
	}
	if st := d.server.Stats(); len(recs) != 3 || st.Trimmed != 0 {
		t.Errorf("%d records, stats %+v", len(recs), st)
	}
}
