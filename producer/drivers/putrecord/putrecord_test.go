package putrecord_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer/direct"
	"github.com/kload/kload/producer/drivers/putrecord"
	"github.com/kload/kload/producer/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T, e drivertest.Env) kload.Ingress {
		if e.Ordered {
			t.Skip("calls under way at once overtake each other: see Capabilities")
		}
		return putrecord.New(t.Context(), e.Kinesis, e.Stream, direct.Options{
			Clock: e.Clock, Outcomes: e.Outcomes, Seed: 1, Connections: 100, TTL: e.TTL, Timeout: e.Timeout, Memory: e.Memory,
		})
	})
}

// TestOneByOne holds that each record is a call, that no more are under way than
// there are connections, and that the service's error code is the record's.
func TestOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := func(call int, _ []drivertest.Entry) drivertest.Answer {
			a := drivertest.Answer{After: 100 * time.Millisecond}
			if call == 9 {
				a.Err = drivertest.APIError("KMSDisabledException")
			}
			return a
		}
		k, book := drivertest.NewKinesis(1, script), drivertest.NewBook()
		p := putrecord.New(t.Context(), k, "s", direct.Options{
			Clock: pace.NewClock(), Outcomes: book.Outcomes, Connections: 5, TTL: time.Minute, Timeout: time.Second, Memory: 1 << 20,
		})
		feed := drivertest.Feed{Size: 50, Keys: 3}
		if n, err := p.PutBatch(t.Context(), feed.Next(20)); n != 20 || err != nil {
			t.Fatalf("accepted %d records: %v", n, err)
		}
		from := time.Now()
		if err := p.Close(t.Context()); err == nil {
			t.Error("nobody was told that the key of the stream is disabled")
		}
		book.Closed()
		if took := time.Since(from); took != 400*time.Millisecond || k.Crowd() != 5 || len(k.Calls()) != 20 {
			t.Errorf("%d calls, %d at once, took %v", len(k.Calls()), k.Crowd(), took)
		}
		if got := book.Statuses(); got[kload.Acked] != 19 || got[kload.Rejected] != 1 {
			t.Errorf("outcomes %v", got)
		}
		book.Check(t, k, 20)
	})
}
