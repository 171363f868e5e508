package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/memnet"
)

// besieged runs f against a server in virtual time, and then checks that it
// still serves and ends in good order.
func besieged(t *testing.T, cfg local.ServeConfig, f func(t *testing.T, dial func() net.Conn, s *local.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen()
		s, err := local.ListenOn(t.Context(), cfg, ln)
		if err != nil {
			t.Fatal(err)
		}
		stop := serving(t, s)
		f(t, func() net.Conn {
			conn, err := ln.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}, s)
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: s.Endpoint(), Dial: ln.Dial})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
			t.Fatalf("it no longer serves: %v", err)
		}
		c.Close()
		stop()
	})
}

// TestSlowloris trickles headers, and then a body, that never end.
func TestSlowloris(t *testing.T) {
	const line = "POST / HTTP/1.1\r\nHost: h\r\n"
	const call = line + "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\nContent-Length: 16000000\r\n\r\n{"
	tests := []struct {
		name, begin, more string
		limit             time.Duration
	}{
		{"nothing", "", "", 10 * time.Second},
		{"headers", line, "X-A: b\r\n", 10 * time.Second},
		{"body", call, " ", 5 * time.Minute},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			besieged(t, local.ServeConfig{}, func(t *testing.T, dial func() net.Conn, _ *local.Server) {
				conn := dial()
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					text := tc.begin
					for err := error(nil); err == nil && text != ""; text = tc.more {
						_, err = io.WriteString(conn, text)
						<-time.After(time.Second)
					}
				})
				_, _ = io.Copy(io.Discard, conn) // what it answers, until the connection ends
				if took := time.Since(start); took < tc.limit || took > tc.limit+2*time.Second {
					t.Errorf("given up after %v, want %v", took, tc.limit)
				}
				conn.Close()
				sending.Wait()
			})
		})
	}
}

// TestMalformedRequests sends what is no request, or too much of one.
func TestMalformedRequests(t *testing.T) {
	const call = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\n"
	tests := []struct {
		name, request string
		status        int
	}{
		{"garbage", "\x00\x01\x02\r\n\r\n", 400},
		{"no version", "POST /\r\n\r\n", 400},
		{"other version", "POST / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
		{"no host", "POST / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"header without colon", "POST / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 400},
		{"long header", "POST / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 431},
		{"many headers", "POST / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 20<<10) + "\r\n", 431},
		{"long path", "POST /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", 431},
		{"negative length", call + "Content-Length: -1\r\n\r\n", 400},
		{"two lengths", call + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400},
		{"bad chunk", call + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"other coding", call + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"huge body announced", call + "Content-Length: 99999999999\r\n\r\n", 413},
		{"huge body in chunks", call + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("400000\r\n"+strings.Repeat(" ", 4<<20)+"\r\n", 5), 413},
		{"no body", call + "Content-Length: 0\r\n\r\n", 400},
		{"not JSON", call + "Content-Length: 4\r\n\r\n\xff\xfe\x00{", 400},
		{"deep JSON", call + "Content-Length: 100000\r\n\r\n" + strings.Repeat("[", 100000), 400},
		{"HTTP/2 preface and garbage", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff", 64), 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			besieged(t, local.ServeConfig{}, func(t *testing.T, dial func() net.Conn, _ *local.Server) {
				conn := dial()
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() { _, _ = io.WriteString(conn, tc.request) }) // it may be refused half way
				status, text, err := answer(conn)
				switch {
				case tc.status == 0 && err == nil && status < 300:
					t.Errorf("answered %d", status)
				case tc.status != 0 && (err != nil || status != tc.status):
					t.Errorf("answered %d %s, %v, want %d", status, text, err, tc.status)
				}
				if took := time.Since(start); took > 10*time.Second { // for a connection that may speak HTTP/2
					t.Errorf("answered after %v", took)
				}
				conn.Close()
				sending.Wait()
			})
		})
	}
}

// TestIdleConnections opens 10,000 connections and leaves them alone; every
// tenth has made a call.
func TestIdleConnections(t *testing.T) {
	const clients, limit = 10000, 1000
	before := heap()
	besieged(t, local.ServeConfig{MaxConnections: limit}, func(t *testing.T, dial func() net.Conn, s *local.Server) {
		var conns []net.Conn
		for i := range clients {
			conn := dial()
			conns = append(conns, conn)
			if i%10 == 0 {
				health(t, conn)
			}
		}
		synctest.Wait()
		if n := local.OpenConnections(s); n != limit {
			t.Errorf("%d connections are open, want %d", n, limit)
		}
		if grown := heap() - before; grown > 64<<20 {
			t.Errorf("they take %d MiB", grown>>20)
		}
		closed := 0
		for _, conn := range conns {
			if _, err := conn.Write(nil); err != nil { // the other side closed it
				closed++
			}
		}
		if closed != clients-limit {
			t.Errorf("%d were closed, want %d", closed, clients-limit)
		}
		health(t, conns[clients-1]) // the youngest is still good
		<-time.After(3 * time.Minute)
		if n := local.OpenConnections(s); n != 0 {
			t.Errorf("%d connections are still open", n)
		}
		for _, conn := range conns {
			conn.Close()
		}
	})
}

// TestBusyConnectionsStay has more calls under way than the limit: none of them
// is sacrificed.
func TestBusyConnectionsStay(t *testing.T) {
	const limit = 10
	besieged(t, local.ServeConfig{MaxConnections: limit}, func(t *testing.T, dial func() net.Conn, _ *local.Server) {
		body := `{"StreamName":"none"}`
		var conns []net.Conn
		for range limit {
			conn := dial()
			conns = append(conns, conn)
			if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\n"+
				"X-Amz-Target: Kinesis_20131202.DeleteStream\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		late := dial()
		if _, err := late.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("one too many: %v", err)
		}
		for _, conn := range conns {
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = io.WriteString(conn, body) })
			if _, text, err := answer(conn); err != nil || !strings.Contains(text, "ResourceNotFoundException") {
				t.Errorf("%s, %v", text, err)
			}
			sending.Wait()
			conn.Close()
		}
	})
}

func health(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, text, err := answer(conn); text != "ok\n" {
		t.Fatalf("%q, %v", text, err)
	}
}

// answer reads one answer.
func answer(conn net.Conn) (status int, body string, err error) {
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return got.StatusCode, string(text), err
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestConnectionsAreCounted covers HTTP/2, too, whose connections the server
// handles in another way.
func TestConnectionsAreCounted(t *testing.T) {
	besieged(t, local.ServeConfig{}, func(t *testing.T, dial func() net.Conn, s *local.Server) {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols, DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil }}
		status, _, _ := get(t, &http.Client{Transport: transport}, "http://localhost/healthz")
		if n := local.OpenConnections(s); status != http.StatusOK || n != 1 {
			t.Errorf("status %d, %d connections", status, n)
		}
		transport.CloseIdleConnections()
		synctest.Wait()
		if n := local.OpenConnections(s); n != 0 {
			t.Errorf("%d connections after the last one closed", n)
		}
	})
}
