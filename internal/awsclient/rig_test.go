package awsclient_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
)

// against runs f in virtual time with a client of the handler.
func against(t *testing.T, h http.HandlerFunc, f func(t *testing.T, c *awsclient.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l, stop := memnet.Serve(h)
		defer stop()
		f(t, newClient(t, l))
	})
}

func newClient(t *testing.T, l *memnet.Listener) *awsclient.Client {
	t.Helper()
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: l.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answer is a handler that reads the request and gives the same answer to all.
// It adds to calls, if that is not nil.
func answer(status int, contentType, body string, calls *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if calls != nil {
			calls.Add(1)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refusal is an answer with the service's error code.
func refusal(status int, code string) http.HandlerFunc {
	return answer(status, "application/x-amz-json-1.1", fmt.Sprintf(`{"__type":%q,"message":"no"}`, code), nil)
}

func put(t *testing.T, c *awsclient.Client, data string) (*kinesis.PutRecordsOutput, error) {
	t.Helper()
	return c.Data.PutRecords(t.Context(), &kinesis.PutRecordsInput{
		StreamName: aws.String("s"),
		Records:    []types.PutRecordsRequestEntry{{Data: []byte(data), PartitionKey: aws.String("k")}},
	})
}

// bareHost takes everything away from which the SDK could get a configuration.
func bareHost(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it later
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}
