package conformance

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// register registers a consumer, waits until it is ACTIVE and returns its ARN.
func (k *kit) register(ctx context.Context, stream, name string) string {
	arn := k.call(ctx, "RegisterStreamConsumer", obj{"StreamARN": k.arn(ctx, stream), "ConsumerName": name}).Consumer.ConsumerARN
	k.until(ctx, 2*time.Minute, "consumer "+name+" ACTIVE", func() bool {
		return k.consumer(ctx, arn).ConsumerStatus == "ACTIVE"
	})
	return arn
}

func (k *kit) consumer(ctx context.Context, arn string) consumer {
	return k.call(ctx, "DescribeStreamConsumer", obj{"ConsumerARN": arn}).ConsumerDescription
}

// deregister waits until the consumer is gone.
func (k *kit) deregister(ctx context.Context, in obj, arn string) {
	k.call(ctx, "DeregisterStreamConsumer", in)
	k.until(ctx, 2*time.Minute, "consumer gone", func() bool {
		return k.patient(ctx, "DescribeStreamConsumer", obj{"ConsumerARN": arn}, notFound).Code == notFound
	})
}

func checkRegister(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	streamARN := k.arn(ctx, stream)
	in := obj{"StreamARN": streamARN, "ConsumerName": "app"}
	c := k.call(ctx, "RegisterStreamConsumer", in).Consumer
	k.equal("ConsumerStatus", c.ConsumerStatus, "CREATING")
	k.equal("ConsumerARN", c.ConsumerARN, fmt.Sprintf("%s/consumer/app:%d", streamARN, int64(c.ConsumerCreationTimestamp)))
	k.until(ctx, 2*time.Minute, "consumer ACTIVE", func() bool { return k.consumer(ctx, c.ConsumerARN).ConsumerStatus == "ACTIVE" })
	k.refused(ctx, "RegisterStreamConsumer", in, inUse, "")
	k.deregister(ctx, obj{"ConsumerARN": c.ConsumerARN}, c.ConsumerARN)
	again := k.register(ctx, stream, "app")
	k.must(again != c.ConsumerARN, "registered again: want another ConsumerARN, got %s", again)
	if k.slow("the 21st consumer") {
		for i := range 19 {
			k.register(ctx, stream, fmt.Sprint("app", i))
		}
		k.refused(ctx, "RegisterStreamConsumer", obj{"StreamARN": streamARN, "ConsumerName": "more"}, limitExceeded, "")
	}
}

func checkConsumers(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	streamARN := k.arn(ctx, stream)
	a, b := k.register(ctx, stream, "a"), k.register(ctx, stream, "b")
	k.equal("StreamARN by ConsumerARN", k.consumer(ctx, a).StreamARN, streamARN)
	d := k.call(ctx, "DescribeStreamConsumer", obj{"StreamARN": streamARN, "ConsumerName": "a"}).ConsumerDescription
	k.equal("ConsumerARN by name", d.ConsumerARN, a)
	got := k.patient(ctx, "DescribeStreamConsumer", obj{"ConsumerARN": a, "StreamARN": streamARN, "ConsumerName": "b"}, "")
	k.must(got.status == http.StatusBadRequest, "an ARN and a name of different consumers: want 400, got %s", got)

	first := k.call(ctx, "ListStreamConsumers", obj{"StreamARN": streamARN, "MaxResults": 1})
	k.must(len(first.Consumers) == 1 && first.NextToken != "", "first page: want 1 consumer and a NextToken, got %s", first)
	second := k.call(ctx, "ListStreamConsumers", obj{"StreamARN": streamARN, "MaxResults": 1, "NextToken": first.NextToken})
	names := map[string]bool{}
	for _, c := range append(first.Consumers, second.Consumers...) {
		names[c.ConsumerName] = true
		k.equal("StreamARN in a list", c.StreamARN, "")
	}
	k.equal("consumers listed", names, map[string]bool{"a": true, "b": true})
	if k.slow("expiry of the token after 300 s") {
		k.wait(ctx, 301*time.Second)
		k.refused(ctx, "ListStreamConsumers", obj{"StreamARN": streamARN, "NextToken": first.NextToken}, "ExpiredNextTokenException", "")
	}
	k.deregister(ctx, obj{"StreamARN": streamARN, "ConsumerName": "a"}, a)
	k.deregister(ctx, obj{"ConsumerARN": b}, b)
}

func checkSubscribeState(ctx context.Context, k *kit) {
	stream := k.stream(ctx, 1)
	arn := k.call(ctx, "RegisterStreamConsumer", obj{"StreamARN": k.arn(ctx, stream), "ConsumerName": "app"}).Consumer.ConsumerARN
	sub, a := k.trySubscribe(ctx, arn, 0, obj{"Type": "LATEST"})
	sub.end()
	switch {
	case k.ok() && a.status == http.StatusOK:
		k.leave("CREATING: consumers are ACTIVE at once here")
	default:
		k.refusedText(a, inUse, "Consumer app with creation timestamp ", " is not in ACTIVE status.")
	}
	sub, a = k.trySubscribe(ctx, arn+"0", 0, obj{"Type": "LATEST"})
	sub.end()
	k.refusedText(a, notFound)
}
