package producer

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
)

// exchange makes PutRecords calls, one at a time, in memory that it reuses.
type exchange struct {
	o       *Options
	start   *awsclient.Start
	results protocol.Results
	entries []types.PutRecordsRequestEntry
}

func newExchange(o *Options) *exchange {
	return &exchange{o: o, start: awsclient.NewStart(o.Clock.Now)}
}

// context returns the context for the calls of put.
func (e *exchange) context(ctx context.Context) context.Context {
	return protocol.WithResults(awsclient.WithStart(ctx, e.start), &e.results)
}

// put sends the batch in one attempt. The results, one per record, are valid until
// the next call. The attempt starts when it has a connection, so that what it
// costs to make the request and to wait for a connection is not taken for the
// service's time; an attempt that got none, when it was made.
func (e *exchange) put(ctx context.Context, batch []*streamRecord) (results []protocol.Result, start int64, err error) {
	e.entries = e.entries[:0]
	for _, r := range batch {
		entry := types.PutRecordsRequestEntry{Data: r.data, PartitionKey: &r.key}
		if r.hashKey != "" {
			entry.ExplicitHashKey = &r.hashKey
		}
		e.entries = append(e.entries, entry)
	}
	e.start.Reset()
	e.results.Reset()
	made := e.o.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, e.o.Config.RequestTimeout)
	defer cancel()
	out, err := e.o.API.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &e.o.Stream, Records: e.entries})
	if start = e.start.At(); start == 0 {
		start = made
	}
	if err != nil {
		return nil, start, err
	}
	e.results.Take(out)
	return e.results.Entries, start, nil
}
