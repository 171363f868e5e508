package file_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/sinks/file"
	"github.com/kload/kload/consumers/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (kload.Sink, func() []string) {
		dir := t.TempDir()
		return create(t, dir), func() []string { return lines(t, filepath.Join(dir, "out.jsonl")) }
	})
}

func create(t *testing.T, dir string) *file.Sink {
	t.Helper()
	s, err := file.New(dir, "out.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines reads a file back. Every line must be JSON and end in a newline.
func lines(t *testing.T, path string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		whole, ended := strings.CutSuffix(line, "\n")
		if !ended || !json.Valid([]byte(whole)) {
			t.Errorf("line %q is not JSON on one line", line)
		}
		list = append(list, whole)
	}
	return list
}

func users(payloads ...string) (list []kload.Delivery) {
	for _, p := range payloads {
		list = append(list, kload.Delivery{Data: []byte(p)})
	}
	return list
}

func TestLines(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"object", `{"a":1}`, `{"a":1}`},
		{"spaces stay", ` { "a" : 1 } `, ` { "a" : 1 } `},
		{"a final newline", "{\"a\":1}\n", `{"a":1}`},
		{"carriage return and newline", "{\"a\":1}\r\n", "{\"a\":1}\r"},
		{"scalar", `12`, `12`},
		{"newline in white space", "{\"a\":\n1}", `{"base64":"eyJhIjoKMX0="}`},
		{"two objects", "{}\n{}", `{"base64":"e30Ke30="}`},
		{"two newlines", "{}\n\n", `{"base64":"e30KCg=="}`},
		{"text", `hello`, `{"base64":"aGVsbG8="}`},
		{"text with a final newline is kept whole", "hello\n", `{"base64":"aGVsbG8K"}`},
		{"binary", "\x00\xff", `{"base64":"AP8="}`},
		{"empty", "", `{"base64":""}`},
		{"half an object", `{"a":`, `{"base64":"eyJhIjo="}`},
	}
	dir := t.TempDir()
	s := create(t, dir)
	var want []string
	for _, tc := range tests {
		if err := s.Write(t.Context(), nil, users(tc.payload)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		want = append(want, tc.want)
	}
	if diff := cmp.Diff(want, lines(t, filepath.Join(dir, "out.jsonl"))); diff != "" {
		t.Errorf("not yet closed (-want +got):\n%s", diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFileName(t *testing.T) {
	for given, want := range map[string]string{"": "reader.jsonl", "trips.jsonl": "trips.jsonl"} {
		if got := (&file.Config{Name: given}).FileName("reader"); got != want {
			t.Errorf("%q gives %q, want %q", given, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/", "a/b", "../a", "/tmp/a", "a/", `a\b`} {
		dir := filepath.Join(t.TempDir(), "sink")
		_, err := file.New(dir, name)
		if _, hinted := errors.AsType[*kload.HintError](err); !errors.Is(err, kload.ErrInvalid) || !hinted {
			t.Errorf("%q: %v, want an invalid name and a hint", name, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: the directory was made: %v", name, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "sink")
	if err := create(t, dir).Close(); err != nil {
		t.Error(err)
	}
	if _, err := file.New(dir, "out.jsonl"); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "out.jsonl") {
		t.Errorf("a file that exists: %v", err)
	}
	if _, err := file.New(filepath.Join(dir, "out.jsonl"), "x"); err == nil || !strings.HasPrefix(err.Error(), "creating the sink directory: ") {
		t.Errorf("a file for a directory: %v", err)
	}
}
