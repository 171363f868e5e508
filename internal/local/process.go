package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/kload/kload"
)

// Process is a target in a process of its own.
type Process struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	stderr   *tail
	endpoint string
	pid      int
	done     chan struct{}
	turn     chan uint64 // holds the number of the last order while none is under way
	replies  chan reply

	// Written before done is closed.
	report Report
	err    error

	stop sync.Once
}

// Start runs the target as a child of this process and returns when it serves,
// or with an error when ctx ends first. The child ends when this process does.
// It inherits the environment, GOMAXPROCS included.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the executable to run the embedded target: %w", err)
	}
	p := &Process{stderr: &tail{limit: 4 << 10}, done: make(chan struct{}), turn: make(chan uint64, 1), replies: make(chan reply, 1)}
	p.turn <- 0
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), exe) // it ends when its input does
	p.cmd.Args = []string{os.Args[0], ChildVerb}
	p.cmd.Stderr = p.stderr
	stdout, err := p.launch()
	if err != nil {
		return nil, fmt.Errorf("starting the embedded target: %w", err)
	}
	greeted := make(chan error, 1)
	go p.follow(bufio.NewReader(stdout), greeted)
	if err = writeLine(p.stdin, cfg); err == nil {
		select {
		case err = <-greeted:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		p.kill()
		return nil, kload.WithHint(fmt.Errorf("starting the embedded target: %w%s", err, p.stderr.quote()),
			"the target is this executable run as a child: check that it may be executed and may listen on 127.0.0.1")
	}
	return p, nil
}

func (p *Process) launch() (io.Reader, error) {
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return stdout, p.cmd.Start()
}

// follow reads the child's lines and waits for its end.
func (p *Process) follow(stdout *bufio.Reader, greeted chan<- error) {
	defer close(p.done)
	var h hello
	err := readLine(stdout, &h)
	p.endpoint, p.pid = h.Endpoint, h.PID
	greeted <- err // buffered: Start may have given up
	last, lastErr := p.listen(stdout)
	_, _ = io.Copy(io.Discard, stdout) // Wait tells how it ended
	waitErr := p.cmd.Wait()
	p.report = Report{Stats: last.Stats, MaxRSSBytes: last.MaxRSSBytes, Complete: lastErr == nil && waitErr == nil}
	if state := p.cmd.ProcessState; state != nil {
		p.report.CPUSeconds = (state.UserTime() + state.SystemTime()).Seconds()
		if p.report.MaxRSSBytes == 0 {
			p.report.MaxRSSBytes = maxRSS(state)
		}
	}
	if !p.report.Complete {
		p.err = fmt.Errorf("embedded target ended early: %w%s", errors.Join(waitErr, lastErr), p.stderr.quote())
	}
}

// listen passes replies on until the child says its last word.
func (p *Process) listen(stdout *bufio.Reader) (farewell, error) {
	for {
		var w word
		if err := readLine(stdout, &w); err != nil {
			return farewell{}, err
		}
		switch {
		case w.Farewell != nil:
			return *w.Farewell, nil
		case w.Reply != nil:
			select { // it replaces one that nobody waits for
			case <-p.replies:
			default:
			}
			p.replies <- *w.Reply
		}
	}
}

func readLine(r *bufio.Reader, v any) error {
	line, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("reading from the target's process: %w", err)
	}
	return nil
}

func (p *Process) kill() {
	p.stdin.Close()
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// Endpoint returns the URL of the target.
func (p *Process) Endpoint() string { return p.endpoint }

// PID returns the child's process id.
func (p *Process) PID() int { return p.pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop lets the child end and waits for its report; when ctx ends first, the
// child is killed and the report is incomplete. The error says why a target that
// ended too early did so.
func (p *Process) Stop(ctx context.Context) (Report, error) {
	p.stop.Do(func() {
		p.stdin.Close()
		select {
		case <-p.done:
		case <-ctx.Done():
			p.kill()
			if p.err == nil {
				return // it ended just then
			}
			p.err = fmt.Errorf("stopping the embedded target: it was killed, since it had not ended in time: %w", p.err)
		}
	})
	<-p.done
	return p.report, p.err
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	text  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// quote returns the text as an addition to an error message.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.text)); text != "" {
		return "; it said: " + text
	}
	return ""
}
