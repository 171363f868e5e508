// Package file is the sink that appends records to a file in the run directory,
// one line each.
//
// A payload that is one line of JSON is written as it is. Anything else is
// wrapped as {"base64":"…"}, so that every line of the file is JSON. Write
// returns when the operating system has the bytes; Close syncs the file.
package file

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/kload/kload"
)

// Config configures the sink.
type Config struct {
	Name string `yaml:"name" help:"file name below the run's sink directory; the consumer's name with .jsonl if absent"`
}

// FileName returns the file to write for a consumer.
func (c *Config) FileName(consumer string) string {
	if c.Name != "" {
		return c.Name
	}
	return consumer + ".jsonl"
}

// Sink writes one file. It is safe for concurrent use.
type Sink struct {
	mu      sync.Mutex // guards what follows
	f       *os.File
	buf     []byte
	written uint64
}

// New creates the file in dir, which is created too. The file must not exist.
func New(dir, name string) (*Sink, error) {
	if filepath.Base(name) != name {
		return nil, fmt.Errorf("%w sink file name %q: it must name a file, not a path", kload.ErrInvalid, name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the sink directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the sink file: %w", err)
	}
	return &Sink{f: f}, nil
}

// Write appends the records.
func (s *Sink) Write(_ context.Context, _ *kload.Batch, users []kload.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = s.buf[:0]
	for i := range users {
		s.buf = appendLine(s.buf, users[i].Data)
	}
	if _, err := s.f.Write(s.buf); err != nil {
		return fmt.Errorf("writing to the sink file: %w", err)
	}
	s.written += uint64(len(users))
	return nil
}

func appendLine(dst, payload []byte) []byte {
	payload = bytes.TrimSuffix(payload, []byte("\n"))
	if bytes.IndexByte(payload, '\n') < 0 && json.Valid(payload) {
		return append(append(dst, payload...), '\n')
	}
	dst = append(dst, `{"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, "\"}\n"...)
}

// Written returns how many records were written.
func (s *Sink) Written() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// Close syncs and closes the file.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.f.Sync(), s.f.Close()); err != nil {
		return fmt.Errorf("closing the sink file: %w", err)
	}
	return nil
}
