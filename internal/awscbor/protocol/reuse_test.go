package protocol_test

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
	"github.com/kload/kload/internal/awscbor/protocol"
)

// mixed reports whether a PutRecords body holds records of more than one call:
// each call sends one byte, repeated.
func mixed(body []byte) bool {
	d := awscbor.NewDecoder(body)
	var first []byte
	for n := d.Map(); d.Next(&n); {
		if string(d.Name()) != "Records" {
			d.Skip()
			continue
		}
		for r := d.List(); d.Next(&r); {
			for m := d.Map(); d.Next(&m); {
				if string(d.Name()) != "Data" {
					d.Skip()
					continue
				}
				data := d.Bytes()
				if first == nil {
					first = data
				}
				if !bytes.Equal(first, data) {
					return true
				}
			}
		}
	}
	return d.Finish() != nil
}

// TestRequestsAreReusedInTime cuts calls off at every stage, with a transport that
// goes on writing after the call, and looks for bytes of one request in another.
// The race detector looks too.
func TestRequestsAreReusedInTime(t *testing.T) {
	var calls, whole, bad atomic.Int64
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", awscbor.Media)
		if calls.Add(1)%3 == 0 { // answers before it has read the request
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off
		}
		whole.Add(1)
		if mixed(body) {
			bad.Add(1)
		}
	}))
	defer ts.Close()
	p := protocol.New(protocol.Options{})
	c := client(&http.Client{Transport: &http.Transport{}}, func(o *kinesis.Options) {
		p.Use(o)
		o.BaseEndpoint = aws.String(ts.URL)
	})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 25 {
				in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
				for range 20 {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{
						Data: bytes.Repeat([]byte{byte(25*worker + i)}, 10<<10), PartitionKey: aws.String("k"),
					})
				}
				ctx, cancel := context.WithCancel(t.Context())
				if i%4 == 1 {
					go cancel() // at some moment of the call
				}
				_, _ = c.PutRecords(ctx, in) // many fail, as they should
				cancel()
			}
		})
	}
	wg.Wait()
	if whole.Load() < 20 || bad.Load() > 0 {
		t.Errorf("%d of %d requests held what another one sent", bad.Load(), whole.Load())
	}
}
