package kinesis_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/local/kinesis"
)

// TestSequenceLayout checks the layout against numbers the real service issued.
func TestSequenceLayout(t *testing.T) {
	got := func(text string) string {
		created, counter, arrived, shard, ok := kinesis.ParseSequence(text)
		if again := kinesis.FormatSequence(created, counter, arrived, shard); again != text {
			t.Errorf("%s formats as %s", text, again)
		}
		return fmt.Sprint(shard, " ", created.Format(time.DateTime), " ", arrived.Format(time.TimeOnly), " ", ok)
	}
	if s := got("49674026002850188218576229259473476449429298564223254594"); s != "3076 2026-04-27 19:47:17 20:00:18 true" {
		t.Error(s)
	}
	now := time.Unix(1763816000, 0)
	last := ""
	for _, counter := range []uint64{0, 1, 1<<48 - 1, 1 << 48, 1<<63 - 1, 1<<64 - 1} {
		s := kinesis.FormatSequence(now, counter, now, 1<<32-1)
		if got(s); s <= last || len(s) != 56 {
			t.Errorf("counter %d: %s after %s", counter, s, last)
		}
		last = s
	}
	for _, bad := range []string{"", "5", "x", last + "0", last[:55], "9" + last[1:], last[:55] + "x"} {
		if _, _, _, _, ok := kinesis.ParseSequence(bad); ok {
			t.Errorf("%q parsed", bad)
		}
	}
}

type gotRecord struct {
	Data           []byte
	PartitionKey   string
	SequenceNumber string
}

// drain reads a shard of stream s from its start to its tip.
func drain(t *testing.T, c *caller, shard int) (recs []gotRecord) {
	t.Helper()
	var it struct{ ShardIterator string }
	c.must(t, "GetShardIterator", fmt.Sprintf(`{"StreamName":"s","ShardId":"%d","ShardIteratorType":"TRIM_HORIZON"}`, shard), &it)
	for {
		var out struct {
			Records            []gotRecord
			NextShardIterator  string
			MillisBehindLatest int
		}
		c.must(t, "GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, it.ShardIterator), &out)
		recs = append(recs, out.Records...)
		it.ShardIterator = out.NextShardIterator
		if out.MillisBehindLatest == 0 {
			return recs
		}
	}
}

func put(t *testing.T, c *caller, key string, data []byte) {
	t.Helper()
	c.must(t, "PutRecord", fmt.Sprintf(`{"StreamName":"s","PartitionKey":%q,"Data":%q}`, key, base64.StdEncoding.EncodeToString(data)), nil)
}

// numbered is a payload that carries its number and a digest of itself.
func numbered(n, size int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, size)
	binary.BigEndian.PutUint32(b, uint32(n))
	sum := md5.Sum(b[:len(b)-16])
	copy(b[len(b)-16:], sum[:])
	return b
}

func checkNumbered(t *testing.T, b []byte) int {
	t.Helper()
	if sum := md5.Sum(b[:len(b)-16]); !bytes.Equal(sum[:], b[len(b)-16:]) {
		t.Fatal("a record is corrupt")
	}
	return int(binary.BigEndian.Uint32(b))
}

func TestTrimming(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := callerOf(s)
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	const size, half, all = 8000, 200, 900 // 7 MB into 4 MiB
	for n := range half {
		put(t, c, "k", numbered(n, size))
	}
	if got := len(drain(t, c, 0)); got != half {
		t.Fatalf("read %d of %d", got, half)
	}
	for n := half; n < all; n++ {
		put(t, c, "k", numbered(n, size))
	}
	st := s.Stats()
	recs := drain(t, c, 0)
	first := checkNumbered(t, recs[0].Data)
	for i, r := range recs {
		if n := checkNumbered(t, r.Data); n != first+i {
			t.Fatalf("record %d is number %d, want %d", i, n, first+i)
		}
	}
	if first+len(recs) != all || st.Trimmed != uint64(first) || st.TrimmedUnread != uint64(first-half) || st.StoredBytesHigh > 4<<20 ||
		len(recs)*size < 3<<20 {
		t.Errorf("%d records from number %d on, stats %+v", len(recs), first, st)
	}
}

// TestTrimmingTakesTheOldest fills one shard after the other.
func TestTrimmingTakesTheOldest(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := callerOf(s)
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	fill := func(hash string, records int) {
		for range records {
			c.must(t, "PutRecord", fmt.Sprintf(`{"StreamName":"s","PartitionKey":"k","ExplicitHashKey":%q,"Data":%q}`,
				hash, base64.StdEncoding.EncodeToString(make([]byte, 10000))), nil)
		}
	}
	const far = "340282366920938463463374607431768211455"
	fill("0", 100)
	fill(far, 380)
	st := s.Stats()
	idle, busy := len(drain(t, c, 0)), len(drain(t, c, 1))
	if busy != 380 || idle+int(st.Trimmed) != 100 || idle == 100 {
		t.Errorf("%d records in the idle shard, %d in the busy one, %+v", idle, busy, st)
	}
	c.must(t, "DeleteStream", `{"StreamName":"s"}`, nil)
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	fill("0", 380)
	if again := s.Stats(); again.Trimmed != st.Trimmed || len(drain(t, c, 0)) != 380 {
		t.Errorf("memory of a deleted stream was not free: %+v", again)
	}
}

func TestRecreatedStreamRefusesOldPositions(t *testing.T) {
	c := newCaller(t, kinesis.Config{})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	var it struct{ ShardIterator string }
	c.must(t, "GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"LATEST"}`, &it)
	body := fmt.Sprintf(`{"ShardIterator":%q}`, it.ShardIterator)
	c.must(t, "DeleteStream", `{"StreamName":"s"}`, nil)
	if status, answer := c.call("GetRecords", []byte(body)); status != 400 || !bytes.Contains(answer, []byte("ResourceNotFoundException")) {
		t.Errorf("stream gone: %d %s", status, answer)
	}
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	if status, answer := c.call("GetRecords", []byte(body)); status != 400 || !bytes.Contains(answer, []byte("InvalidArgumentException")) {
		t.Errorf("stream made anew: %d %s", status, answer)
	}
}

func TestLargeRecords(t *testing.T) {
	c := newCaller(t, kinesis.Config{StoreBytes: 64 << 20})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1,"MaxRecordSizeInKiB":10240}`, nil)
	put(t, c, "k", numbered(1, 10<<20-1)) // needs and drains a full bucket
	body := fmt.Sprintf(`{"StreamName":"s","PartitionKey":"k","Data":%q}`, base64.StdEncoding.EncodeToString(make([]byte, 10<<20)))
	if status, answer := c.call("PutRecord", []byte(body)); status != 400 || !bytes.Contains(answer, []byte("10 MB limit")) {
		t.Errorf("10 MiB and a key: %d %.200s", status, answer)
	}
	if status, answer := c.call("PutRecord", []byte(`{"StreamName":"s","PartitionKey":"k","Data":""}`)); status != 400 ||
		!bytes.Contains(answer, []byte("Rate exceeded for shard")) {
		t.Errorf("after a drained bucket: %d %s", status, answer)
	}
	recs := drain(t, c, 0)
	if len(recs) != 1 || checkNumbered(t, recs[0].Data) != 1 {
		t.Errorf("%d records", len(recs))
	}
}

// aggregate packs user records "<key>/<n>" with every kind of attribute.
func aggregate(keys ...string) []byte {
	var e kpl.Encoder
	e.Reset(nil)
	for i, key := range keys {
		e.Add([]byte(key), kload.HashKey{Hi: 7, Lo: uint64(i)}, i%2 == 1, []byte("tag"+key), fmt.Appendf(nil, "%s/%d", key, i))
	}
	return bytes.Clone(e.Seal())
}

// users describes the user records in what was read.
func users(recs []gotRecord) (list []string) {
	for _, r := range recs {
		var d kpl.Decoder
		if d.Reset(r.Data) != kpl.Aggregate {
			list = append(list, r.PartitionKey+"="+string(r.Data))
			continue
		}
		for u := (kpl.User{}); d.Next(&u); {
			list = append(list, fmt.Sprintf("%s=%s %s %v %v", u.Key, u.Data, u.Tag, u.Hash, u.HasHash))
		}
	}
	return list
}

func TestMutations(t *testing.T) {
	plain := func(n int) []byte { return fmt.Appendf(nil, "plain%d", n) }
	inputs := map[string][][]byte{
		"plain":              {plain(0), plain(1), plain(2)},
		"aggregates":         {aggregate("a", "b", "c"), aggregate("d", "e", "f")},
		"aggregate of one":   {aggregate("a"), aggregate("b")},
		"aggregate, plain":   {aggregate("a", "b"), plain(0), plain(1)},
		"plain, then in one": {plain(0), plain(0), aggregate("a", "b", "c", "d")},
	}
	for name, input := range inputs {
		for _, cfg := range []kinesis.Config{{Drop: 1}, {Dup: 1}, {Drop: 2}, {Dup: 2}, {}} {
			t.Run(fmt.Sprintf("%s drop=%d dup=%d", name, cfg.Drop, cfg.Dup), func(t *testing.T) {
				s, err := kinesis.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				c := callerOf(s)
				c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
				var sent []gotRecord
				for _, data := range input {
					put(t, c, "k", data)
					sent = append(sent, gotRecord{Data: data, PartitionKey: "k"})
				}
				want, got := tally(users(sent)), tally(users(drain(t, c, 0)))
				lost, extra := 0, 0
				for user, n := range want {
					lost += max(0, n-got[user])
				}
				for user, n := range got {
					extra += max(0, n-want[user])
				}
				st := s.Stats()
				if lost != cfg.Drop || extra != cfg.Dup || st.Dropped != uint64(lost) || st.Duplicated != uint64(extra) ||
					st.RecordsIn != uint64(len(input)) {
					t.Errorf("lost %d, extra %d, stats %+v", lost, extra, st)
				}
			})
		}
	}
}

func tally(list []string) map[string]int {
	m := map[string]int{}
	for _, s := range list {
		m[s]++
	}
	return m
}

// TestConcurrency has writers, readers and trimming meet on few shards. Run it
// with the race detector: released memory is poisoned there.
func TestConcurrency(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := callerOf(s)
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":3}`, nil)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			c := callerOf(s)
			for range 40 {
				body := []byte(`{"StreamName":"s","Records":[`)
				for i := range 50 {
					if i > 0 {
						body = append(body, ',')
					}
					data := base64.StdEncoding.EncodeToString(numbered(i, 100+rng.IntN(5000)))
					body = fmt.Appendf(body, `{"PartitionKey":"%d","Data":%q}`, rng.Uint32(), data)
				}
				if status, answer := c.call("PutRecords", append(body, "]}"...)); status != http.StatusOK {
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	for shard := range 3 {
		wg.Go(func() {
			c := callerOf(s)
			for range 15 {
				last := ""
				for _, r := range drain(t, c, shard) {
					checkNumbered(t, r.Data)
					if r.SequenceNumber <= last {
						t.Errorf("%s after %s", r.SequenceNumber, last)
					}
					last = r.SequenceNumber
				}
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.RecordsIn != 4*40*50 || st.Trimmed == 0 || st.StoredBytesHigh > 4<<20 {
		t.Errorf("stats %+v", st)
	}
	stored := uint64(0)
	for shard := range 3 {
		stored += uint64(len(drain(t, c, shard)))
	}
	if stored+st.Trimmed != st.RecordsIn {
		t.Errorf("%d stored and %d trimmed of %d", stored, st.Trimmed, st.RecordsIn)
	}
	if _, err := json.Marshal(st); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(st, s.Stats(), cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".RecordsOut" || name == ".BytesOut" || name == ".Requests"
	}, cmp.Ignore())); diff != "" {
		t.Errorf("counters moved without writes (-want +got):\n%s", diff)
	}
}

// TestRecordsAreNoHeapObjects stores many records and counts objects.
func TestRecordsAreNoHeapObjects(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 32 << 20})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":2}`, nil)
	body := string(putRecordsBody(500, 100))
	objects := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	before := objects()
	for range 100 {
		c.must(t, "PutRecords", body, nil)
	}
	if after := objects(); after > before+1000 {
		t.Errorf("50,000 records made %d heap objects", after-before)
	}
	runtime.KeepAlive(c)
}
