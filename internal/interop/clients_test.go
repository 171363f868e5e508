//go:build interop

package interop_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The report of a client that has gone through the life of a stream: one shard
// with records, split, more records, merged, more records, read by polling and
// by enhanced fan-out.
type (
	lifeReport struct {
		Open      int         // shards at the end
		Shards    [][3]string // id, parent, adjacent parent
		Polled    []sighting
		Pushed    []sighting
		Timestamp bool // AT_TIMESTAMP with a record's own time found it
		Errors    map[string]refusal
		Wire      []string // content types sent and received, where the client can tell
	}
	sighting struct {
		Shard, Key string
		Data       []byte
		Arrived    int64 // Unix ms
	}
	refusal struct {
		Type    string // the exception's class in the client's language
		Message string
	}
)

func TestClients(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(*testing.T, string, ...string) *program
		file  string
		wire  []string
	}{
		{"boto3", python, "client.py", nil},
		{"aws-sdk-js", node, "client.js", nil},
		{"aws-sdk-java", java, "Client.java", []string{
			"SubscribeToShard: application/x-amz-json-1.1, application/vnd.amazon.eventstream",
			"all else: application/x-amz-cbor-1.1, application/x-amz-cbor-1.1",
		}},
	} {
		for _, how := range []struct {
			name  string
			flags []string
		}{{"plain", nil}, {"TLS", []string{"--tls"}}} {
			t.Run(c.name+" "+how.name, func(t *testing.T) {
				client := c.start(t, c.file, "life").use(startTarget(t, how.flags...))
				began := time.Now()
				report := reportOf[lifeReport](client)
				report.check(t, began, time.Now())
				if diff := cmp.Diff(c.wire, report.Wire); diff != "" {
					t.Errorf("content types (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func (r lifeReport) check(t *testing.T, began, ended time.Time) {
	checkLineage(t, r)
	checkErrors(t, r.Errors)
	if !r.Timestamp {
		t.Error("an iterator at a record's own time did not find it")
	}
	for by, got := range map[string][]sighting{"polling": r.Polled, "fan-out": r.Pushed} {
		t.Run(by, func(t *testing.T) { checkSightings(t, got, began, ended) })
	}
}

func checkLineage(t *testing.T, r lifeReport) {
	t.Helper()
	id := func(n int) string { return fmt.Sprintf("shardId-%012d", n) }
	want := [][3]string{{id(0)}, {id(1), id(0)}, {id(2), id(0)}, {id(3), id(1), id(2)}}
	if diff := cmp.Diff(want, r.Shards); diff != "" || r.Open != 1 {
		t.Errorf("%d shards open, want 1; (-want +got):\n%s", r.Open, diff)
	}
}

func checkErrors(t *testing.T, got map[string]refusal) {
	t.Helper()
	for about, want := range map[string]refusal{
		"no stream":   {"ResourceNotFoundException", "Stream absent under account 000000000000 not found."},
		"name taken":  {"ResourceInUseException", "Stream life under account 000000000000 already exists."},
		"hash key":    {"InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]."},
		"501 records": {"ValidationException", "Member must have length less than or equal to 500"},
		"iterator":    {"InvalidArgumentException", "Invalid ShardIterator."},
		"too often":   {"ProvisionedThroughputExceededException", "Rate exceeded for Shard - 000000000000/life/shardId-000000000003"},
	} {
		if g := got[about]; g.Type != want.Type || !strings.Contains(g.Message, want.Message) {
			t.Errorf("%s: %+v, want %+v", about, g, want)
		}
	}
}

// checkSightings wants each of the three phases' records once, where its hash
// belongs, intact, and one key's records in the order of the phases.
func checkSightings(t *testing.T, got []sighting, from, to time.Time) {
	if len(got) != 75 {
		t.Fatalf("%d records, want 75", len(got))
	}
	phases := map[int]int{}
	for _, s := range got {
		var phase, i int
		if n, _ := fmt.Sscanf(string(s.Data), "%d-%d-", &phase, &i); n != 2 {
			t.Fatalf("not a record of ours: %.40q", s.Data)
		}
		key, data := lifeRecord(phase, i)
		if s.Key != key || !bytes.Equal(s.Data, data) {
			t.Errorf("record %d of phase %d came as %q, %.40q", i, phase, s.Key, s.Data)
		}
		if phases[i]++; phases[i] != phase {
			t.Errorf("record %d of phase %d is number %d of its key", i, phase, phases[i])
		}
		if !from.Truncate(time.Millisecond).After(time.UnixMilli(s.Arrived)) && !time.UnixMilli(s.Arrived).After(to) {
			continue
		}
		t.Errorf("record %d of phase %d arrived at %v, not between %v and %v", i, phase, time.UnixMilli(s.Arrived), from, to)
	}
}

func lifeRecord(phase, i int) (key string, data []byte) {
	key = fmt.Sprintf("key-%d", i)
	if i%2 == 1 {
		key = fmt.Sprintf("ключ-%d", i)
	}
	data = fmt.Appendf(nil, "%d-%d-", phase, i)
	return key, append(data, bytes.Repeat([]byte{byte(math.MaxUint8 - i)}, i*40)...)
}
