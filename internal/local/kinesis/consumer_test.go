package kinesis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
)

const streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

func register(t *testing.T, c *sdk.Client, name string) *types.Consumer {
	t.Helper()
	out, err := c.RegisterStreamConsumer(t.Context(), &sdk.RegisterStreamConsumerInput{StreamARN: aws.String(streamARN), ConsumerName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.Consumer
}

func TestConsumerLife(t *testing.T) {
	bubble(t, kinesis.Config{StateDelay: time.Second}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		<-time.After(time.Second)
		made := register(t, c, "app")
		describe := func() string {
			out, err := c.DescribeStreamConsumer(t.Context(), &sdk.DescribeStreamConsumerInput{
				StreamARN: aws.String(streamARN), ConsumerName: aws.String("app"),
			})
			if err != nil {
				return err.Error()[strings.LastIndex(err.Error(), "Exception: ")+11:]
			}
			d := out.ConsumerDescription
			return fmt.Sprint(*d.ConsumerARN, " ", d.ConsumerStatus, " ", d.ConsumerCreationTimestamp.Unix(), " ", *d.StreamARN == streamARN)
		}
		got := []string{fmt.Sprint(*made.ConsumerARN, " ", made.ConsumerStatus), describe()}
		<-time.After(time.Second)
		got = append(got, describe())
		if _, err := c.DeregisterStreamConsumer(t.Context(), &sdk.DeregisterStreamConsumerInput{ConsumerARN: made.ConsumerARN}); err != nil {
			t.Fatal(err)
		}
		got = append(got, describe())
		<-time.After(time.Second)
		got = append(got, describe())
		again := register(t, c, "app")
		got = append(got, *again.ConsumerARN)
		const arn = streamARN + "/consumer/app:"
		want := []string{
			arn + "946684801 CREATING", arn + "946684801 CREATING 946684801 true", arn + "946684801 ACTIVE 946684801 true",
			arn + "946684801 DELETING 946684801 true", "Consumer app under stream s under account 000000000000 not found.", arn + "946684803",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestConsumerLimits(t *testing.T) {
	bubble(t, kinesis.Config{StateDelay: time.Second}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		<-time.After(time.Second)
		refused := func() string {
			_, err := c.RegisterStreamConsumer(t.Context(), &sdk.RegisterStreamConsumerInput{StreamARN: aws.String(streamARN), ConsumerName: aws.String("over")})
			if limit, ok := errors.AsType[*types.LimitExceededException](err); ok {
				return *limit.Message
			}
			return fmt.Sprint(err)
		}
		var got []string
		for i := range 20 {
			if i == 5 {
				got = append(got, refused())
			}
			if i%5 == 0 {
				<-time.After(time.Second)
			}
			register(t, c, fmt.Sprintf("app-%02d", i))
		}
		<-time.After(time.Second)
		got = append(got, refused())
		want := []string{
			"Only 5 consumers can simultaneously be in CREATING state",
			"Stream s under account 000000000000 has 20 consumers registered, which is the limit.",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		var names []string
		in := &sdk.ListStreamConsumersInput{StreamARN: aws.String(streamARN), MaxResults: aws.Int32(8)}
		for range 4 {
			out, err := c.ListStreamConsumers(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, consumer := range out.Consumers {
				names = append(names, *consumer.ConsumerName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if len(names) != 20 || names[19] != "app-19" || in.NextToken != nil {
			t.Errorf("listed %v", names)
		}
	})
}

func TestDeleteStreamWithConsumers(t *testing.T) {
	_, c := serve(t, kinesis.Config{})
	create(t, c, "s", 1)
	consumer := register(t, c, "app")
	_, err := c.DeleteStream(t.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s")})
	if busy, ok := errors.AsType[*types.ResourceInUseException](err); !ok || *busy.Message != "DeleteStream can't delete "+streamARN+
		" because there are consumers associated with this data stream. To delete s anyway, set the EnforceConsumerDeletion parameter "+
		"to true to force the deletion of all the consumers that are associated with it." {
		t.Errorf("not enforced: %v", err)
	}
	sum, err := c.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	if err != nil || *sum.StreamDescriptionSummary.ConsumerCount != 1 {
		t.Errorf("summary %+v, %v", sum, err)
	}
	if _, err := c.DeleteStream(t.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeStreamConsumer(t.Context(), &sdk.DescribeStreamConsumerInput{ConsumerARN: consumer.ConsumerARN})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("after the stream: %v", err)
	}
}

func TestConsumerRefusals(t *testing.T) {
	c := newCaller(t, kinesis.Config{Limits: kinesis.Limits{Off: true}})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":1}`, nil)
	var made struct {
		Consumer struct {
			ARN string `json:"ConsumerARN"`
		}
	}
	c.must(t, "RegisterStreamConsumer", `{"StreamARN":"`+streamARN+`","ConsumerName":"app"}`, &made)
	arn := made.Consumer.ARN
	const validation, invalid, lost = "ValidationException", "InvalidArgumentException", "ResourceNotFoundException"
	const noneARN = "arn:aws:kinesis:us-east-1:000000000000:stream/none"
	subscribe := func(arn, shard, start string) string {
		return `{"ConsumerARN":"` + arn + `","ShardId":"` + shard + `","StartingPosition":` + start + `}`
	}
	checkRefusals(t, c, []refusal{
		{"RegisterStreamConsumer", `{}`, validation, violations(fmt.Sprintf(vNull, "streamARN"), fmt.Sprintf(vNull, "consumerName"))},
		{"RegisterStreamConsumer", `{"StreamARN":"` + streamARN + `","ConsumerName":"a b"}`, validation, violations(fmt.Sprintf(vName, "a b", "consumerName"))},
		{"RegisterStreamConsumer", `{"StreamARN":"` + noneARN + `","ConsumerName":"x"}`, lost, missing},
		{
			"RegisterStreamConsumer", `{"StreamARN":"` + streamARN + `","ConsumerName":"app"}`, "ResourceInUseException",
			"Consumer app under stream s already exists for account 000000000000.",
		},
		{"DescribeStreamConsumer", `{}`, invalid, "Either ConsumerARN or both StreamARN and ConsumerName should be provided."},
		{"DescribeStreamConsumer", `{"ConsumerARN":"` + streamARN + `"}`, validation, violations("Value '" + streamARN + "' at 'consumerARN' failed to satisfy constraint: " +
			`Member must satisfy regular expression pattern: ^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`)},
		{"DescribeStreamConsumer", `{"ConsumerARN":"` + streamARN + `/consumer/app:1"}`, lost, "Consumer app under stream s under account 000000000000 not found."},
		{
			"DeregisterStreamConsumer", `{"ConsumerARN":"` + arn + `","ConsumerName":"other"}`, invalid,
			"ConsumerARN " + arn + " does not name the consumer that StreamARN and ConsumerName do.",
		},
		{"ListStreamConsumers", `{"StreamARN":"` + streamARN + `","MaxResults":0}`, validation, violations(fmt.Sprintf(vMin, 0, "maxResults", 1))},
		{"ListStreamConsumers", `{"StreamARN":"` + streamARN + `","NextToken":"x"}`, invalid, "Invalid NextToken."},
		{"SubscribeToShard", `{}`, validation, violations(fmt.Sprintf(vNull, "consumerARN"), fmt.Sprintf(vNull, "shardId"), fmt.Sprintf(vNull, "startingPosition"))},
		{"SubscribeToShard", subscribe(arn, "0", `{"Type":"NEWEST"}`), validation, violations("Value 'NEWEST' at 'startingPosition.type' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")},
		{"SubscribeToShard", subscribe(streamARN+"/consumer/none:1", "0", `{"Type":"LATEST"}`), lost, "Consumer none under stream s under account 000000000000 not found."},
		{
			"SubscribeToShard", subscribe(arn, "shardId-000000000009", `{"Type":"LATEST"}`), lost,
			"Shard shardId-000000000009 in stream s under account 000000000000 does not exist",
		},
		{
			"SubscribeToShard", subscribe(arn, "0", `{"Type":"AT_SEQUENCE_NUMBER","SequenceNumber":"5"}`), invalid,
			"StartingSequenceNumber 5 used in SubscribeToShard on shard shardId-000000000000 in stream s under account 000000000000 is invalid.",
		},
		{"SubscribeToShard", subscribe(arn, "0", `{"Type":"LATEST"},"DryRun":true`), "DryRunOperationException", "The request would have succeeded, but DryRun was set."},
	})
}
