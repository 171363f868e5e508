package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// resubscribe is how long after a subscription the same consumer must wait.
const resubscribe = 5*time.Second + 200*time.Millisecond

func checkFrames(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	arn := k.register(ctx, stream, "raw")
	sub := k.subscribe(ctx, arn, 0, obj{"Type": "TRIM_HORIZON"})
	defer sub.end()
	k.started(ctx, sub)
	k.put(ctx, stream, "k", "pushed")
	recs, _ := k.pushed(ctx, sub, 1)
	k.equal("records pushed", dataOf(recs), "pushed")
	if typed := k.register(ctx, stream, "sdk"); k.ok() {
		k.equal("records that the SDK reads", k.bySDK(ctx, typed), "pushed")
	}
}

// bySDK subscribes with the SDK and returns the first record's data.
func (k *kit) bySDK(ctx context.Context, arn string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := k.sdk.Data.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: &arn, ShardId: aws.String(shardID(0)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	}, func(o *kinesis.Options) {
		if strings.HasPrefix(k.wire.url, "https:") {
			o.HTTPClient = k.wire.http2 // the service pushes over nothing else
		}
	})
	if err != nil {
		k.fail("SubscribeToShard by the SDK: %v", err)
		return ""
	}
	events := out.GetStream()
	defer events.Close()
	for e := range events.Events() {
		if v, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok && len(v.Value.Records) > 0 {
			return string(v.Value.Records[0].Data)
		}
	}
	k.fail("SubscribeToShard by the SDK: want a record, got the end: %v", events.Err())
	return ""
}

func checkIdleEvents(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	sub := k.subscribe(ctx, k.register(ctx, stream, "app"), 0, obj{"Type": "TRIM_HORIZON"})
	defer sub.end()
	k.put(ctx, stream, "k", "x")
	_, last := k.pushed(ctx, sub, 1)
	k.must(last != "", "want a ContinuationSequenceNumber with the record, got none")
	for range 2 {
		e, ok := k.event(ctx, sub)
		k.must(ok, "want an idle event, got the end")
		k.equal("records of an idle event", len(e.Records), 0)
		k.must(decimal(e.ContinuationSequenceNumber).Cmp(decimal(last)) > 0,
			"idle event: want a ContinuationSequenceNumber above %s, got %q", last, e.ContinuationSequenceNumber)
		last = e.ContinuationSequenceNumber
	}
}

func checkResubscribe(ctx context.Context, k *kit) {
	cuts := 3
	switch {
	case k.opts.Virtual:
		cuts = 100
	case k.opts.Slow:
		cuts = 20
	default:
		k.leave("more than 3 cuts (--slow)")
	}
	stream := k.stream(ctx, 1)
	arn := k.register(ctx, stream, "app")
	from := obj{"Type": "TRIM_HORIZON"}
	got, n := 0, 0
	for i := 0; i <= cuts && k.ok(); i++ {
		for range 3 {
			k.put(ctx, stream, "k", fmt.Sprint(n))
			n++
		}
		sub := k.subscribe(ctx, arn, 0, from)
		want := 1 // and whatever comes with it; the last time everything
		if i == cuts {
			want = n - got
		}
		recs, continuation := k.pushed(ctx, sub, want)
		sub.end()
		for _, r := range recs {
			k.equal(fmt.Sprintf("record after %d cuts", i), string(r.Data), fmt.Sprint(got))
			got++
		}
		from = obj{"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": continuation}
		k.wait(ctx, resubscribe)
	}
	k.equal("records read", got, n)
}

func checkTakeover(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	arn := k.register(ctx, stream, "app")
	old := k.subscribe(ctx, arn, 0, obj{"Type": "LATEST"})
	defer old.end()
	text := fmt.Sprintf("Another active subscription exists for this consumer: %s:%s:%s:app", k.account(ctx), stream, shardID(0))
	early, a := k.trySubscribe(ctx, arn, 0, obj{"Type": "LATEST"})
	early.end()
	k.refusedText(a, inUse, text)
	k.wait(ctx, resubscribe)
	begun := time.Now()
	sub := k.subscribe(ctx, arn, 0, obj{"Type": "LATEST"})
	defer sub.end()
	f := k.next(ctx, old, 20*time.Second)
	for range 5 { // events of the time before
		if k.ok() && f.err == nil && f.message == "event" {
			f = k.next(ctx, old, 20*time.Second)
		}
	}
	k.must(f.message == "exception" && f.kind == inUse && strings.Contains(string(f.payload), text),
		"the subscription taken over: want the exception %s, got %s", inUse, f)
	if !k.slow("the clean end after 300 s") {
		return
	}
	for k.ok() {
		if _, more := k.event(ctx, sub); !more {
			break
		}
	}
	life := time.Since(begun)
	k.must(life > 295*time.Second && life < 310*time.Second, "want a subscription to last 300 s, got %v", life)
}

func checkTwoConsumers(ctx context.Context, k *kit) {
	stream := k.full(ctx)
	arns := []string{k.register(ctx, stream, "one"), k.register(ctx, stream, "two")}
	took := make([]time.Duration, len(arns))
	kits := make([]*kit, len(arns))
	var reading sync.WaitGroup
	for i, arn := range arns {
		kits[i] = &kit{session: k.session, failure: k.failure, skipped: k.skipped}
		reading.Go(func() { took[i] = kits[i].pushedAll(ctx, arn) })
	}
	k.wait(ctx, time.Second)
	k.read(ctx, k.iterator(ctx, stream, 0, "LATEST", nil), nil)
	reading.Wait()
	for i, o := range kits {
		k.must(o.failure == "", "consumer %d of 2: %s", i+1, o.failure)
		// 11 MiB, of which one second's worth and the last event are for free.
		k.must(took[i] > 3*time.Second && took[i] < 11*time.Second,
			"consumer %d of 2: want 11 MiB at 2 MiB/s, so about 5 s, got %v", i+1, took[i])
	}
	for _, arn := range arns {
		k.deregister(ctx, obj{"ConsumerARN": arn}, arn)
	}
}

// pushedAll takes all records of the full stream and returns how long it took.
func (k *kit) pushedAll(ctx context.Context, arn string) time.Duration {
	start := time.Now()
	sub := k.subscribe(ctx, arn, 0, obj{"Type": "TRIM_HORIZON"})
	defer sub.end()
	recs, _ := k.pushed(ctx, sub, fullRecords)
	for i, r := range recs {
		k.must(len(r.Data) == fullSize && r.Data[0] == 'a'+byte(i), "record %d pushed: want %d times %c, got %s", i, fullSize, 'a'+i, short(string(r.Data)))
	}
	return time.Since(start)
}

func checkSubscribedEnd(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	sub := k.subscribe(ctx, k.register(ctx, stream, "app"), 0, obj{"Type": "TRIM_HORIZON"})
	defer sub.end()
	k.put(ctx, stream, "k", "x")
	k.split(ctx, stream, 0, half)
	var recs []record
	var children []shardInfo
	for i := 0; k.ok(); i++ {
		e, more := k.event(ctx, sub)
		if !more {
			break
		}
		k.must(i < 10, "want the end of a closed shard, got 10 events without it")
		k.must(children == nil, "want the event with ChildShards to be the last, got another")
		recs, children = append(recs, e.Records...), e.ChildShards
	}
	k.equal("records pushed", dataOf(recs), "x")
	k.equal("ChildShards of the last event", idsOf(children), "1 2")
}

func checkSlowSubscriber(ctx context.Context, k *kit) {
	stream := k.full(ctx)
	slow, quick := k.register(ctx, stream, "slow"), k.register(ctx, stream, "quick")
	sub := k.subscribe(ctx, slow, 0, obj{"Type": "TRIM_HORIZON"})
	defer sub.end()
	// Nothing is read from it.
	if k.ok() {
		took := k.pushedAll(ctx, quick)
		k.must(took < 15*time.Second, "beside a slow subscriber: want 11 MiB within 15 s, got %v", took)
	}
	k.leave("the server's memory, which cannot be seen from here")
	sub.end()
	for _, arn := range []string{slow, quick} {
		k.deregister(ctx, obj{"ConsumerARN": arn}, arn)
	}
}
