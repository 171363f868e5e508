package producer_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

// stream stands for a *kinesis.Client in the examples: a stream in memory.
func stream() producer.API { return drivertest.NewKinesis(2, nil) }

func Example() {
	ctx := context.Background()
	p, err := producer.New(ctx, producer.Options{API: stream(), Stream: "events"})
	if err != nil {
		log.Fatal(err)
	}
	var stored atomic.Int64
	p.OnResult(func(r producer.Result) {
		if err := r.Err(); err != nil {
			log.Print(err)
			return
		}
		stored.Add(1)
	})
	for i := range 1000 {
		r := kload.Record{Key: fmt.Appendf(nil, "user-%d", i%10), Data: fmt.Appendf(nil, `{"n":%d}`, i), Seq: uint64(i)}
		if err := p.Put(ctx, r); err != nil { // from any goroutine
			log.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.Load(), "stored in fewer stream records:", p.Stats().StreamRecords < 1000)
	// Output: 1000 stored in fewer stream records: true
}

// The client is the SDK's with one option. Beside Kinesis itself, most endpoints
// understand JSON only.
func ExampleTuned() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("id", "secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	server := standIn(func(contentType string) { fmt.Println("records in", contentType) })
	defer server.Close()
	for _, option := range []func(*kinesis.Options){producer.Tuned, producer.TunedJSON} {
		client := kinesis.NewFromConfig(cfg, option, func(o *kinesis.Options) { o.BaseEndpoint = &server.URL })
		p, err := producer.New(ctx, producer.Options{API: client, Stream: "events"})
		if err != nil {
			log.Fatal(err)
		}
		if err := p.Put(ctx, kload.Record{Key: []byte("user-1"), Data: []byte("hello")}); err != nil {
			log.Fatal(err)
		}
		if err := p.Close(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Stats().Requests, "request")
	}
	// Output:
	// records in application/x-amz-cbor-1.1
	// 1 request
	// records in application/x-amz-json-1.1
	// 1 request
}

// standIn is a stream of one shard behind an HTTP server. It tells put in what
// records come.
func standIn(put func(contentType string)) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answer := `{"Shards":[{"ShardId":"shardId-000000000000","HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"},"SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}`
		switch action {
		case "PutRecords":
			put(r.Header.Get("Content-Type"))
			answer = `{"FailedRecordCount":0,"Records":[{"ShardId":"shardId-000000000000","SequenceNumber":"2"}]}`
		case "DescribeStreamSummary":
			answer = `{"StreamDescriptionSummary":{}}`
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, answer)
	}))
}

func ExampleProducer_PutSync() {
	ctx := context.Background()
	cfg := producer.DefaultConfig()
	cfg.Aggregation.Linger = time.Millisecond
	p, err := producer.New(ctx, producer.Options{API: stream(), Stream: "events", Config: cfg})
	if err != nil {
		log.Fatal(err)
	}
	res, err := p.PutSync(ctx, kload.Record{Key: []byte("user-1"), Data: []byte("hello")})
	fmt.Println(res.Status, res.Shard, res.Attempts, err)
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: acked shardId-000000000001 1 <nil>
}

// Batches are the cheap way in: locks are taken once per batch and shard, and
// outcomes come once per stream record.
func ExampleProducer_PutBatch() {
	ctx := context.Background()
	var acked atomic.Int64
	p, err := producer.New(ctx, producer.Options{
		API: stream(), Stream: "events",
		Outcomes: func(outcomes []kload.Outcome) {
			for _, o := range outcomes {
				if o.Status == kload.Acked {
					acked.Add(int64(len(o.Records)))
				}
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	batch := make([]kload.Record, 100)
	for round := range 3 {
		for i := range batch {
			batch[i] = kload.Record{Key: fmt.Appendf(nil, "user-%d", i), Data: []byte("hello"), Seq: uint64(round*100 + i)}
		}
		if _, err := p.PutBatch(ctx, batch); err != nil {
			log.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil { // all of them have their outcome now
		log.Fatal(err)
	}
	fmt.Println(acked.Load(), "acknowledged")
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: 300 acknowledged
}

// Close keeps to its deadline: what is undecided by then is given up and said to
// be.
func ExampleProducer_Close() {
	ctx := context.Background()
	p, err := producer.New(ctx, producer.Options{API: stream(), Stream: "events"})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Put(ctx, kload.Record{Key: []byte("user-1"), Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := p.Close(soon); err != nil {
		log.Fatal(err)
	}
	stats := p.Stats()
	fmt.Println(stats.UserRecords, "accepted,", stats.Flushed.Close, "aggregate sealed by Close")
	// Output: 1 accepted, 1 aggregate sealed by Close
}
