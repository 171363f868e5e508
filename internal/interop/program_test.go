//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	running = 240 * time.Second // bounds one foreign program
	secret  = "a secret"        // that requests are signed with
)

// program is a foreign program in a process group of its own, which ends with the
// test at the latest. It is used from the test's goroutine.
type program struct {
	*testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *json.Decoder
	stderr bytes.Buffer
	end    sync.Once
	err    error
}

func newProgram(t *testing.T, name string, args ...string) *program {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), running) // cleanups end it in good order
	t.Cleanup(cancel)
	p := &program{T: t, cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = p.kill
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.Stderr = &p.stderr
	p.cmd.Env = os.Environ()
	p.env("AWS_ACCESS_KEY_ID", "interop")
	p.env("AWS_SECRET_ACCESS_KEY", secret)
	p.env("AWS_EC2_METADATA_DISABLED", "true")
	p.env("AWS_CONFIG_FILE", os.DevNull)
	p.env("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	return p
}

func (p *program) env(name, value string) { p.cmd.Env = append(p.cmd.Env, name+"="+value) }

func (p *program) start() *program {
	p.Helper()
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		p.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	p.stdout = json.NewDecoder(stdout)
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = p.finish() })
	return p
}

// tell gives the program a line of JSON.
func (p *program) tell(v any) {
	p.Helper()
	if err := json.NewEncoder(p.stdin).Encode(v); err != nil {
		p.failed("telling", err)
	}
}

// read decodes the next thing the program printed.
func (p *program) read(v any) {
	p.Helper()
	if err := p.stdout.Decode(v); err != nil {
		p.failed("listening to", err)
	}
}

func (p *program) failed(doing string, err error) {
	p.Helper()
	_ = p.kill()
	p.Fatalf("%s %s: %v; it ended with %v and said:\n%s", doing, p.cmd, err, p.finish(), p.said())
}

// done ends the input of a program that has printed everything and waits for its
// end, which must be a good one.
func (p *program) done() {
	p.Helper()
	p.stdin.Close()
	var more json.RawMessage
	if err := p.stdout.Decode(&more); !errors.Is(err, io.EOF) {
		p.Errorf("%s printed more than expected: %s, %v", p.cmd, more, err)
	}
	if err := p.finish(); err != nil {
		p.Fatalf("running %s: %v\n%s", p.cmd, err, p.said())
	}
}

// finish ends the program's input, waits for it, and ends what it left behind.
func (p *program) finish() error {
	p.end.Do(func() {
		p.stdin.Close()
		p.err = p.cmd.Wait()
		_ = p.kill() // its children, if any are left
	})
	return p.err
}

func (p *program) kill() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// said returns the end of what the program wrote to its standard error. It must
// have ended.
func (p *program) said() string {
	text := strings.TrimSpace(p.stderr.String())
	return text[max(0, len(text)-8<<10):]
}

// reportOf runs a program that prints one thing and ends.
func reportOf[T any](p *program) (v T) {
	p.Helper()
	p.start().read(&v)
	p.done()
	return v
}
