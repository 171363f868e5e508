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
	"strings"
	"sync"

	"github.com/kload/kload"
)

// Config configures the sink.
type Config struct {
	Name string `yaml:"name" help:"file name below the run's sink directory; if absent the consumer's name, that of the sink behind it where there are several, and .jsonl"`
}

// FileName returns the file to write for the owner of the sink.
func (c *Config) FileName(owner string) string {
	if c.Name != "" {
		return c.Name
	}
	return owner + ".jsonl"
}

// Sink writes one file. It is safe for concurrent use.
type Sink struct {
	mu      sync.Mutex // guards what follows
	f       *os.File
	buf     []byte
	size    int64 // bytes of whole lines
	written uint64
}

// New creates the file in dir, which is created too. The file must not exist.
func New(dir, name string) (*Sink, error) {
	if name == "." || strings.ContainsAny(name, `/\`) || !filepath.IsLocal(name) {
		return nil, kload.WithHint(fmt.Errorf("%w sink file name %q: it must name a file, not a path", kload.ErrInvalid, name),
			"sink files are written below the run directory, which --out chooses")
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
		// Half a line would spoil the file.
		return failed("writing to", errors.Join(err, s.f.Truncate(s.size)))
	}
	s.size += int64(len(s.buf))
	s.written += uint64(len(users))
	return nil
}

// failed words an error of the file, which names it.
func failed(doing string, err error) error {
	err = fmt.Errorf("%s the sink file: %w", doing, err)
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("%w: %w", kload.ErrClosed, err)
	}
	return kload.WithHint(err, "make room on that disk, choose a run directory on another one with --out, or use sink: {discard: {}}")
}

func appendLine(dst, payload []byte) []byte {
	line := bytes.TrimSuffix(payload, []byte("\n"))
	if bytes.IndexByte(line, '\n') < 0 && json.Valid(line) {
		return append(append(dst, line...), '\n')
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
		return failed("closing", err)
	}
	return nil
}
