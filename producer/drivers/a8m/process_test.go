package a8m_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer/drivers/a8m"
	"github.com/kload/kload/producer/drivertest"
)

// childMode is the variable that tells this executable what to be when it is not
// the test: "stop" crashes the library, "crash" the driver's process at its
// second records, anything else is the driver's process.
const childMode = "KLOAD_A8M_TEST"

func TestMain(m *testing.M) {
	mode := os.Getenv(childMode)
	if mode == "stop" {
		stopAtTick()
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == a8m.ChildVerb {
		var in io.Reader = os.Stdin
		if mode == "crash" {
			in = &trap{in: in}
		}
		if err := a8m.Child(in, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// trap crashes its reader at the record that says so.
type trap struct{ in io.Reader }

func (r *trap) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	if strings.Contains(string(b[:n]), "crash now") {
		panic("told to")
	}
	return n, err
}

// target serves streams on loopback.
func target(t *testing.T) awsclient.Options {
	s, err := localkinesis.New(localkinesis.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	o := awsclient.Options{Local: true, Endpoint: server.URL}
	c, err := awsclient.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Control.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	return o
}

// inProcess opens the driver in a process of its own.
func inProcess(t *testing.T, client awsclient.Options, book *drivertest.Book, event func(string, map[string]any)) (*a8m.Ingress, error) {
	c := defaults()
	c.FlushInterval = 20 * time.Millisecond
	return a8m.New(t.Context(), a8m.Options{
		Config: c, Stream: "s", Connections: 4, Timeout: 10 * time.Second, Memory: 4 << 20, Client: client, Wire: awsclient.JSON,
		Clock: pace.NewClock(), Outcomes: book.Outcomes, Event: event,
	})
}

func TestProcess(t *testing.T) {
	book := drivertest.NewBook()
	g, err := inProcess(t, target(t), book, nil)
	if err != nil {
		t.Fatal(err)
	}
	feed := drivertest.Feed{Size: 500, Keys: 5}
	for range 5 {
		if n, err := g.PutBatch(t.Context(), feed.Next(200)); n != 200 || err != nil {
			t.Fatalf("accepted %d: %v", n, err)
		}
		feed.Scribble()
	}
	err = g.Flush(t.Context())
	crashed := g.Counters()["driver_crashed"] > 0 // at a tick, as it may
	if got := book.Len(); got != 1000 || err != nil {
		t.Errorf("%d outcomes after Flush: %v", got, err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	book.Closed()
	if d := cmp.Diff(map[kload.Status]int{kload.Acked: 1000}, book.Statuses()); d != "" && !crashed {
		t.Errorf("outcomes (-want +got)\n%s", d)
	}
	o := book.Outcome(999)
	if o.FirstAttempt == 0 || o.Acked < o.LastAttempt || o.Attempts != 1 || o.Shard == "" || o.Sequence == "" {
		t.Errorf("an outcome %+v", o)
	}
	if u := g.Usage(); u.CPUSeconds <= 0 || !crashed && (u.SDKCalls == 0 || u.SDKCalls != u.SDKAttempts || u.AllocatedBytes == 0) {
		t.Errorf("usage %+v", u)
	}
}

// TestCrash kills the library's process while it has records: they are unknown,
// later ones are rejected, and everybody is told.
func TestCrash(t *testing.T) {
	t.Setenv(childMode, "crash")
	var mu sync.Mutex
	var events []string
	book := drivertest.NewBook()
	g, err := inProcess(t, target(t), book, func(kind string, details map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, kind+": "+details["reason"].(string))
	})
	if err != nil {
		t.Fatal(err)
	}
	rec := func(seq uint64, text string) []kload.Record {
		return []kload.Record{{Data: []byte(text), Key: []byte("k"), Producer: drivertest.Producer, Seq: seq}}
	}
	for seq, text := range []string{"fine", "crash now", "too late"} {
		if n, err := g.PutBatch(t.Context(), rec(uint64(seq), text)); n != 1 || err != nil {
			t.Fatalf("accepted %d: %v", n, err)
		}
		if err := g.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	book.Closed()
	want := map[kload.Status]int{kload.Acked: 1, kload.Unknown: 1, kload.Rejected: 1}
	if d := cmp.Diff(want, book.Statuses()); d != "" || book.Outcome(1).Code != "DriverCrashed" || book.Outcome(2).Code != "DriverCrashed" {
		t.Errorf("outcomes (-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"driver_crashed: panic: told to [recovered, repanicked]"}, events); d != "" && !strings.Contains(d, "told to") {
		t.Errorf("events (-want +got)\n%s", d)
	}
	if got := g.Counters()["driver_crashed"]; got != 1 || len(events) != 1 {
		t.Errorf("%d crashes counted, events %q", got, events)
	}
}

// TestStart tells what is wrong before the first record.
func TestStart(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	_, err := inProcess(t, awsclient.Options{}, drivertest.NewBook(), nil)
	var hint *kload.HintError
	if !errors.Is(err, kload.ErrUnreachable) || !errors.As(err, &hint) || !strings.Contains(err.Error(), "region") {
		t.Errorf("without a region: %v", err)
	}
	_, err = a8m.New(t.Context(), a8m.Options{Connections: 257})
	if !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("with 257 connections: %v", err)
	}
}
