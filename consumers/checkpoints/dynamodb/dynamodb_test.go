package dynamodb_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/dynamodb"
	"github.com/kload/kload/internal/awsclient"
)

// What implementations of DynamoDB make of the store is tested in
// internal/interop; here it meets answers that those do not give when asked.

// service answers calls from a script: per operation, one answer after the other,
// of which the last one stays.
type service struct {
	*httptest.Server
	script map[string][]string
	calls  atomic.Int64
}

const (
	table       = `200 {"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"leaseKey","KeyType":"HASH"}]}}`
	otherTable  = `200 {"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}}`
	noTable     = `400 {"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`
	conflict    = `400 {"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}`
	throttled   = `400 {"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}`
	broken      = `500 {"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`
	notAllowed  = `400 {"__type":"com.amazon.coral.service#AccessDeniedException"}`
	nothingToDo = `200 {}`
)

func serve(t *testing.T, script map[string][]string) *service {
	s := &service{script: script}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answers := s.script[operation]
		if len(answers) == 0 {
			t.Errorf("unexpected %s", operation)
			answers = []string{broken}
		}
		if len(answers) > 1 {
			s.script[operation] = answers[1:]
		}
		s.calls.Add(1)
		status, body, _ := strings.Cut(answers[0], " ")
		code, err := strconv.Atoi(status)
		w.WriteHeader(code)
		if _, werr := io.WriteString(w, body); err != nil || werr != nil {
			t.Errorf("answering %s: %v, %v", answers[0], err, werr)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) open(t *testing.T, create bool) (*dynamodb.Store, error) {
	t.Helper()
	return dynamodb.Open(t.Context(), dynamodb.Config{Table: "leases", Create: create, Endpoint: s.URL}, awsclient.Options{Local: true, Endpoint: "http://kinesis.invalid"})
}

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		name   string
		create bool
		script map[string][]string
		want   error
	}{
		{"it is there", false, map[string][]string{"DescribeTable": {table}}, nil},
		{"it is not, and is not to be created", false, map[string][]string{"DescribeTable": {noTable}}, kload.ErrUnreachable},
		{"somebody creates it at the same time", true, map[string][]string{
			"DescribeTable": {noTable, table}, "CreateTable": {`400 {"__type":"x#ResourceInUseException"}`},
		}, nil},
		{"it may not be created", true, map[string][]string{"DescribeTable": {noTable}, "CreateTable": {notAllowed}}, kload.ErrUnreachable},
		{"it is a table of something else", true, map[string][]string{"DescribeTable": {otherTable}}, kload.ErrInvalid},
		{"not allowed", true, map[string][]string{"DescribeTable": {notAllowed}}, kload.ErrUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := serve(t, tc.script).open(t, tc.create)
			wantError(t, err, tc.want)
			if err == nil {
				s.Close()
			}
		})
	}
}

// wantError wants an error of a kind, with a hint and naming the table.
func wantError(t *testing.T, err, want error) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("got error %v", err)
		}
		return
	}
	var hint *kload.HintError
	if !errors.Is(err, want) || !errors.As(err, &hint) || !strings.Contains(err.Error(), "lease") {
		t.Errorf("got error %v, want one that wraps %v, names the leases and has a hint", err, want)
	}
}

// A write that may have been made is not repeated: it would meet itself.
func TestWrites(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []string
		want    error
		unknown bool
		calls   int64
	}{
		{"made", []string{nothingToDo}, nil, false, 1},
		{"somebody was faster", []string{conflict}, kload.ErrConflict, false, 1},
		{"throttled once", []string{throttled, nothingToDo}, nil, false, 2},
		{"broken off, perhaps behind the write", []string{broken, conflict}, nil, true, 1},
		{"the table is gone", []string{noTable}, kload.ErrUnreachable, false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			service := serve(t, map[string][]string{"DescribeTable": {table}})
			s, err := service.open(t, false)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			old := kload.Lease{Partition: "p", Owner: "a", Counter: 3}
			for operation, change := range map[string]func() error{
				"PutItem":    func() error { _, err := s.Create(t.Context(), old); return err },
				"UpdateItem": func() error { _, err := s.Update(t.Context(), old, old); return err },
				"DeleteItem": func() error { return s.Delete(t.Context(), old) },
			} {
				service.script[operation] = tc.answers
				service.calls.Store(0)
				err := change()
				if tc.unknown {
					if err == nil || errors.Is(err, kload.ErrConflict) {
						t.Errorf("%s: got error %v, want one that does not say what became of it", operation, err)
					}
				} else {
					wantError(t, err, tc.want)
				}
				if n := service.calls.Load(); n != tc.calls {
					t.Errorf("%s was called %d times, want %d", operation, n, tc.calls)
				}
			}
		})
	}
}

func TestLayout(t *testing.T) {
	full := kload.Lease{
		Partition: "shardId-000000000003", Owner: "worker", Counter: 9, Outgoing: "other", Switches: 2,
		Position: kload.Position{Start: kload.After, Sequence: "4959", Sub: 7},
		Parents:  []string{"shardId-000000000001", "shardId-000000000002"}, Children: []string{"shardId-000000000004"},
		Range: kload.HashRange{Start: kload.HashKey{Hi: 1}, End: kload.HashKey{Hi: 2, Lo: 1}}, HasRange: true,
	}
	want := map[string]types.AttributeValue{
		"leaseKey": text("shardId-000000000003"), "leaseOwner": text("worker"), "leaseCounter": number("9"),
		"checkpoint": text("4959"), "checkpointSubSequenceNumber": number("7"), "checkpointOwner": text("other"),
		"ownerSwitchesSinceCheckpoint": number("2"), "entityType": text("LEASE"),
		"parentShardId": set("shardId-000000000001", "shardId-000000000002"), "childShardIds": set("shardId-000000000004"),
		"startingHashKey": text("18446744073709551616"), "endingHashKey": text("36893488147419103233"),
	}
	if diff := cmp.Diff(want, dynamodb.ItemOf(full), ignoreUnexported()); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if l, err := dynamodb.LeaseOf(want); err != nil || cmp.Diff(full, l) != "" {
		t.Errorf("error %v (-want +got):\n%s", err, cmp.Diff(full, l))
	}
}

func TestForeignRows(t *testing.T) {
	for name, tc := range map[string]struct {
		change map[string]types.AttributeValue
		want   kload.Position
		bad    bool
	}{
		"no checkpoint yet":            {nil, kload.Position{Start: kload.TrimHorizon}, false},
		"the end of the shard":         {row("checkpoint", text("SHARD_END")), kload.Position{Start: kload.AtEnd}, false},
		"a time that KCL keeps itself": {row("checkpoint", text("AT_TIMESTAMP")), kload.Position{Start: kload.AtRunStart}, false},
		"the latest":                   {row("checkpoint", text("LATEST")), kload.Position{Start: kload.Latest}, false},
		"a number for a name":          {row("leaseOwner", number("1")), kload.Position{}, true},
		"a name for a number":          {row("leaseCounter", text("1")), kload.Position{}, true},
		"a number with a fraction":     {row("leaseCounter", number("1.5")), kload.Position{}, true},
		"a name for a set":             {row("parentShardId", text("p")), kload.Position{}, true},
		"half a range of hash keys":    {row("startingHashKey", text("0")), kload.Position{}, true},
		"a hash key that is too large": {row("startingHashKey", text(strings.Repeat("9", 39))), kload.Position{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			item := row("leaseKey", text("p"))
			maps.Copy(item, tc.change)
			l, err := dynamodb.LeaseOf(item)
			if tc.bad {
				wantError(t, err, kload.ErrInvalid)
				return
			}
			if diff := cmp.Diff(kload.Lease{Partition: "p", Position: tc.want}, l); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
