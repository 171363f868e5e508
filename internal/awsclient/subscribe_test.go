package awsclient_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awsclient"
)

func subscribe(t *testing.T, c *awsclient.Client) (io.ReadCloser, error) {
	t.Helper()
	return c.Subscribe(t.Context(), subscription())
}

func subscription() *kinesis.SubscribeToShardInput {
	return &kinesis.SubscribeToShardInput{
		ConsumerARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1"), ShardId: aws.String("shardId-000000000000"),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	}
}

// TestSubscribe reads what a server pushes while it pushes it, until it breaks
// off or the caller has enough.
func TestSubscribe(t *testing.T) {
	const frame = "whatever it is"
	against(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 3 {
			_, _ = io.WriteString(w, frame)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, c *awsclient.Client) {
		began := time.Now()
		body, err := subscribe(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			got := make([]byte, len(frame))
			if _, err := io.ReadFull(body, got); string(got) != frame || err != nil || time.Since(began) != time.Duration(i)*time.Second {
				t.Errorf("after %v: %q, %v", time.Since(began), got, err)
			}
		}
		if n, err := body.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a cut stream ends with %d bytes and %v", n, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if body, err = c.Subscribe(ctx, subscription()); err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		cancel()
		if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled stream ends with %v", err)
		}
	})
}

// TestSubscribeOverHTTP2 sees that subscriptions share one connection of HTTP/2,
// as the service wants it, and that other calls do not.
func TestSubscribeOverHTTP2(t *testing.T) {
	var mu sync.Mutex
	seen := map[string][]string{} // protocol and connection by operation
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		op := r.Header.Get("X-Amz-Target")
		seen[op] = append(seen[op], r.Proto+" "+r.RemoteAddr)
		_, _ = io.WriteString(w, "events")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: server.URL, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		body, err := subscribe(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != "events" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _ = put(t, c, "x")
	subs, puts := seen["Kinesis_20131202.SubscribeToShard"], seen["Kinesis_20131202.PutRecords"]
	if len(subs) != 2 || subs[0] != subs[1] || subs[0][:8] != "HTTP/2.0" || len(puts) != 1 || puts[0][:8] != "HTTP/1.1" {
		t.Errorf("subscriptions came over %q, puts over %q", subs, puts)
	}
	if c.Calls() != 3 || c.Attempts() != 3 {
		t.Errorf("%d calls, %d attempts, want 3", c.Calls(), c.Attempts())
	}
}

// TestSubscribeRefused has the service's errors come out as from any call.
func TestSubscribeRefused(t *testing.T) {
	against(t, refusal(400, "ResourceInUseException"), func(t *testing.T, c *awsclient.Client) {
		body, err := subscribe(t, c)
		if _, code := awsclient.Classify(err); code != "ResourceInUseException" || body != nil {
			t.Errorf("got %v, %v", body, err)
		}
	})
}

func TestServiceError(t *testing.T) {
	var got []string
	for _, code := range []string{"InternalFailureException", "KMSThrottlingException", "ResourceNotFoundException"} {
		class, c := awsclient.Classify(awsclient.ServiceError(code, "why"))
		got = append(got, c, map[awsclient.Class]string{awsclient.Ambiguous: "ambiguous", awsclient.Throttled: "throttled", awsclient.Fatal: "fatal"}[class])
	}
	want := []string{"InternalFailureException", "ambiguous", "KMSThrottlingException", "throttled", "ResourceNotFoundException", "fatal"}
	if !slices.Equal(got, want) {
		t.Errorf("classified as %q, want %q", got, want)
	}
}
