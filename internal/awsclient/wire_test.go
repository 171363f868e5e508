package awsclient_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
)

// TestNegotiate tells services by how they answer a question in CBOR.
func TestNegotiate(t *testing.T) {
	const json = "application/x-amz-json-1.1"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		open   bool           // the question stays open: an error with a hint
		auto   awsclient.Wire // what data calls speak afterwards
	}{
		{"answered", answer(200, awscbor.Media, "\xa0", nil), false, awsclient.CBOR},
		{"unsupported media type", answer(415, "text/plain", "what?", nil), false, awsclient.JSON},
		{"not understood", answer(400, json, `{"__type":"SerializationException"}`, nil), false, awsclient.JSON},
		{"XML", answer(404, "text/xml", `<UnknownOperationException/>`, nil), false, awsclient.JSON},
		{"not allowed", refusal(400, "AccessDeniedException"), true, awsclient.JSON},
		{"down", answer(503, "text/html", "busy", nil), true, awsclient.JSON},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			against(t, tc.answer, func(t *testing.T, c *awsclient.Client) {
				err := c.Negotiate(t.Context(), "s")
				if tc.open != (err != nil) || tc.open && !errors.Is(err, kload.ErrUnreachable) {
					t.Errorf("%v, want an unreachable target: %v", err, tc.open)
				}
				if c.Over(awsclient.Auto) != c.Over(tc.auto) {
					t.Errorf("auto is not %s", tc.auto)
				}
				used, fallback := c.InForce()
				if diff := cmp.Diff([]awsclient.Wire{tc.auto}, used); diff != "" {
					t.Errorf("wires in force, -want +got: %s", diff)
				}
				if fell := !tc.open && tc.auto == awsclient.JSON; fell != (fallback != nil) {
					t.Errorf("the fallback is explained by %v", fallback)
				}
			})
		})
	}
}

// TestApart calls over both pools of a client in turn: a connection each.
func TestApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		l, stop := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("Content-Type"))
			answer(200, awscbor.Media, "\xa0", nil)(w, r)
		}))
		defer stop()
		var dialed atomic.Int64
		c, err := awsclient.New(t.Context(), awsclient.Options{
			Local: true, Endpoint: "http://kinesis.local",
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialed.Add(1)
				return l.Dial(ctx, network, addr)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		apart := c.Apart(awsclient.CBOR)
		for range 3 {
			for _, api := range []*awsclient.Caller{c.Over(awsclient.CBOR), apart} {
				if _, err := api.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if c.Calls() != 6 || c.Attempts() != 6 || dialed.Load() != 2 {
			t.Errorf("%d calls, %d attempts, %d connections", c.Calls(), c.Attempts(), dialed.Load())
		}
		if diff := cmp.Diff(slices.Repeat([]string{awscbor.Media}, 6), asked); diff != "" {
			t.Errorf("content types, -want +got: %s", diff)
		}
	})
}
