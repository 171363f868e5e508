package a8m

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/kload/kload/producer"
)

// link is a running child: a process, or goroutines of this one.
type link struct {
	in   io.WriteCloser // frames to it; closing it ends it
	out  io.Reader      // frames from it, until it has ended
	kill func()
	// wait is called when out has ended. It returns what a process used, and what
	// it said of its end, if that was a panic.
	wait func() (producer.Usage, string)
}

func launch(ctx context.Context, o *Options) (*link, error) {
	if o.API != nil {
		return goroutines(context.WithoutCancel(ctx), o), nil
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the executable: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe) // it ends when its input does
	cmd.Args = []string{os.Args[0], ChildVerb}
	said := new(lastPanic)
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &link{
		in: in, out: out,
		kill: func() { _ = cmd.Process.Kill() }, // it may have ended
		wait: func() (producer.Usage, string) {
			_, _ = io.Copy(io.Discard, out)
			err := cmd.Wait()
			var u producer.Usage
			if s := cmd.ProcessState; s != nil {
				u.CPUSeconds = (s.UserTime() + s.SystemTime()).Seconds()
			}
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return u, said.reason(exit.String())
			}
			return u, said.reason("")
		},
	}, nil
}

// goroutines runs the child's part in this process.
func goroutines(ctx context.Context, o *Options) *link {
	childIn, in := io.Pipe()
	out, childOut := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(ctx, childIn, childOut, o.Clock, func(context.Context, *settings) (API, sdkCounts, error) { return o.API, nil, nil })
		ended <- err
		_ = childOut.CloseWithError(io.EOF) // it never fails
	}()
	return &link{
		in: in, out: out,
		kill: func() {
			_ = childIn.CloseWithError(io.EOF) // as above
			_ = childOut.CloseWithError(io.EOF)
		},
		wait: func() (producer.Usage, string) {
			if err := <-ended; err != nil {
				return producer.Usage{}, err.Error()
			}
			return producer.Usage{}, ""
		},
	}
}

// lastPanic keeps the beginning of what a process says from its panic on.
type lastPanic struct {
	mu   sync.Mutex
	text []byte
}

// mostSaid is enough for a panic and its first stack.
const mostSaid = 16 << 10

func (p *lastPanic) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, b...)
	if at := bytes.Index(p.text, []byte("panic: ")); at > 0 {
		p.text = append(p.text[:0], p.text[at:]...)
	}
	p.text = p.text[:min(len(p.text), mostSaid)]
	return len(b), nil
}

// reason says in one line why the process ended: its panic and the place in the
// library; else what is given.
func (p *lastPanic) reason(other string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	said, isPanic := strings.CutPrefix(string(p.text), "panic: ")
	if !isPanic {
		first, _, _ := strings.Cut(strings.TrimSpace(string(p.text)), "\n")
		return strings.Trim(other+": "+first, ": ")
	}
	why, stack, _ := strings.Cut(said, "\n")
	for line := range strings.Lines(stack) {
		if _, place, ok := strings.Cut(line, "/kinesis-producer@"); ok {
			_, place, _ = strings.Cut(place, "/")
			place, _, _ = strings.Cut(place, " ")
			return "panic: " + why + " at " + strings.TrimSpace(place)
		}
	}
	return "panic: " + why
}
