package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kload/kload/internal/local/kinesis"
)

// serves starts an embedded target until the script ends, one that does not refuse
// GET if it is lenient: serves VARIABLE [lenient]
func serves(ts *testscript.TestScript, _ bool, args []string) {
	s, err := kinesis.New(kinesis.Config{})
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(args) == 1 || r.Method != http.MethodGet {
			s.ServeHTTP(w, r)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// streams waits until an endpoint has streams, or has none: [!] streams ENDPOINT
func streams(ts *testscript.TestScript, neg bool, args []string) {
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if strings.Contains(listStreams(ts, args[0]), `"StreamNames":[]`) == neg {
			return
		}
		select {
		case <-again.C:
		case <-tooLong.C:
			ts.Fatalf("the endpoint has %s", listStreams(ts, args[0]))
		}
	}
}

func listStreams(ts *testscript.TestScript, endpoint string) string {
	req, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader("{}"))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Kinesis_20131202.ListStreams")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return string(text)
}
