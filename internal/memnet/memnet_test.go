package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload/internal/memnet"
)

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
