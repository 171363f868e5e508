package a8m_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kp "github.com/a8m/kinesis-producer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer/drivers/a8m"
	"github.com/kload/kload/producer/drivertest"
)

// seen is what became of records that were put through the library.
type seen struct {
	puts     []drivertest.Put
	stored   []drivertest.Stored
	statuses map[kload.Status]int
	code     string // of the first record
	counters map[string]uint64
	closeErr error
	took     time.Duration // to close
}

// through puts n records of a size and with so many keys, and closes within
// limit.
func through(t *testing.T, size, keys, n int, script drivertest.Script, limit time.Duration) seen {
	var s seen
	synctest.Test(t, func(t *testing.T) {
		k, book := drivertest.NewKinesis(4, script), drivertest.NewBook()
		g := open(t, drivertest.Env{
			Kinesis: k, Stream: "s", Clock: pace.NewClock(), Outcomes: book.Outcomes, Memory: 64 << 20, Timeout: time.Second,
		}, defaults())
		feed := drivertest.Feed{Size: size, Keys: keys}
		if _, err := g.PutBatch(t.Context(), feed.Next(n)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		from := time.Now()
		s.closeErr = g.Close(ctx)
		s.took = time.Since(from)
		book.Closed()
		s.puts, s.stored, s.statuses, s.code, s.counters = k.Puts(), k.Stored(), book.Statuses(), book.Outcome(0).Code, g.Counters()
		if book.Len() != n {
			t.Errorf("%d outcomes for %d records", book.Len(), n)
		}
	})
	return s
}

// TestFlaws holds what the library is known to get wrong besides what breaks the
// promises of an ingress, which the suite knows. A version that does better makes
// its entry fail.
func TestFlaws(t *testing.T) {
	always := func(a drivertest.Answer) drivertest.Script {
		return func(int, []drivertest.Entry) drivertest.Answer { return a }
	}
	throttled := always(drivertest.Answer{Code: func(int) string { return drivertest.CodeThrottled }})
	for _, tt := range []struct {
		name string
		seen seen
		here func(s *seen) bool
	}{
		{
			"only the first partition key of an aggregate survives", through(t, 100, 10, 10, nil, time.Minute),
			func(s *seen) bool {
				for _, r := range s.stored {
					if r.Key != "key-0" {
						return false
					}
				}
				return len(s.puts) == 1 && s.puts[0].HashKey == "" && s.counters["wrong_keys"] == 9
			},
		},
		{
			"aggregates of up to 1 MiB although 50 KiB are set", through(t, 1000, 1, 3000, nil, time.Minute),
			func(s *seen) bool {
				return len(s.puts) == 3 && s.puts[0].Bytes > 1_020_000 && s.statuses[kload.Acked] == 3000
			},
		},
		{
			"the worst aggregate is larger than a stream takes, which refuses all of the request", through(t, 26_877, 1, 40, nil, time.Minute),
			func(s *seen) bool { return s.code == "ValidationException" && s.statuses[kload.Rejected] >= 39 },
		},
		{
			"throttled entries are sent again for ever: only the driver's deadline ends it", through(t, 100, 10, 10, throttled, 4*time.Second),
			func(s *seen) bool {
				return errors.Is(s.closeErr, context.DeadlineExceeded) && s.took == 4*time.Second &&
					s.counters["retries"] > 3 && s.statuses[kload.Rejected] == 10
			},
		},
		{
			"keys are measured in bytes: 86 Chinese characters are too many", keyed(t, strings.Repeat("键", 86)),
			func(s *seen) bool { return s.code == "InvalidPartitionKey" },
		},
	} {
		if !tt.here(&tt.seen) {
			t.Errorf("it is no longer true: %s\n%d stream records, first %+v\noutcomes %v, first code %q\ncounters %v, closed after %v: %v",
				tt.name, len(tt.seen.puts), tt.seen.puts[:min(1, len(tt.seen.puts))], tt.seen.statuses, tt.seen.code, tt.seen.counters, tt.seen.took, tt.seen.closeErr)
		}
	}
}

// keyed puts one record with a key.
func keyed(t *testing.T, key string) (s seen) {
	synctest.Test(t, func(t *testing.T) {
		book := drivertest.NewBook()
		g := open(t, drivertest.Env{
			Kinesis: drivertest.NewKinesis(1, nil), Stream: "s", Clock: pace.NewClock(), Outcomes: book.Outcomes, Memory: 1 << 20, Timeout: time.Second,
		}, defaults())
		rec := kload.Record{Data: []byte("x"), Key: []byte(key), Producer: drivertest.Producer}
		if _, err := g.PutBatch(t.Context(), []kload.Record{rec}); err != nil {
			t.Error(err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		s.code = book.Outcome(0).Code
	})
	return s
}

// TestStopCrashes has the library crash in a process of its own: its ticker and
// Stop both find something to send, and the second of them gets nothing.
func TestStopCrashes(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"=stop")
	said, err := cmd.CombinedOutput()
	// The first panic closes a channel on its way out, on which the other side sends.
	panics := strings.Contains(string(said), "nil pointer dereference") || strings.Contains(string(said), "send on closed channel")
	if err == nil || !panics || !strings.Contains(string(said), "/kinesis-producer@") {
		t.Errorf("it is no longer true that stopping the library at a tick crashes it: %v\n%.300s", err, said)
	}
}

// stopAtTick stops the library so that a tick comes between two of its steps: a
// lock that its users may take holds both back where they look whether there is
// something to send.
func stopAtTick() {
	const tick = 50 * time.Millisecond
	hold := &holder{tick: tick}
	hold.lib = kp.New(&kp.Config{StreamName: "s", FlushInterval: tick, Client: acker{}, Logger: hold})
	hold.lib.Start()
	_ = hold.lib.Put([]byte("x"), "k")
	hold.lib.Stop()
}

type holder struct {
	lib  *kp.Producer
	tick time.Duration
}

func (h *holder) Info(msg string, _ ...kp.LogValue) {
	if msg == "stopping producer" {
		h.lib.Lock()
		<-time.After(2 * h.tick) // the ticker comes and waits for the lock
		go func() {
			<-time.After(h.tick) // and so does Stop
			h.lib.Unlock()
		}()
	}
}

func (*holder) Error(string, error, ...kp.LogValue) {}

// acker acknowledges everything.
type acker struct{}

func (acker) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	return &kinesis.PutRecordsOutput{FailedRecordCount: aws.Int32(0), Records: make([]types.PutRecordsResultEntry, len(in.Records))}, nil
}

var _ a8m.API = acker{}
