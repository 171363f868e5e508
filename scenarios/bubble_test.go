package scenarios_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// network is a memory network that counts the calls made over it, by API
// operation, and can lose their answers. Make it inside the bubble.
type network struct {
	*memnet.Listener
	lose  func(op string, n int) bool     // lose the answer to the nth call of op, from 1?
	ready func(ctx context.Context) error // called once, before the first connection of the run

	once sync.Once
	mu   sync.Mutex
	ops  map[string]int
}

func newNetwork() *network { return &network{Listener: memnet.Listen(), ops: map[string]int{}} }

// Dial connects through a connection that is watched.
func (n *network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var err error
	n.once.Do(func() {
		if n.ready != nil {
			err = n.ready(ctx)
		}
	})
	if err != nil {
		return nil, err
	}
	c, err := n.Listener.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &watched{Conn: c, network: n}, nil
}

// calls returns how often an operation was called.
func (n *network) calls(op string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ops[op]
}

// called counts a call and says whether its answer is to be lost.
func (n *network) called(op string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ops[op]++
	return n.lose != nil && n.lose(op, n.ops[op])
}

// client returns a client of the target that nobody watches. The caller closes
// it.
func (n *network) client(ctx context.Context) (*awsclient.Client, error) {
	return awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: "http://" + n.Addr().String(), Dial: n.Listener.Dial})
}

// watched is a connection that breaks after a call whose answer is to be lost:
// when the target has carried it out.
type watched struct {
	net.Conn
	network *network
	broken  atomic.Bool
}

func (w *watched) Write(b []byte) (int, error) {
	const target = "X-Amz-Target: Kinesis_20131202."
	if _, rest, ok := bytes.Cut(b, []byte(target)); ok {
		op, _, _ := bytes.Cut(rest, []byte("\r\n"))
		w.broken.Store(w.network.called(string(op)))
	}
	return w.Conn.Write(b)
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.broken.Load() && n > 0 {
		w.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// outcome is what a run left behind.
type outcome struct {
	*results.Summary
	err error
	dir string
	net *network
}

// run carries out a scenario on a network of its own unless o has one. It
// belongs into a bubble. Of whatever ran the books must balance, and the SDK
// must not have sent more than one request per call.
func run(ctx context.Context, t *testing.T, src string, o scenarios.RunOptions, sets ...string) outcome {
	t.Helper()
	s, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	out := outcome{}
	if o.Memory == nil {
		o.Memory = newNetwork()
	}
	out.net, _ = o.Memory.(*network)
	if o.Out == "" {
		o.Out = filepath.Join(t.TempDir(), "run")
	}
	out.dir = o.Out
	out.Summary, out.err = scenarios.Run(ctx, s, o)
	if out.Summary == nil {
		return out
	}
	if len(out.Broken) > 0 || len(out.Incomplete) > 0 && out.err == nil {
		t.Errorf("broken books %q, unwritten results %q", out.Broken, out.Incomplete)
	}
	for name, l := range out.Load {
		if l.Scheduled != l.Sent+l.Shed+l.Unsent || l.Sent != l.Acked+l.Rejected+l.Unknown {
			t.Errorf("the books of %s do not balance: %+v", name, l)
		}
	}
	calls, attempts := out.Process.Kload.SDKCalls, out.Process.Kload.SDKAttempts
	// A call that is cancelled may send nothing, as may the last one on each shard.
	last := uint64(len(out.Consumers) * s.Spec.Stream.Shards)
	if calls == 0 || attempts > calls || attempts+last < calls && out.Verdict == results.Pass {
		t.Errorf("the SDK sent %d requests for %d calls", attempts, calls)
	}
	return out
}

// judged checks verdict and exit code.
func (o *outcome) judged(t *testing.T, v results.Verdict, exit int) {
	t.Helper()
	if o.Summary == nil {
		t.Fatalf("nothing was run: %v", o.err)
	}
	if o.Verdict != v || o.ExitCode != exit {
		t.Errorf("verdict %s, exit code %d, want %s, %d; %q (%v)", o.Verdict, o.ExitCode, v, exit, o.Reasons, o.err)
	}
}

// ledger is what the books of a run with one consumer say about it.
type ledger struct {
	Acked, Rejected, Unknown, Unsent                             uint64
	ReadUnique, Lost, Duplicates, Redelivered, Reordered, Others uint64
	OK, Sunk                                                     uint64
}

// ledger returns the sums over all loads and the figures of one consumer.
func (o *outcome) ledger(consumer string) ledger {
	var l ledger
	for _, c := range o.Load {
		l.Acked += c.Acked
		l.Rejected += c.Rejected
		l.Unknown += c.Unknown
		l.Unsent += c.Unsent
	}
	c := o.Consumers[consumer]
	l.ReadUnique, l.Lost, l.Duplicates, l.Redelivered, l.Reordered = c.ReadUnique, c.Lost, c.Duplicates, c.Redelivered, c.Reordered
	l.Others = c.Misrouted + c.Corrupt + c.Phantom + c.Filtered + c.DeadLettered
	l.OK, l.Sunk = c.OK, c.Sunk
	return l
}

// all is the ledger of n records that all arrived, once.
func all(n uint64) ledger { return ledger{Acked: n, ReadUnique: n, OK: n, Sunk: n} }
