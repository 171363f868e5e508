package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// job is a process in the background that a script sends signals to.
type job struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer // read once it has ended
	stderr watched
	ended  chan struct{}
	// children are the process ids of what it ran when it got its signal, by the
	// verbs they run under.
	children map[string]int
}

// jobs are those of one script.
type jobs struct {
	env    []string
	byName map[string]*job
	asked  chan struct{} // has a token once somebody connected to the deaf endpoint
}

type jobsKey struct{}

// patience is when a script gives up waiting: far beyond what anything takes.
const patience = 2 * time.Minute

// watched is output that somebody waits for.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // has a token after each write
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return w.text.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func find(ts *testscript.TestScript, name string) *job {
	j := ts.Value(jobsKey{}).(*jobs).byName[name]
	if j == nil {
		ts.Fatalf("%s was not started", name)
	}
	return j
}

// start runs kload in the background: start JOB ARGS...
func start(ts *testscript.TestScript, _ bool, args []string) {
	// testscript put a copy of this binary by that name into PATH.
	exe, err := exec.LookPath("kload")
	ts.Check(err)
	j := &job{cmd: exec.Command(exe, args[1:]...), ended: make(chan struct{})}
	j.stderr.more = make(chan struct{}, 1)
	j.cmd.Dir, j.cmd.Stdout, j.cmd.Stderr = ts.MkAbs("."), &j.stdout, &j.stderr
	all := ts.Value(jobsKey{}).(*jobs)
	j.cmd.Env = append(slices.Clone(all.env), "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret")
	ts.Check(j.cmd.Start())
	all.byName[args[0]] = j
	go func() {
		defer close(j.ended)
		_ = j.cmd.Wait() // ended looks at its state
	}()
	ts.Defer(func() {
		_ = j.cmd.Process.Kill() // it has normally ended
		<-j.ended
	})
}

// await waits for a text on a job's stderr: await JOB REGEXP
func await(ts *testscript.TestScript, _ bool, args []string) {
	j, want := find(ts, args[0]), regexp.MustCompile("(?m)"+args[1])
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for !want.MatchString(j.stderr.String()) {
		select {
		case <-j.stderr.more:
		case <-j.ended:
			if !want.MatchString(j.stderr.String()) {
				ts.Fatalf("%s ended (%v) without %q; it said:\n%s", args[0], j.cmd.ProcessState, args[1], j.stderr.String())
			}
		case <-tooLong.C:
			ts.Fatalf("%s has not said %q, but:\n%s", args[0], args[1], j.stderr.String())
		}
	}
}

// signalJob sends a signal to a job, or with a third argument to the embedded
// target that it runs as a child: signal JOB INT|TERM|KILL [VERB]
func signalJob(ts *testscript.TestScript, _ bool, args []string) {
	j := find(ts, args[0])
	sig := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}[args[1]]
	j.children = children(ts, j.cmd.Process.Pid)
	process := j.cmd.Process
	if len(args) > 2 {
		if j.children[args[2]] == 0 {
			ts.Fatalf("%s has no child %s", args[0], args[2])
		}
		var err error
		process, err = os.FindProcess(j.children[args[2]])
		ts.Check(err)
	}
	ts.Check(process.Signal(sig))
}

// children returns the children of a process by the verbs they run under.
func children(ts *testscript.TestScript, pid int) map[string]int {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	ts.Check(err)
	found := map[string]int{}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if os.IsNotExist(err) {
			continue // a thread that has ended
		}
		ts.Check(err)
		for child := range strings.FieldsSeq(string(text)) {
			line, err := os.ReadFile("/proc/" + child + "/cmdline")
			ts.Check(err)
			args := strings.Split(string(line), "\x00")
			if len(args) < 2 {
				ts.Fatalf("child %s of %d runs as %q", child, pid, line)
			}
			found[args[1]], err = strconv.Atoi(child)
			ts.Check(err)
		}
	}
	return found
}

// ended waits for a job and checks how it ended, an exit code or the name of a
// signal. What it printed is then in stdout and stderr: ended JOB CODE|SIGNAL
func ended(ts *testscript.TestScript, _ bool, args []string) {
	j := find(ts, args[0])
	select {
	case <-j.ended:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; it said:\n%s", args[0], j.stderr.String())
	}
	_, err := ts.Stdout().Write(j.stdout.Bytes())
	ts.Check(err)
	_, err = io.WriteString(ts.Stderr(), j.stderr.String())
	ts.Check(err)
	if got := j.cmd.ProcessState.String(); got != "exit status "+args[1] && got != "signal: "+args[1] {
		ts.Fatalf("%s ended with %s, want %s", args[0], got, args[1])
	}
}

// gone waits until a job's children have ended, too: gone JOB
func gone(ts *testscript.TestScript, _ bool, args []string) {
	j := find(ts, args[0])
	if len(j.children) == 0 {
		ts.Fatalf("%s had no children when it got its signal", args[0])
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for verb, pid := range j.children {
		for alive(pid) {
			select {
			case <-again.C:
			case <-tooLong.C:
				ts.Fatalf("%s of %s, process %d, is still running", verb, args[0], pid)
			}
		}
	}
}

// alive tells a running process from none, and from one that has ended but whose
// parent has not asked how.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, ok := strings.Cut(string(stat), ") ")
	return err == nil && ok && state[0] != 'Z' && state[0] != 'X'
}

// deaf opens an endpoint that takes connections and never answers: deaf VARIABLE
func deaf(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	all := ts.Value(jobsKey{}).(*jobs)
	all.asked = make(chan struct{}, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return // closed
		}
		all.asked <- struct{}{}
		_, _ = io.Copy(io.Discard, conn) // until the other side ends
		conn.Close()
	}()
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], "http://"+ln.Addr().String())
}

// asked waits until somebody has connected to the deaf endpoint: asked
func asked(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-ts.Value(jobsKey{}).(*jobs).asked:
	case <-time.After(patience):
		ts.Fatalf("nobody connected")
	}
}
