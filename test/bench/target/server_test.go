package target_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/kinesis"
)

// server is a process being measured.
type server struct {
	name     string
	endpoint string
	pid      int
	http     *http.Client
	answer   []byte // the last one; reused
}

// null says that the server has no state.
func (s *server) null() bool { return s.name == "null" }

// call makes a request from prepared bytes and returns the answer, valid until
// the next.
func (s *server) call(op string, cbor bool, entries int, body []byte) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, s.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	media := "application/x-amz-json-1.1"
	if cbor {
		media = awscbor.Media
	}
	req.Header = http.Header{
		"Content-Type": {media}, "X-Amz-Target": {"Kinesis_20131202." + op}, entriesHeader: {strconv.Itoa(entries)},
		"X-Amz-Date":    {time.Now().UTC().Format("20060102T150405Z")},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=any"},
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: calling %s: %w", s.name, op, err)
	}
	defer resp.Body.Close()
	if n := int(resp.ContentLength); n > cap(s.answer) {
		s.answer = make([]byte, n)
	}
	buf := bytes.NewBuffer(s.answer[:0])
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return nil, fmt.Errorf("%s: reading the answer to %s: %w", s.name, op, err)
	}
	s.answer = buf.Bytes()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s: %.300s", s.name, op, resp.Status, s.answer)
	}
	return s.answer, nil
}

func newServer(name, endpoint string, pid int) *server {
	return &server{name: name, endpoint: endpoint, pid: pid, http: &http.Client{Transport: &http.Transport{}}}
}

// startKload starts the embedded target, with a data directory if dir is not
// empty.
func startKload(t *testing.T, name, dir string) *server {
	t.Helper()
	p, err := local.Start(t.Context(), local.Config{Limits: kinesis.Limits{Off: true}, ResubscribeAfter: time.Nanosecond, Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return newServer(name, p.Endpoint(), p.PID())
}

func startNull(t *testing.T) *server {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = []string{exe, nullVerb}
	return newServer("null", launch(t, cmd), cmd.Process.Pid)
}

// launch starts a server that prints its endpoint or port and ends with its
// input.
func launch(t *testing.T, cmd *exec.Cmd) (endpoint string) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // how it ends does not matter
	})
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("reading the port of %s: %v", cmd, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	if line = strings.TrimSpace(line); !strings.Contains(line, "://") {
		line = "http://127.0.0.1:" + line
	}
	return line
}

// startPeer starts a server from npm, whose packages are locked in a folder of
// the interop tests. It returns nil, and says why, where that cannot be had.
func startPeer(t *testing.T, name string) *server {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "internal", "interop", name)
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is left out: install Node.js and npm to compare with it: %v", name, err)
			return nil
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			t.Logf("%s is left out: installing it: %v\n%s", name, err, out)
			return nil
		}
	}
	cmd := exec.Command("node", "serve.js")
	cmd.Dir = dir
	return newServer(name, launch(t, cmd), cmd.Process.Pid)
}
