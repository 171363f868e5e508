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
)

// slack is the part of an interval by which a call may come late without
// putting off those that follow, so that late timers do not lower the rate. A
// shard's budget for calls knows no mercy with bursts: a call that comes later
// than that, after a slow one, starts the schedule anew.
const slack = 10

// reader polls one shard.
type reader struct {
	op       *Opener
	shard    string
	from     kload.Position
	iterator string // empty when it has to be got
	last     string // sequence number delivered last
	next     int64  // when the next call is due
	ended    bool
}

func (r *reader) seeking() string { return "getting an iterator of " + r.shard }

// seek gets an iterator: behind the last delivered record if there is one, else
// at the start. It never goes back to the tip once the run has begun, which
// would skip records.
func (r *reader) seek(ctx context.Context) error {
	in := &kinesis.GetShardIteratorInput{
		StreamName: aws.String(r.op.o.Stream), ShardId: aws.String(r.shard),
		ShardIteratorType: types.ShardIteratorTypeLatest,
	}
	switch {
	case r.last != "":
		in.ShardIteratorType = types.ShardIteratorTypeAfterSequenceNumber
		in.StartingSequenceNumber = aws.String(r.last)
	case r.from.Start == kload.After:
		in.ShardIteratorType = types.ShardIteratorTypeAtSequenceNumber
		in.StartingSequenceNumber = aws.String(r.from.Sequence)
	case r.from.Start == kload.TrimHorizon:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	case r.next != 0:
		in.ShardIteratorType = types.ShardIteratorTypeAtTimestamp
		in.Timestamp = aws.Time(r.op.start)
	}
	out, err := r.op.o.API.GetShardIterator(ctx, in)
	if err == nil {
		r.iterator = aws.ToString(out.ShardIterator)
	}
	return err
}

// Due returns when to call Next. See [kload.Polled].
func (r *reader) Due() int64 { return r.next }

// Next makes one call and returns its answer, nil if there was none that counts.
// See [kload.Polled].
func (r *reader) Next(ctx context.Context) (*kload.Batch, error) {
	if r.ended {
		return nil, io.EOF
	}
	every := int64(r.op.o.Config.Every)
	r.next = max(r.next, r.op.o.Clock.Now()-every/slack) + every
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if r.iterator == "" {
		if err := r.seek(call); err != nil {
			return nil, r.op.survive(ctx, err, r.seeking())
		}
	}
	a := r.op.answer()
	out, err := r.op.o.API.GetRecords(a.under(call), &kinesis.GetRecordsInput{
		ShardIterator: aws.String(r.iterator), Limit: aws.Int32(int32(r.op.o.Config.Limit)),
	})
	if err == nil {
		return r.deliver(a, out)
	}
	r.op.recycle(a)
	if _, code := awsclient.Classify(err); code == "ExpiredIteratorException" {
		r.op.stats.expired.Add(1)
		r.iterator = ""
		return nil, nil
	}
	return nil, r.op.survive(ctx, err, "reading records of "+r.shard)
}

// deliver fills the batch. Its records point into the answer's memory, or into
// the output's where the wire is JSON.
func (r *reader) deliver(a *answer, out *kinesis.GetRecordsOutput) (*kload.Batch, error) {
	b := &a.Batch
	b.Partition, b.Received = r.shard, r.op.o.Clock.Now()
	b.Behind = time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond
	bytes := 0
	for i := range out.Records {
		rec := &out.Records[i]
		b.Records = append(b.Records, kload.StreamRecord{
			Data: rec.Data, Key: []byte(aws.ToString(rec.PartitionKey)), Sequence: aws.ToString(rec.SequenceNumber),
		})
		if at := rec.ApproximateArrivalTimestamp; at != nil { // else 0: not known
			b.Records[i].Arrived = at.UnixNano()
		}
		bytes += len(rec.Data) + len(b.Records[i].Key)
	}
	b.Memory = int64(a.memory.Cap())
	if rate := r.op.o.ReadBytes; rate > 0 {
		r.next = max(r.next, b.Received+int64(float64(bytes)/rate*1e9))
	}
	r.op.stats.calls.Add(1)
	if n := len(b.Records); n > 0 {
		r.last = b.Records[n-1].Sequence
	} else {
		r.op.stats.empty.Add(1)
	}
	r.iterator = aws.ToString(out.NextShardIterator)
	if r.iterator != "" {
		return b, nil
	}
	r.ended, b.End = true, true
	var err error
	b.Children, err = awsclient.Children(out.ChildShards)
	return b, err
}

// Close does nothing: the service forgets iterators by itself.
func (r *reader) Close() error { return nil }
