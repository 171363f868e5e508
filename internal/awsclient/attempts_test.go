package awsclient_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
)

// TestAttempts counts at the server what a failing call sends.
func TestAttempts(t *testing.T) {
	const json = "application/x-amz-json-1.1"
	tests := []struct {
		name   string
		status int
		body   string
	}{
		{"internal failure", 500, `{"__type":"InternalFailure","message":""}`},
		{"unavailable", 503, `<html>busy</html>`},
		{"throttled", 400, `{"__type":"ProvisionedThroughputExceededException","message":""}`},
		{"redirected", 307, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var served atomic.Int64
			serve := answer(tc.status, json, tc.body, &served)
			against(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "http://kinesis.local/again")
				serve(w, r)
			}, func(t *testing.T, c *awsclient.Client) {
				if _, err := put(t, c, "x"); err == nil {
					t.Error("the failure went unnoticed")
				}
				if served.Load() != 1 || c.Calls() != 1 || c.Attempts() != 1 {
					t.Errorf("a data call: %d requests served, %d calls, %d attempts, want 1 each", served.Load(), c.Calls(), c.Attempts())
				}
				served.Store(0)
				if _, err := c.Control.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")}); err == nil {
					t.Error("the failure went unnoticed")
				}
				want := int64(3) // the SDK's default
				if tc.status < 400 {
					want = 1
				}
				if served.Load() != want || c.Calls() != 1 || c.Attempts() != 1 {
					t.Errorf("a control call: %d requests served, want %d; %d data calls, %d attempts, want 1 each",
						served.Load(), want, c.Calls(), c.Attempts())
				}
			})
		})
	}
}
