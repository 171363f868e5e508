//go:build interop

package interop_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/kload/kload/internal/awscbor/protocol"
)

// TestCBORAgainstKinesalite lets the SDK speak CBOR to a service whose CBOR no
// one here wrote. Timestamps and reading are left out: kinesalite refuses tags,
// writes streams' times as seconds and blobs as maps.
func TestCBORAgainstKinesalite(t *testing.T) {
	plain := newClient(t, startNode(t, "kinesalite"))
	c := kinesis.New(plain.Data.Options(), protocol.New(protocol.Options{}).Use)
	ctx := t.Context()
	s := aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	for {
		d, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s})
		if err != nil {
			t.Fatal(err)
		}
		if d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
	in := &kinesis.PutRecordsInput{StreamName: s}
	for i := range 100 {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{
			Data: bytes.Repeat([]byte{byte(i), 0xff}, i*i/2), PartitionKey: aws.String(fmt.Sprint("clé", i)),
		})
	}
	put, err := c.PutRecords(ctx, in)
	if err != nil || *put.FailedRecordCount != 0 || len(put.Records) != 100 {
		t.Fatalf("%+v, %v", put, err)
	}
	it, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: s, ShardId: put.Records[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	if it.ShardIterator == nil || *it.ShardIterator == "" {
		t.Errorf("%+v", it)
	}
	out, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator, Limit: aws.Int32(1)})
	if _, ok := errors.AsType[*smithy.DeserializationError](err); !ok { // a map as data
		t.Errorf("kinesalite can be read now: %+v, %v", out, err)
	}
	_, err = c.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("none")})
	if missing, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || missing.ErrorMessage() == "" {
		t.Errorf("no such stream: %v", err)
	}
	_, err = c.ListStreams(ctx, &kinesis.ListStreamsInput{Limit: aws.Int32(-1)})
	if _, ok := errors.AsType[*types.ValidationException](err); !ok {
		t.Errorf("negative limit: %v", err)
	}
}
