package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload/internal/memnet"
)

// connect returns both ends of a connection.
func connect(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l := memnet.Listen()
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	client, err := l.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted
}

// TestEnds lets reads and writes wait for what ends them.
func TestEnds(t *testing.T) {
	full := func(c net.Conn) error {
		_, err := c.Write(make([]byte, 1<<20))
		return err
	}
	read := func(c net.Conn) error {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	soon := func(set func(time.Time) error) { _ = set(time.Now().Add(time.Second)) }
	tests := []struct {
		name string
		do   func(c net.Conn) error
		end  func(own, other net.Conn)
		want error
	}{
		{"read, other end closed", read, func(_, other net.Conn) { other.Close() }, io.EOF},
		{"read, own end closed", read, func(own, _ net.Conn) { own.Close() }, io.ErrClosedPipe},
		{"read, past its time", read, func(own, _ net.Conn) { soon(own.SetReadDeadline) }, os.ErrDeadlineExceeded},
		{"read, at once past its time", read, func(own, _ net.Conn) { _ = own.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"write, other end closed", full, func(_, other net.Conn) { other.Close() }, io.ErrClosedPipe},
		{"write, own end closed", full, func(own, _ net.Conn) { own.Close() }, io.ErrClosedPipe},
		{"write, past its time", full, func(own, _ net.Conn) { soon(own.SetWriteDeadline) }, os.ErrDeadlineExceeded},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own, other := connect(t)
				ended := make(chan error)
				go func() { ended <- tc.do(own) }()
				synctest.Wait()
				select {
				case err := <-ended:
					t.Fatalf("it did not wait: %v", err)
				default:
				}
				tc.end(own, other)
				if err := <-ended; !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				_ = own.SetDeadline(time.Time{}) // after which it waits again, or fails for the same end
				go func() { ended <- tc.do(own) }()
				synctest.Wait()
				other.Close()
				if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("a deadline that was taken back still counts")
				}
			})
		})
	}
}

// TestWindow writes until the reader has to read, and closes: what was written
// arrives.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t)
		got := make(chan int)
		go func() {
			<-time.After(time.Second)
			all, err := io.ReadAll(server)
			if err != nil {
				t.Error(err)
			}
			got <- len(all)
		}()
		began, written := time.Now(), 0
		for time.Since(began) < time.Second {
			n, err := client.Write(make([]byte, 1<<10))
			if err != nil {
				t.Fatal(err)
			}
			written += n
		}
		client.Close()
		if n := <-got; n != written || n != 257<<10 {
			t.Errorf("%d bytes arrived of %d, want 256 KiB before the first was read and the one that waited", n, written)
		}
	})
}

// TestWritesStayTogether has two write at a time more than the window holds.
func TestWritesStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		client, server := connect(t)
		var writers sync.WaitGroup
		for _, what := range []string{"a", "b"} {
			writers.Go(func() {
				if n, err := client.Write(bytes.Repeat([]byte(what), size)); n != size || err != nil {
					t.Errorf("wrote %d of %d bytes: %v", n, size, err)
				}
			})
		}
		synctest.Wait() // both do
		go func() {
			writers.Wait()
			client.Close()
		}()
		all, err := io.ReadAll(server)
		if err != nil || len(all) != 2*size {
			t.Fatalf("%d bytes arrived of %d: %v", len(all), 2*size, err)
		}
		for half := range 2 {
			if part := all[half*size:][:size]; bytes.Count(part, part[:1]) != size {
				t.Error("what two wrote arrived mixed")
			}
		}
	})
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if stop leaves a goroutine
		l, stop := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
		}))
		client, err := l.Dial(t.Context(), "tcp", "anything:80")
		if err != nil {
			t.Fatal(err)
		}
		const request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nping"
		if _, err := client.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		if err := client.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(client)
		if !isTimeout(err) {
			t.Errorf("the open connection gave %v", err)
		}
		if got := string(answer); len(got) < 4 || got[len(got)-4:] != "ping" {
			t.Errorf("answer %q", got)
		}
		stop()
		if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing after stop: %v", err)
		}
		var op *net.OpError
		if _, err := l.Dial(t.Context(), "tcp", "anything:80"); !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialing after stop: %v", err)
		}
	})
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestNobodyAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Dial(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialing nobody: %v", err)
		}
		closed := make(chan error)
		go func() {
			_, err := l.Accept()
			closed <- err
		}()
		for range 2 { // closing twice is harmless
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-closed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepting while it was closed: %v", err)
		}
	})
}
