package awsclient_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/memnet"
)

// TestEveryCallSurvives has large requests answered at length over pipes. Without
// isolation one in ten calls fails: smithy-go closes the body while net/http
// still asks it for more, which takes the connection down under the answer.
func TestEveryCallSurvives(t *testing.T) {
	const senders, each, entries = 8, 12, 1000
	entry := `{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898","ShardId":"shardId-000000000000"},`
	accepted := `{"FailedRecordCount":0,"Records":[` + strings.Repeat(entry, entries-1) + entry[:len(entry)-1] + `]}`
	against(t, answer(http.StatusOK, "application/x-amz-json-1.1", accepted, nil), func(t *testing.T, c *awsclient.Client) {
		data := strings.Repeat("x", 200<<10)
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					if out, err := put(t, c, data); err != nil || len(out.Records) != entries {
						t.Errorf("%v, %v", out, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if want := uint64(senders * each); c.Calls() != want || c.Attempts() != want {
			t.Errorf("%d calls in %d attempts, want %d", c.Calls(), c.Attempts(), want)
		}
	})
}

// lateTransport answers before it has read the body, as net/http does when the
// server is that fast.
type lateTransport struct{ bodies []io.ReadCloser }

func (l *lateTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	l.bodies = append(l.bodies, req.Body)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// smithyBody is empty once closed.
type smithyBody struct{ io.Reader }

func (b *smithyBody) Close() error {
	b.Reader = strings.NewReader("")
	return nil
}

// TestBufferOutlivesTheCall has the transport read each body only after the SDK
// closed its own and sent further requests.
func TestBufferOutlivesTheCall(t *testing.T) {
	var transport lateTransport
	var attempts atomic.Uint64
	client := awsclient.NewIsolating(&transport, &attempts)
	bodies := []string{strings.Repeat("a", 5000), strings.Repeat("b", 5000), strings.Repeat("c", 5000), "small"}
	for _, body := range bodies {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h/", &smithyBody{Reader: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		req.Body.Close() // as smithy-go does; its body cannot be read any more
	}
	for i, body := range transport.bodies {
		got, err := io.ReadAll(body)
		if err != nil || string(got) != bodies[i] {
			t.Errorf("request %d: the transport read %.10q… (%d bytes), %v", i, got, len(got), err)
		}
		for range 2 { // closing twice must not release twice
			body.Close()
		}
	}
	if attempts.Load() != uint64(len(bodies)) {
		t.Errorf("%d attempts", attempts.Load())
	}
}

// TestUnanswered names the server, and says what is wrong with a common mistake: to
// speak TLS to one that does not.
func TestUnanswered(t *testing.T) {
	l, stop := memnet.Serve(http.NotFoundHandler())
	defer stop()
	transport := &http.Transport{DialContext: l.Dial}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://server:4567/", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := awsclient.NewIsolating(transport, new(atomic.Uint64)).Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, http.ErrSchemeMismatch) || !strings.Contains(err.Error(), "server:4567") {
		t.Errorf("TLS to a server without it: %v", err)
	}
}

// keeper keeps the slice it is given, against the rules of io.Writer.
type keeper struct{ kept []byte }

func (k *keeper) Write(p []byte) (int, error) {
	k.kept = p
	return len(p), nil
}

// TestBufferComesBack looks at the buffer itself: it is released by the last of
// transport and call, not earlier.
func TestBufferComesBack(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("released memory is poisoned only with invariants on: -race or -tags invariants")
	}
	var transport lateTransport
	payload := strings.Repeat("payload", 1000) // small ones are copied
	client := awsclient.NewIsolating(&transport, new(atomic.Uint64))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h/", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var k keeper
	if _, err := io.Copy(&k, transport.bodies[0]); err != nil {
		t.Fatal(err)
	}
	if string(k.kept) != payload {
		t.Errorf("before the transport closed the body: %.20q", k.kept)
	}
	transport.bodies[0].Close()
	if !bytes.Equal(k.kept, bytes.Repeat([]byte{0xDB}, len(payload))) {
		t.Errorf("after the transport closed the body: %.20q, want poison", k.kept)
	}
}

func TestUnreadableBody(t *testing.T) {
	broken := errors.New("broken")
	var transport lateTransport
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h/", io.MultiReader(strings.NewReader("x"), failing{broken}))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := awsclient.NewIsolating(&transport, new(atomic.Uint64)).Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, broken) || len(transport.bodies) != 0 {
		t.Errorf("%v after %d requests", err, len(transport.bodies))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
