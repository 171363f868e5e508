package awsclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kload/kload/internal/awsclient"
)

// wire notes the sizes of writes, and refuses those after a number of bytes.
type wire struct {
	net.Conn
	mu     sync.Mutex
	writes []int
	sent   int
	limit  int // 0 is none
}

var errFull = errors.New("the wire is full")

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent += len(p); w.limit > 0 && w.sent > w.limit {
		return 0, errFull
	}
	w.writes = append(w.writes, len(p))
	return w.Conn.Write(p)
}

// TestGather sends bodies over TLS: whole, in few writes however large they are, and
// with an error if the last of it does not get out.
func TestGather(t *testing.T) {
	got := make(chan []byte, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the wire was full
		}
		got <- body
		answer(200, "application/x-amz-json-1.1", `{"Records":[{"SequenceNumber":"1","ShardId":"s"}]}`, nil)(w, r)
	}))
	defer server.Close()
	const large = 1 << 20
	tests := []struct {
		size, limit int
		most        int // writes of the call
	}{
		{100, 0, 2},
		{8 << 10, 0, 3},
		{64 << 10, 0, 5},
		{large, 0, large*4/3>>16 + 4}, // Base64
		{large, large, 0},
		{large, large*4/3 + 1000, 0}, // the last write only
	}
	for _, tc := range tests {
		w := new(wire)
		c, err := awsclient.New(t.Context(), awsclient.Options{
			Local: true, Endpoint: server.URL, RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
			Dial: func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
				w.Conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return w, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(t, c, "first"); err != nil { // shakes hands
			t.Fatal(err)
		}
		<-got
		w.mu.Lock()
		w.writes, w.sent, w.limit = nil, 0, tc.limit
		w.mu.Unlock()
		data := strings.Repeat("abc", tc.size/3)
		_, err = put(t, c, data)
		c.Close()
		if tc.limit > 0 {
			if !errors.Is(err, errFull) {
				t.Errorf("%d bytes after %d: %v", tc.size, tc.limit, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if body := <-got; !bytes.Contains(body, []byte(strings.Repeat("YWJj", tc.size/3))) {
			t.Errorf("%d bytes: %d arrived", tc.size, len(body))
		}
		if len(w.writes) > tc.most {
			t.Errorf("%d bytes in writes of %d, want %d of them at most", tc.size, w.writes, tc.most)
		}
	}
}

// TestGatherWhileOthersWrite writes from two sides, one of which gathers now and
// then: all arrives, that of each side in its order.
func TestGatherWhileOthersWrite(t *testing.T) {
	near, far := net.Pipe()
	arrived := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(far) // until near is closed
		arrived <- all
	}()
	g := awsclient.NewGathering(near)
	const times = 300
	write := func(piece string) {
		if n, err := g.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	body := strings.Repeat("b", 20_000)
	var others sync.WaitGroup
	others.Go(func() {
		for range times {
			write("a")
		}
	})
	for range times {
		g.Gather()
		for range 4 {
			write(body)
		}
		if err := g.Flush(); err != nil {
			t.Error(err)
		}
		write("c")
	}
	others.Wait()
	near.Close()
	all := string(<-arrived)
	if n := strings.Count(all, "a"); n != times {
		t.Errorf("%d of %d came from the other side", n, times)
	}
	if rest := strings.ReplaceAll(all, "a", ""); rest != strings.Repeat(strings.Repeat(body, 4)+"c", times) {
		t.Errorf("%d bytes, out of order", len(rest))
	}
}
