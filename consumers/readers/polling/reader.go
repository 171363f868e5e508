package polling

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
)

// callTimeout bounds one call; the service answers in milliseconds.
const callTimeout = 30 * time.Second

// reader polls one shard.
type reader struct {
	op       *Opener
	shard    string
	pacer    *pace.Pacer
	child    bool   // continues a shard read to its end: starts at its oldest record
	iterator string // empty after the end of the shard
	last     string // sequence number delivered last
	next     int64  // when the next call is due
}

// seek gets an iterator: behind the last delivered record if there is one, else
// at the start. It never goes back to the tip once the run has begun, which
// would skip records.
func (r *reader) seek(ctx context.Context) error {
	in := &kinesis.GetShardIteratorInput{
		StreamName: aws.String(r.op.o.Stream), ShardId: aws.String(r.shard),
		ShardIteratorType: r.startType(),
	}
	switch {
	case r.last != "":
		in.ShardIteratorType = types.ShardIteratorTypeAfterSequenceNumber
		in.StartingSequenceNumber = aws.String(r.last)
	case in.ShardIteratorType == types.ShardIteratorTypeLatest && r.next != 0:
		in.ShardIteratorType = types.ShardIteratorTypeAtTimestamp
		in.Timestamp = aws.Time(r.op.start)
	}
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		out, err := r.op.o.API.GetShardIterator(call, in)
		cancel()
		if err == nil {
			r.iterator = aws.ToString(out.ShardIterator)
			return nil
		}
		if !r.survives(ctx, err) {
			return awsclient.Explain(err, r.describe("getting an iterator"))
		}
		if err := r.pacer.Sleep(ctx, r.op.o.Config.Every); err != nil {
			return err
		}
	}
}

func (r *reader) startType() types.ShardIteratorType {
	switch {
	case r.child, r.op.o.Config.Start == "trim_horizon", r.op.o.Config.Start == "at_run_start" && r.op.o.Fresh:
		return types.ShardIteratorTypeTrimHorizon
	}
	return types.ShardIteratorTypeLatest
}

// survives counts a failed call and says whether to repeat it.
func (r *reader) survives(ctx context.Context, err error) bool {
	class, _ := awsclient.Classify(err)
	if class == awsclient.Throttled {
		r.op.stats.throttled.Add(1)
		return true
	}
	r.op.stats.failed.Add(1)
	return class != awsclient.Fatal && ctx.Err() == nil
}

// Next waits for the next poll and returns its answer. See [kload.Reader].
func (r *reader) Next(ctx context.Context) (*kload.Batch, error) {
	if r.iterator == "" {
		return nil, io.EOF
	}
	for {
		now, err := r.pacer.Until(ctx, r.next)
		if err != nil {
			return nil, err
		}
		// The interval is kept on average; a slow call does not cause a burst.
		r.next = max(r.next+int64(r.op.o.Config.Every), now)
		out, err := r.call(ctx)
		if err == nil {
			return r.deliver(out), nil
		}
		if _, code := awsclient.Classify(err); code == "ExpiredIteratorException" {
			r.op.stats.expired.Add(1)
			if err := r.seek(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if !r.survives(ctx, err) {
			return nil, awsclient.Explain(err, r.describe("reading records"))
		}
	}
}

func (r *reader) call(ctx context.Context) (*kinesis.GetRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return r.op.o.API.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: aws.String(r.iterator), Limit: aws.Int32(int32(r.op.o.Config.Limit)),
	})
}

// deliver turns an answer into a batch.
func (r *reader) deliver(out *kinesis.GetRecordsOutput) *kload.Batch {
	b := r.op.batch()
	b.Partition, b.Received = r.shard, r.op.o.Clock.Now()
	b.Behind = time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond
	for i := range out.Records {
		rec := &out.Records[i]
		b.Records = append(b.Records, kload.StreamRecord{
			Data: rec.Data, Key: []byte(aws.ToString(rec.PartitionKey)),
			Sequence: aws.ToString(rec.SequenceNumber), Arrived: aws.ToTime(rec.ApproximateArrivalTimestamp).UnixNano(),
		})
	}
	r.op.stats.calls.Add(1)
	if n := len(b.Records); n > 0 {
		r.last = b.Records[n-1].Sequence
	} else {
		r.op.stats.empty.Add(1)
	}
	r.iterator = aws.ToString(out.NextShardIterator)
	if r.iterator == "" {
		b.End = true
		for _, c := range out.ChildShards {
			b.Children = append(b.Children, kload.Child{Partition: aws.ToString(c.ShardId), Parents: c.ParentShards})
		}
	}
	return b
}

// Close does nothing: the service forgets iterators by itself.
func (r *reader) Close() error { return nil }
