package awsclient_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
)

// cruel is a server that treats one request in six well. It judges those that
// it reads to their end: each request repeats one byte.
type cruel struct {
	served, whole, mixed, rest atomic.Int64

	mu    sync.Mutex
	calls map[int]context.CancelFunc // under way, by worker
}

// begin notes a call that may be given up.
func (c *cruel) begin(worker int, cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[worker] = cancel
}

// giveUp gives up all calls, at whatever moment they are.
func (c *cruel) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.calls {
		cancel()
	}
}

func (c *cruel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", awscbor.Media)
	switch c.served.Add(1) % 6 {
	case 0: // answers before it has read anything
		w.WriteHeader(http.StatusInternalServerError)
		return
	case 1: // answers in the middle of the body
		_, _ = io.CopyN(io.Discard, r.Body, 70<<10)
		w.WriteHeader(http.StatusInternalServerError)
		return
	case 2: // cuts the connection in the middle of the body
		_, _ = io.CopyN(io.Discard, r.Body, 70<<10)
		panic(http.ErrAbortHandler)
	case 3: // never answers: the callers give up
		_, _ = io.CopyN(io.Discard, r.Body, 70<<10)
		c.giveUp()
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			<-r.Context().Done()
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller gave up
	}
	c.whole.Add(1)
	if !uniform(body) {
		c.mixed.Add(1)
	}
	if c.whole.Load()%3 != 0 {
		_, _ = w.Write(awscbor.AppendMap(nil, 0))
		return
	}
	// Closes the connection after the answer without saying so: the next request
	// meets a dead one and starts over.
	hijacked, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(hijacked, "HTTP/1.1 200 OK\r\nContent-Type: "+awscbor.Media+"\r\nContent-Length: 1\r\n\r\n\xa0")
	_ = hijacked.Close()
	c.rest.Add(1)
}

// uniform reports whether a PutRecords body is whole and its records repeat one
// byte.
func uniform(body []byte) bool {
	d := awscbor.NewDecoder(body)
	var all []byte
	for n := d.Map(); d.Next(&n); {
		if string(d.Name()) != "Records" {
			d.Skip()
			continue
		}
		for r := d.List(); d.Next(&r); {
			for m := d.Map(); d.Next(&m); {
				if string(d.Name()) == "Data" {
					all = append(all, d.Bytes()...)
				} else {
					d.Skip()
				}
			}
		}
	}
	return d.Finish() == nil && len(all) > 0 && bytes.Count(all, all[:1]) == len(all)
}

// TestBodiesSurviveFaults sends through a client whose request bodies are reused
// and, under the race detector, overwritten as soon as they are released: to
// answers that come too early, connections cut in the middle, calls given up at
// any moment and connections that die while idle. Whatever arrives whole must be
// what was sent.
func TestBodiesSurviveFaults(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "http", true: "https"}[secure], func(t *testing.T) {
			server := cruel{calls: map[int]context.CancelFunc{}}
			ts := httptest.NewUnstartedServer(&server)
			o := awsclient.Options{Local: true, Connections: 4}
			if secure {
				ts.StartTLS()
				o.RootCAs = ts.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			} else {
				ts.Start()
			}
			defer ts.Close()
			o.Endpoint = ts.URL
			c, err := awsclient.New(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			abuse(t, c, &server)
			if server.whole.Load() < 20 || server.rest.Load() < 5 || server.mixed.Load() > 0 {
				t.Errorf("%d of %d whole requests were not what was sent; %d connections died idle",
					server.mixed.Load(), server.whole.Load(), server.rest.Load())
			}
		})
	}
}

// abuse makes calls from four workers and gives some of them up.
func abuse(t *testing.T, c *awsclient.Client, server *cruel) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 40 {
				in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
				for range 20 {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{
						Data: bytes.Repeat([]byte{byte(40*worker + i)}, 10<<10), PartitionKey: aws.String("k"),
					})
				}
				ctx, cancel := context.WithCancel(t.Context())
				server.begin(worker, cancel)
				_, _ = c.Over(awsclient.CBOR).PutRecords(ctx, in) // many fail, as they should
				cancel()
			}
		})
	}
	wg.Wait()
}
