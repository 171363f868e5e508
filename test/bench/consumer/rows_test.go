//go:build unix

package consumer_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/test/bench/rows"
)

// sizes of user records, stamps included.
func sizes() []int { return []int{100, 250, 1024} }

// all lists what is measured, in order.
func all() (list []rows.Row) {
	for _, size := range sizes() {
		at := "/size=" + strconv.Itoa(size)
		with := func(run func(context.Context, *rows.Env, int) (*rows.Figures, error)) func(context.Context, *rows.Env) (*rows.Figures, error) {
			return func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return run(ctx, e, size) }
		}
		list = append(list,
			rows.Row{Name: "Read" + at + "/kload", Run: with(readKload)},
			rows.Row{Name: "Read" + at + "/sdk+awslabs", Run: with(readSDK)},
			rows.Row{Name: "Deaggregate" + at + "/kload", Run: with(unpackKload)},
			rows.Row{Name: "Deaggregate" + at + "/awslabs", Run: with(unpackAwslabs)},
		)
	}
	return append(list, rows.Row{Name: "Primitives", Run: primitives})
}

// meter counts user records, the first half to warm up.
type meter struct {
	want, n, before, size int
	from                  rows.Mark
	figures               *rows.Figures
}

func newMeter(e *rows.Env, size int) *meter { return &meter{want: e.Bytes / size, size: size} }

// count reports whether that was enough.
func (m *meter) count(n int) (enough bool) {
	m.n += n
	switch {
	case m.before == 0 && m.n >= m.want:
		m.before, m.from = m.n, rows.Now()
	case m.before > 0 && m.figures == nil && m.n >= m.before+m.want:
		m.figures = m.from.Since(m.n-m.before, m.size)
	}
	return m.figures != nil
}

// readKload polls, unpacks, and has the ledger judge every record: its trace is
// read, its checksum, its routing and its order are checked.
func readKload(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client, err := awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: e.Endpoint, RootCAs: e.Roots})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	clock := pace.NewClock()
	books := ledger.New(run)
	load := books.AddLoad("load", ledger.LoadOptions{Ordered: true, ByKey: true})
	reader := books.AddConsumer("reader")
	reader.SetRange(shardID, shard.Split(1)[0])
	m := newMeter(e, size)
	load.Sent(uint64(4 * m.want))
	c := consumers.New(consumers.Options{
		Name: "reader", Workers: 1, PlainByKey: true,
		Opener: polling.New(polling.Options{
			API: client.Over(awsclient.CBOR), Stream: strconv.Itoa(size), Clock: clock, Fresh: true,
			Config: polling.Config{Every: 1, Start: "trim_horizon", Limit: 10_000},
		}),
		Host: host(func(b *kload.Batch) {
			if m.count(len(b.Users)) {
				stop()
			}
		}),
		Tap: consumers.TapOptions{
			Trace: trace.NewReader(trace.Prefix), Ledger: reader, Run: run,
			Hops: hdr.NewSet("reader", kload.HopFetch, kload.HopE2ERead), Arrived: func(*kload.Batch) {},
		},
	})
	if err := c.Run(ctx, func() {}); err != nil {
		return nil, err
	}
	r := books.Count().Consumers[0]
	if wrong := r.Duplicates + r.Reordered + r.Misrouted + r.Corrupt + r.Untraced + r.Foreign + r.OrderUnchecked; wrong > 0 || r.ReadUnique < uint64(2*m.want) {
		return nil, fmt.Errorf("the ledger says %+v", r)
	}
	return m.figures, nil
}

// host takes batches.
type host func(*kload.Batch)

func (h host) Process(_ context.Context, b *kload.Batch) error {
	h(b)
	return nil
}

func (host) Close(context.Context) error { return nil }

// readSDK gets records with the SDK as it comes and unpacks them with awslabs'
// module. Nobody verifies anything but the aggregates' digests.
func readSDK(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	api := kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &e.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig.RootCAs = e.Roots
		}),
	})
	m := newMeter(e, size)
	iterator := aws.String(fmt.Sprintf("%d:0", size))
	for {
		out, err := api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(10_000)})
		if err != nil {
			return nil, fmt.Errorf("getting records: %w", err)
		}
		users, err := deaggregator.DeaggregateRecords(out.Records)
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		if len(users) != perPage*usersPerAggregate(size) {
			return nil, fmt.Errorf("%d user records", len(users))
		}
		if m.count(len(users)) {
			return m.figures, nil
		}
		iterator = out.NextShardIterator
	}
}

// unpackKload does what the consumer does with the aggregates of an answer:
// digests of all of them, then every user record and the hash key of each.
func unpackKload(_ context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	records := pageOf(size, 0).records
	var digester kpl.Digester
	var decoder kpl.Decoder
	hasher := shard.NewBatchHasher()
	intact := make([]bool, len(records))
	var names [][]byte
	var hashes []kload.HashKey
	users := make([]kload.Delivery, 0, perPage*usersPerAggregate(size))
	m := newMeter(e, size)
	for {
		users = users[:0]
		digester.Verify(intact, records)
		for i, data := range records {
			if decoder.ResetVerified(data, intact[i]) != kpl.Aggregate {
				return nil, errors.New("a good aggregate was refused")
			}
			names = decoder.AppendKeys(names[:0])
			hashes = slices.Grow(hashes[:0], len(names))[:len(names)]
			hasher.HashAll(hashes, names)
			var u kpl.User
			for decoder.Next(&u) {
				users = append(users, kload.Delivery{Data: u.Data, Tag: u.Tag, Key: u.Key, Hash: hashes[decoder.KeyIndex()], HasHash: true, Stream: i, Sub: u.Sub})
			}
		}
		if len(users) != cap(users) {
			return nil, fmt.Errorf("%d user records", len(users))
		}
		if m.count(len(users)) {
			return m.figures, nil
		}
	}
}

// unpackAwslabs returns no hash keys: the module leaves them out.
func unpackAwslabs(_ context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	var records []types.Record
	for _, data := range pageOf(size, 0).records {
		records = append(records, types.Record{Data: data, PartitionKey: aws.String("a")})
	}
	m := newMeter(e, size)
	for {
		users, err := deaggregator.DeaggregateRecords(records)
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		if len(users) != perPage*usersPerAggregate(size) {
			return nil, fmt.Errorf("%d user records", len(users))
		}
		if m.count(len(users)) {
			return m.figures, nil
		}
	}
}

// primitives measures the part of de-aggregation that both sides share: MD5.
func primitives(_ context.Context, e *rows.Env) (*rows.Figures, error) {
	chunk := make([]byte, packedSize)
	from := proc.CPUTime()
	n := 0
	for ; n < e.Bytes; n += len(chunk) {
		md5.Sum(chunk)
	}
	return &rows.Figures{N: n, Values: map[string]float64{"md5-ns/B": float64(proc.CPUTime()-from) / float64(n)}}, nil
}
