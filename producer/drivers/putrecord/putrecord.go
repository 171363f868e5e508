// Package putrecord is the driver of a program that makes one PutRecord call for
// each record, with as many under way as there are connections: what most
// tutorials show. It is the dearest way in and the one with the least delay.
package putrecord

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/direct"
)

// Config has no settings: the ingress's own say it all.
type Config struct{}

// CounterNames lists what the driver counts.
func (*Config) CounterNames() []string { return direct.CounterNames() }

// Capabilities says what the driver can do.
func (*Config) Capabilities() producer.Capabilities {
	return producer.Capabilities{HashKeys: true, Settings: []string{"connections", "ttl", "request_timeout"}}
}

// API is the part of the Kinesis client that the driver uses.
type API interface {
	PutRecord(context.Context, *kinesis.PutRecordInput, ...func(*kinesis.Options)) (*kinesis.PutRecordOutput, error)
}

// mostBytes is above what any record may have: one is a call.
const mostBytes = 10 << 20

// New starts the driver. It sets what o says of requests.
func New(ctx context.Context, api API, stream string, o direct.Options) *direct.Ingress {
	o.MaxRecords, o.MaxBytes, o.Linger = 1, mostBytes, 0
	o.NewCall = func() direct.Call {
		return func(ctx context.Context, batch []*direct.Record, results *protocol.Results) error {
			r := batch[0]
			in := &kinesis.PutRecordInput{StreamName: &stream, Data: r.Data, PartitionKey: &r.Key}
			if r.HashKey != "" {
				in.ExplicitHashKey = &r.HashKey
			}
			out, err := api.PutRecord(ctx, in)
			if err != nil {
				return err
			}
			results.Entries = append(results.Entries, protocol.Result{
				Shard: aws.ToString(out.ShardId), Sequence: aws.ToString(out.SequenceNumber),
			})
			return nil
		}
	}
	return direct.New(ctx, o)
}
