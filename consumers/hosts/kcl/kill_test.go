//go:build unix

package kcl_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/checkpoints/file"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/local"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
)

// memberVerb makes this binary a member that shares a stream with others until its
// standard input closes, and prints what it begins to read and what it processed.
const memberVerb = "member"

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == memberVerb {
		if err := member(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func member(endpoint, dir, name string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	client, err := awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: endpoint})
	if err != nil {
		return err
	}
	store, err := file.Open(ctx, file.Config{Dir: dir})
	if err != nil {
		return err
	}
	clock := pace.NewClock()
	host := kcl.New(kcl.Options{
		Store: store, Inner: reporter{}, Clock: clock, Name: name,
		Config: kcl.Config{Members: 1, Lease: time.Second, Handoff: 3 * time.Second, CheckpointEvery: 100 * time.Millisecond, CheckpointRecords: 10},
	})
	c := consumers.New(consumers.Options{
		Name: name, Host: host, Clock: clock, PlainByKey: true,
		Opener: opener{polling.New(polling.Options{
			API: client.Over(awsclient.CBOR), Stream: stream, Clock: clock,
			Config: polling.Config{Every: polling.Interval(20 * time.Millisecond), Limit: 50, Start: "trim_horizon"},
		})},
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(trace.Prefix), Ledger: ledger.New(run).AddConsumer(name), Run: run,
			Hops: hdr.NewSet(name, kload.HopFetch, kload.HopE2ERead), Arrived: func(*kload.Batch) {},
		},
	})
	if err := c.Run(ctx, func() {}); err != nil {
		return err
	}
	return host.Close(ctx)
}

// opener prints what is opened.
type opener struct{ kload.Opener }

func (o opener) Open(ctx context.Context, partition string, from kload.Position) (kload.Reader, error) {
	r, err := o.Opener.Open(ctx, partition, from)
	fmt.Fprintf(os.Stdout, "%d open %s\n", time.Now().UnixNano(), partition)
	return r, err
}

// reporter prints what it processes. It takes its time, so that its process is killed
// amid batches too: what it has not come to is not processed.
type reporter struct{}

func (reporter) Process(_ context.Context, b *kload.Batch) error {
	for i := range b.Users {
		<-time.After(2 * time.Millisecond)
		u := &b.Users[i]
		text := fmt.Sprintf("%d read %s %s %s %d\n", time.Now().UnixNano(), b.Partition, b.Records[u.Stream].Sequence, u.Key, u.Seq)
		if _, err := os.Stdout.WriteString(text); err != nil {
			return err
		}
	}
	return nil
}

func (reporter) Close(context.Context) error { return nil }

// event is a line that a member printed whole.
type event struct {
	at                         int64
	what, shard, sequence, key string
	seq                        uint64
}

// parse reads a line; what was cut off by the end of its process is none.
func parse(line string) (e event, ok bool) {
	n, _ := fmt.Sscanf(line, "%d %s %s %s %s %d", &e.at, &e.what, &e.shard, &e.sequence, &e.key, &e.seq)
	return e, e.what == "read" && n == 6 || e.what == "open" && n == 3
}

// killing is the stream and the processes that share it.
type killing struct {
	*testing.T
	endpoint, dir string
	started       int

	mu     sync.Mutex
	sent   uint64
	events []event
	seen   map[uint64]bool
}

// worker is a process.
type worker struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{} // when all it printed was read
	read  chan struct{} // it has just processed a record
}

func (k *killing) start() *worker {
	k.started++
	cmd := exec.CommandContext(k.Context(), os.Args[0], memberVerb, k.endpoint, k.dir, fmt.Sprint("w", k.started))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}
	w := &worker{cmd, stdin, make(chan struct{}), make(chan struct{}, 1)}
	go func() {
		defer close(w.done)
		in := bufio.NewReader(out)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return // without the end of a line it was not printed whole
			}
			k.book(line)
			select {
			case w.read <- struct{}{}:
			default:
			}
		}
	}()
	return w
}

// amidBatch waits until the process has just processed a record, of a batch that
// mostly has more; not for long, as it may have no shard.
func (w *worker) amidBatch() {
	select {
	case <-w.read: // some time ago
	default:
	}
	select {
	case <-w.read:
	case <-time.After(300 * time.Millisecond):
	}
}

func (k *killing) book(line string) {
	e, ok := parse(line)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !ok {
		k.Errorf("a member printed %q", line)
		return
	}
	k.events = append(k.events, e)
	if e.what == "read" {
		k.seen[e.seq] = true
	}
}

func (w *worker) kill(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-w.done
	if err := w.cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended by itself: %v", err)
	}
}

func (w *worker) end(t *testing.T) {
	t.Helper()
	w.stdin.Close()
	<-w.done
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// write puts records of one key, one after the other.
func (k *killing) write(over <-chan struct{}, client *awsclient.Client, key string) {
	for {
		k.mu.Lock()
		seq := k.sent
		k.sent++
		k.mu.Unlock()
		data, err := trace.Prefix.AppendStamped(nil, []byte("payload"), trace.Stamp{Run: run, Producer: 1, Seq: seq})
		if err == nil {
			_, err = client.Data.PutRecord(k.Context(), &sdk.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(key), Data: data})
		}
		if err != nil {
			k.Errorf("putting record %d: %v", seq, err)
			return
		}
		select {
		case <-over:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// complete says whether every record has been processed.
func (k *killing) complete() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return uint64(len(k.seen)) == k.sent
}

// TestKill has three processes share a stream and their leases in a directory.
// Twenty times one of them is killed in the middle of whatever it does, each second
// time of a batch: nothing is lost, the order of each key holds, and what comes again lies behind the
// checkpoint from which another process went on.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := local.StartShared(local.Config{Limits: localkinesis.Limits{Off: true}, StoreBytes: 64 << 20}, ln)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := target.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	client, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: target.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Control.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(4)}); err != nil {
		t.Fatal(err)
	}
	k := &killing{T: t, endpoint: target.Endpoint(), dir: t.TempDir(), seen: map[uint64]bool{}}
	k.haunt(client)
	k.verify()
}

// haunt runs the processes and kills them.
func (k *killing) haunt(client *awsclient.Client) {
	over := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() { k.write(over, client, fmt.Sprint("key-", i)) })
	}
	workers := []*worker{k.start(), k.start(), k.start()}
	for n := range 20 {
		<-time.After(time.Duration(rand.IntN(900)) * time.Millisecond)
		i := rand.IntN(len(workers))
		if n%2 == 0 {
			workers[i].amidBatch()
		}
		workers[i].kill(k.T)
		workers[i] = k.start()
	}
	close(over)
	writers.Wait()
	waiting, giveUp := context.WithTimeout(k.Context(), time.Minute)
	defer giveUp()
	for !k.complete() && waiting.Err() == nil && !k.Failed() {
		<-time.After(20 * time.Millisecond)
	}
	for _, w := range workers {
		w.end(k.T)
	}
}

// verify shows what the processes did, in the order of its times, to a ledger.
func (k *killing) verify() {
	books := ledger.New(run)
	load, consumer := books.AddLoad("load", ledger.LoadOptions{Ordered: true, ByKey: true}), books.AddConsumer("c")
	load.Sent(k.sent)
	receipts := make([]kload.Receipt, k.sent)
	for i := range receipts {
		receipts[i] = kload.Receipt{Producer: 1, Seq: uint64(i)}
	}
	load.Outcomes([]kload.Outcome{{Status: kload.Acked, Attempts: 1, Records: receipts}})
	slices.SortStableFunc(k.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, e := range k.events {
		if e.what == "open" {
			consumer.Restarted(e.shard)
			continue
		}
		consumer.Sight(&kload.Batch{
			Partition: e.shard, Records: []kload.StreamRecord{{Sequence: e.sequence}},
			Users: []kload.Delivery{{Key: []byte(e.key), Traced: true, Producer: 1, Seq: e.seq}},
		}, nil)
	}
	r := books.Count().Consumers[0]
	if r.Lost+r.Duplicates+r.Reordered > 0 || r.ReadUnique != k.sent {
		k.Errorf("of %d records %d were lost, %d doubled, %d out of order; %d redelivered", k.sent, r.Lost, r.Duplicates, r.Reordered, r.Redelivered)
	}
	if r.Redelivered == 0 || k.sent < 1000 {
		k.Errorf("%d records, %d redelivered: nothing happened", k.sent, r.Redelivered)
	}
	k.Logf("%d records, %d redelivered, %d processes", k.sent, r.Redelivered, k.started)
}
