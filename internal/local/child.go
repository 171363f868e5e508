package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/proc"
)

// ChildVerb is the argument under which an executable that uses [Start] must
// call [Child].
const ChildVerb = "__target"

// hello is the child's first line.
type hello struct {
	Endpoint string `json:"endpoint"`
	PID      int    `json:"pid"`
}

// word is any later line of the child's.
type word struct {
	Reply    *reply    `json:"reply,omitempty"`
	Farewell *farewell `json:"farewell,omitempty"`
}

// farewell is what the child says last.
type farewell struct {
	Stats       kinesis.Stats `json:"stats"`
	MaxRSSBytes int64         `json:"max_rss_bytes"` // 0 where unknown
}

// drain is how long the child lets calls under way finish.
const drain = 5 * time.Second

// Child is the target's process: it serves on a free port of the loopback
// interface until stdin ends. What else asks a process to end is ignored: Ctrl-C, a
// terminal that is closed and a service manager reach the whole process group, and
// it is the parent who decides.
func Child(stdin io.Reader, stdout io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	in := bufio.NewReader(stdin)
	var cfg Config
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &cfg)
	}
	if err != nil {
		return fmt.Errorf("reading the target's configuration: %w", err)
	}
	svc, err := newService(cfg, nil)
	if err != nil {
		return err
	}
	if torn := svc.kinesis.Recovered().TornTail; torn > 0 {
		fmt.Fprintf(os.Stderr, "kload: %s ended in an interrupted write of %d bytes, which nobody was told of: truncated\n", cfg.Data, torn)
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the embedded target: %w", err)
	}
	if err := writeLine(stdout, hello{"http://" + ln.Addr().String(), os.Getpid()}); err != nil {
		return err
	}
	return svc.serveUntil(in, ln, stdout)
}

func (s *service) serveUntil(in *bufio.Reader, ln net.Listener, stdout io.Writer) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(ln) }()
	ended := make(chan error, 1)
	go func() { ended <- obey(in, stdout, s.kinesis) }()
	var orders error
	select {
	case err := <-failed:
		return fmt.Errorf("serving the embedded target: %w", err)
	case orders = <-ended:
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := errors.Join(orders, s.shutdown(ctx))
	if serveErr := <-failed; err == nil && !errors.Is(serveErr, http.ErrServerClosed) {
		err = serveErr
	}
	if err != nil {
		return err
	}
	return writeLine(stdout, word{Farewell: &farewell{s.kinesis.Stats(), proc.PeakMemory()}})
}

func writeLine(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("reporting to the parent process: %w", err)
	}
	return nil
}
