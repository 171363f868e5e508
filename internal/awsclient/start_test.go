package awsclient_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/pace"
)

// TestStart has two calls share one connection to a service that takes a second:
// the second one starts when the first is done, not when it was made.
func TestStart(t *testing.T) {
	for _, wire := range []awsclient.Wire{awsclient.CBOR, awsclient.JSON} {
		t.Run(string(wire), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := pace.NewClock()
				l, stop := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_ = pace.NewPacer(clock).Sleep(r.Context(), time.Second)
					w.Header().Set("Content-Type", awscbor.Media)
					_, _ = w.Write(awscbor.AppendMap(nil, 0))
				}))
				defer stop()
				c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: l.Dial, Connections: 1})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				began := clock.Now()
				var starts [2]*awsclient.Start
				var wg sync.WaitGroup
				for i, api := range []dataAPI{c.Over(wire).Client, c.Over(wire)} {
					starts[i] = awsclient.NewStart(clock.Now)
					wg.Go(func() {
						_, _ = getRecords(awsclient.WithStart(t.Context(), starts[i]), api, "i") // the JSON client cannot read the answer
					})
				}
				wg.Wait()
				first, second := starts[0].At()-began, starts[1].At()-began
				if min(first, second) != 0 || max(first, second) != int64(time.Second) {
					t.Errorf("the calls started after %v and %v, want 0 and 1s", time.Duration(first), time.Duration(second))
				}
				starts[0].Reset()
				if starts[0].At() != 0 {
					t.Error("a reset Start remembers")
				}
			})
		})
	}
}
