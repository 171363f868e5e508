package local_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/memnet"
)

// parentVerb makes this binary a parent that starts a target and hangs.
const parentVerb = "__parent"

func TestMain(m *testing.M) {
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case local.ChildVerb:
		exit(local.Child(os.Stdin, os.Stdout))
	case parentVerb:
		exit(hangingParent())
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func hangingParent() error {
	p, err := local.Start(context.Background(), local.Config{})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(os.Stdout, p.Endpoint()+"\n"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// use makes a stream and puts a record into it.
func use(ctx context.Context, t *testing.T, o awsclient.Options) {
	t.Helper()
	o.Local = true
	c, err := awsclient.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Control.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Data.PutRecord(ctx, &sdk.PutRecordInput{
		StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("data"),
	}); err != nil {
		t.Fatal(err)
	}
}

func TestProcess(t *testing.T) {
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{Drop: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.PID() == os.Getpid() || p.PID() == 0 {
		t.Errorf("child has pid %d", p.PID())
	}
	use(ctx, t, awsclient.Options{Endpoint: p.Endpoint()})
	report, err := p.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if !report.Complete || report.Stats.RecordsIn != 1 || report.Stats.Dropped != 1 || report.CPUSeconds <= 0 {
		t.Errorf("report %+v", report)
	}
	if runtime.GOOS == "linux" && (report.MaxRSSBytes < 1<<20 || report.MaxRSSBytes > 1<<30) {
		t.Errorf("peak memory %d", report.MaxRSSBytes)
	}
	again, err := p.Stop(ctx)
	if diff := cmp.Diff(report, again); diff != "" || err != nil {
		t.Errorf("second Stop: %v (-want +got):\n%s", err, diff)
	}
	// The goroutine that said Done may take a moment to return.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for left := stacks(t); strings.Contains(left, "local.(*Process)"); left = stacks(t) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("a goroutine is left:\n%s", left)
		}
	}
}

// stacks returns those of all goroutines.
func stacks(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestProcessDies(t *testing.T) {
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := os.FindProcess(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	report, err := p.Stop(ctx)
	if err == nil || report.Complete || !strings.Contains(err.Error(), "ended early") {
		t.Errorf("report %+v, %v", report, err)
	}
}

// TestFaultsOfAProcess orders faults over the child's input, several at once, and
// finds their effects where they are lifted and in the report.
func TestFaultsOfAProcess(t *testing.T) {
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{})
	if err != nil {
		t.Fatal(err)
	}
	use(ctx, t, awsclient.Options{Endpoint: p.Endpoint()})
	c, err := awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: p.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ids := make(chan int, 5)
	for range cap(ids) {
		go func() {
			id, err := p.Inject(ctx, faults.Fault{On: []string{"PutRecord"}, Cut: faults.AfterCommit, Share: 100, Count: 1})
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	seen := map[int]bool{}
	for range cap(ids) {
		seen[<-ids] = true
	}
	if len(seen) != 5 || !seen[1] || !seen[5] {
		t.Errorf("faults are numbered %v", seen)
	}
	in := &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("data")}
	if _, err := c.Data.PutRecord(ctx, in); err == nil {
		t.Error("an answer that was to be cut came")
	}
	if e, err := p.Lift(ctx, 3); err != nil || e.ID != 3 || e.Hits != 1 || e.Judged != 1 {
		t.Errorf("effect %+v, %v", e, err)
	}
	if _, err := p.Lift(ctx, 3); err == nil || !strings.Contains(err.Error(), "no fault 3 is in force") {
		t.Errorf("lifted twice: %v", err)
	}
	if _, err := p.Inject(ctx, faults.Fault{On: []string{"Put"}, Error: "InternalFailure", Share: 100}); err == nil || !strings.Contains(err.Error(), `no operation "Put"`) {
		t.Errorf("an operation that is not there: %v", err)
	}
	report, err := p.Stop(ctx)
	if err != nil || report.Stats.RecordsIn != 2 || len(report.Stats.Faults) != 5 {
		t.Errorf("report %+v, %v", report, err)
	}
	if _, err := p.Lift(ctx, 1); err == nil {
		t.Error("a target that has ended lifted a fault")
	}
}

func TestSignalsAreIgnored(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes cannot be sent an interrupt")
	}
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := os.FindProcess(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if err := child.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	use(ctx, t, awsclient.Options{Endpoint: p.Endpoint()})
	if report, err := p.Stop(ctx); err != nil || report.Stats.RecordsIn != 1 {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestStopKillsWhenContextEnds(t *testing.T) {
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{})
	if err != nil {
		t.Fatal(err)
	}
	// A request that never completes keeps the child from ending in good order.
	conn := dial(t, p.Endpoint())
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 9\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	report, err := p.Stop(ended)
	if err == nil || !strings.Contains(err.Error(), "it was killed, since it had not ended in time") || report.Complete {
		t.Errorf("report %+v, %v", report, err)
	}
	<-p.Done()
}

func dial(t *testing.T, endpoint string) net.Conn {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestChildEndsWithParent kills a parent the hard way and watches a connection
// to its child end.
func TestChildEndsWithParent(t *testing.T) {
	parent := exec.CommandContext(patience(t), os.Args[0], parentVerb)
	stdin, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	endpoint, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, strings.TrimSpace(endpoint))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, in)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Error("the child outlived its parent")
	}
}

func TestStartFails(t *testing.T) {
	ctx := patience(t)
	_, err := local.Start(ctx, local.Config{StoreBytes: 1})
	if err == nil || !strings.Contains(err.Error(), "store of 1 bytes") {
		t.Errorf("bad configuration: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if p, err := local.Start(ended, local.Config{}); err == nil {
		// The greeting may have been quicker.
		if _, err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}

func TestChildRefusesNonsense(t *testing.T) {
	for _, in := range []string{"", "{", "nonsense\n", `{"drop":-1}` + "\n", `{"latency":"soon"}` + "\n"} {
		var out bytes.Buffer
		if err := local.Child(strings.NewReader(in), &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, said %q", in, err, &out)
		}
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	model, err := latency.Parse("put=lognormal(p50=4ms,p99=25ms),PutRecord=1ms,propagation=10ms")
	if err != nil {
		t.Fatal(err)
	}
	want := local.Config{
		Latency: model,
		Account: "111122223333", Region: "eu-west-1", StoreBytes: 5, IteratorTTL: time.Second, Drop: 1, Dup: 2, Seed: 3,
		Limits: kinesis.Limits{Off: true, WriteBytes: 1, WriteRecords: 2, ReadBytes: 3, ReadCalls: 4},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got local.Config
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestShared runs in a bubble, which fails if a goroutine is left.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		ln := memnet.Listen()
		s, err := local.StartShared(local.Config{}, ln)
		if err != nil {
			t.Fatal(err)
		}
		var target local.Target = s
		use(ctx, t, awsclient.Options{Endpoint: target.Endpoint(), Dial: ln.Dial})
		report, err := target.Stop(ctx)
		if err != nil {
			t.Fatal(err)
		}
		<-target.Done()
		if !report.Complete || report.Stats.RecordsIn != 1 || report.CPUSeconds != 0 || report.MaxRSSBytes != 0 {
			t.Errorf("report %+v", report)
		}
	})
	if _, err := local.StartShared(local.Config{Dup: -1}, memnet.Listen()); err == nil {
		t.Error("a bad configuration was taken")
	}
}

func TestHTTP2(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := local.StartShared(local.Config{}, ln)
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint(), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Kinesis_20131202.ListStreams")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	transport.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || resp.Header.Get("X-Amzn-RequestId") == "" {
		t.Errorf("%s %d %v", resp.Proto, resp.StatusCode, resp.Header)
	}
	if _, err := s.Stop(patience(t)); err != nil {
		t.Error(err)
	}
}

// TestStopEndsSubscriptions stops a target that would push for minutes.
func TestStopEndsSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen()
		s, err := local.StartShared(local.Config{}, ln)
		if err != nil {
			t.Fatal(err)
		}
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: s.Endpoint(), Dial: ln.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Data.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		made, err := c.Data.RegisterStreamConsumer(t.Context(), &sdk.RegisterStreamConsumerInput{
			StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s"), ConsumerName: aws.String("app"),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Data.SubscribeToShard(t.Context(), &sdk.SubscribeToShardInput{
			ConsumerARN: made.Consumer.ConsumerARN, ShardId: aws.String("shardId-000000000000"),
			StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Second) // nobody reads its events
		start := time.Now()
		report, err := s.Stop(t.Context())
		if err != nil || !report.Complete || time.Since(start) > 2*time.Second {
			t.Errorf("stopped after %v: %+v, %v", time.Since(start), report, err)
		}
		for e := range out.GetStream().Events() {
			if event, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); !ok || len(event.Value.Records) != 0 {
				t.Errorf("event %+v", e)
			}
		}
	})
}
