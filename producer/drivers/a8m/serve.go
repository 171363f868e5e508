package a8m

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	ossignal "os/signal"
	"runtime/metrics"
	"sync"
	"syscall"

	kp "github.com/a8m/kinesis-producer"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/producer"
)

// ChildVerb is the argument under which an executable that uses [New] must call
// [Child].
const ChildVerb = "__a8m"

// Child is the library's process: it follows the frames on stdin until they end
// or say so. What else asks a process to end is ignored: Ctrl-C, a terminal that is
// closed and a service manager reach the whole process group, and it is the parent
// who decides.
func Child(stdin io.Reader, stdout io.Writer) error {
	ossignal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return serve(context.Background(), stdin, stdout, pace.NewClock(), connect)
}

// sdkCounts returns how many data calls a client made, and the requests for them.
type sdkCounts func() (calls, attempts uint64)

// connect makes the client of the process.
func connect(ctx context.Context, s *settings) (API, sdkCounts, error) {
	c, err := awsclient.New(ctx, awsclient.Options{
		Region: s.Region, Profile: s.Profile, Endpoint: s.Endpoint, Local: s.Local, Connections: s.Connections,
	})
	if err != nil {
		return nil, nil, err
	}
	return c.Over(s.Wire), func() (uint64, uint64) { return c.Calls(), c.Attempts() }, nil
}

// server is the child's part: the library between the frames that come in and
// those that go out.
type server struct {
	out    *outbox
	putter *putter
	lib    *kp.Producer
	counts sdkCounts
	ended  chan struct{}
	once   sync.Once

	wake    chan struct{}
	mu      sync.Mutex // guards what follows
	queue   []expected // to be put, in order
	stopped bool       // no more come
	gone    bool       // nobody waits for what is queued
}

// connector makes a client.
type connector func(context.Context, *settings) (API, sdkCounts, error)

func serve(ctx context.Context, in io.Reader, out io.Writer, clock *pace.Clock, connect connector) error {
	r := bufio.NewReaderSize(in, 64<<10)
	s := &server{out: newOutbox(), ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	var writing sync.WaitGroup
	var writeErr error
	writing.Go(func() { writeErr = s.out.drain(out) })
	err := s.start(ctx, r, clock, connect)
	if err == nil {
		go s.feed()
		go s.obey(r)
		<-s.ended
	} else {
		s.out.addJSON(frameFailure, newFailure(err))
	}
	s.out.close()
	writing.Wait()
	return errors.Join(err, writeErr)
}

// start reads the settings and starts the library.
func (s *server) start(ctx context.Context, in io.Reader, clock *pace.Clock, connect connector) error {
	kind, body, err := readFrame(in)
	var set settings
	if err == nil && kind == frameSettings {
		err = json.Unmarshal(body, &set)
	}
	if err != nil || kind != frameSettings {
		return fmt.Errorf("reading the settings of the driver: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	api, counts, err := connect(ctx, &set)
	if err != nil {
		return err
	}
	s.counts = counts
	c := set.Config
	s.putter = newPutter(api, clock, set.Timeout, int(c.AggregateBatchSize), s.out)
	s.lib = kp.New(&kp.Config{
		StreamName: set.Stream, FlushInterval: c.FlushInterval, BatchCount: c.BatchCount, BatchSize: int(c.BatchSize),
		AggregateBatchCount: int(c.AggregateBatchCount), AggregateBatchSize: int(c.AggregateBatchSize), BacklogCount: c.BacklogCount,
		MaxConnections: set.Connections, Client: s.putter, Logger: silent{},
	})
	s.lib.Start()
	s.out.add(frameReady, nil)
	return nil
}

// silent keeps the library's log off stdout, where the frames are. What it tells
// of errors the putter knows.
type silent struct{}

func (silent) Info(string, ...kp.LogValue)         {}
func (silent) Error(string, error, ...kp.LogValue) {}

// obey follows the frames. When they end, so does everything.
func (s *server) obey(in io.Reader) {
	for {
		kind, body, err := readFrame(in)
		switch {
		case err != nil || kind == frameAbandon:
			s.abandon()
			if err != nil {
				return
			}
		case kind == frameRecords:
			s.add(body)
		case kind == frameStop:
			s.mu.Lock()
			s.stopped = true
			s.mu.Unlock()
			signal(s.wake)
		}
	}
}

// add queues the records of a frame.
func (s *server) add(body []byte) {
	var recs []expected
	for c := (cursor{rest: body}); len(c.rest) > 0; {
		key, data := c.nextRecord()
		recs = append(recs, expected{key: key, data: data})
	}
	s.putter.expect(recs)
	s.mu.Lock()
	s.queue = append(s.queue, recs...)
	s.mu.Unlock()
	signal(s.wake)
}

// feed puts queued records until it is stopped, and then stops the library.
func (s *server) feed() {
	for {
		s.mu.Lock()
		recs, stop, gone := s.queue, s.stopped, s.gone
		s.queue = nil
		s.mu.Unlock()
		if gone || len(recs) == 0 && stop {
			break
		}
		if len(recs) == 0 {
			<-s.wake
			continue
		}
		for i := range recs {
			if s.putter.abandoned.Load() {
				break
			}
			_ = s.lib.Put(recs[i].data, recs[i].key) // it was checked before; what is not sent will be missed
		}
	}
	s.lib.Stop() // it may crash here, or never return
	s.finish(codeLost)
}

// abandon ends the calls under way and says what became of every record.
func (s *server) abandon() {
	s.putter.abandon()
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	signal(s.wake)
	s.finish(codeClosed)
}

// finish decides what is open and says farewell.
func (s *server) finish(code string) {
	s.once.Do(func() {
		s.putter.rest(code)
		var bye farewell
		if s.counts != nil {
			bye.Usage = used()
			bye.Usage.SDKCalls, bye.Usage.SDKAttempts = s.counts()
		}
		s.out.addJSON(frameFarewell, bye)
		close(s.ended)
	})
}

// used returns what this process used, apart from its CPU, which its parent
// knows better.
func used() producer.Usage {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(samples)
	return producer.Usage{
		MaxRSSBytes:    uint64(proc.PeakMemory()),
		AllocatedBytes: samples[0].Value.Uint64(), GCSeconds: samples[1].Value.Float64(),
	}
}
