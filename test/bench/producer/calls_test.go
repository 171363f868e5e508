//go:build unix

package producer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/test/bench/rows"
)

// bigRequest is a request of 5 MB.
func bigRequest() *kinesis.PutRecordsInput {
	in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
	for i := range perCall {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{
			Data: bytes.Repeat([]byte{byte(i)}, aggregate), PartitionKey: aws.String(fmt.Sprintf("%0*d", keySize, i)),
		})
	}
	return in
}

// repeat measures a call that moves some records of the given size.
func repeat(e *rows.Env, records, size int, call func() error) (*rows.Figures, error) {
	n := max(1, e.Bytes/(records*size))
	for range max(1, n/4) {
		if err := call(); err != nil {
			return nil, err
		}
	}
	m := rows.Now()
	for range n {
		if err := call(); err != nil {
			return nil, err
		}
	}
	return m.Since(n*records, size), nil
}

func putRecordsKload(ctx context.Context, e *rows.Env) (*rows.Figures, error) {
	client, err := ours(ctx, e)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var results protocol.Results
	ctx = protocol.WithResults(ctx, &results)
	api, in := client.Over(awsclient.CBOR), bigRequest()
	return repeat(e, perCall, aggregate, func() error {
		results.Reset()
		if _, err := api.PutRecords(ctx, in); err != nil {
			return fmt.Errorf("putting records: %w", err)
		}
		if len(results.Entries) != perCall {
			return fmt.Errorf("%d results", len(results.Entries))
		}
		return nil
	})
}

func putRecordsSDK(ctx context.Context, e *rows.Env) (*rows.Figures, error) {
	api, in := stock(e), bigRequest()
	return repeat(e, perCall, aggregate, func() error { return putAll(ctx, api, in.Records) })
}

// pageRecords of the size of an aggregate make a GetRecords answer.
const pageRecords = 40

func pageCBOR() []byte {
	b := awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 3), "Records"), pageRecords)
	for i := range pageRecords {
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 4), "SequenceNumber"), sequence)
		b = awscbor.AppendMillis(awscbor.AppendText(b, "ApproximateArrivalTimestamp"), 1787036486712)
		b = awscbor.AppendBytes(awscbor.AppendText(b, "Data"), bytes.Repeat([]byte{byte(i)}, aggregate))
		b = awscbor.AppendText(awscbor.AppendText(b, "PartitionKey"), fmt.Sprintf("%0*d", keySize, i))
	}
	b = awscbor.AppendText(awscbor.AppendText(b, "NextShardIterator"), sequence)
	return awscbor.AppendInt(awscbor.AppendText(b, "MillisBehindLatest"), 0)
}

func pageJSON() []byte {
	b := []byte(`{"Records":[`)
	for i := range pageRecords {
		b = fmt.Appendf(b, `{"SequenceNumber":%q,"ApproximateArrivalTimestamp":1787036486.712,"Data":%q,"PartitionKey":"%0*d"},`,
			sequence, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, aggregate)), keySize, i)
	}
	return fmt.Appendf(bytes.TrimSuffix(b, []byte(",")), `],"NextShardIterator":%q,"MillisBehindLatest":0}`, sequence)
}

// inMemory answers without a network: what is left is decoding.
type inMemory struct{ body []byte }

func (m *inMemory) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": req.Header["Content-Type"]},
		Body: io.NopCloser(bytes.NewReader(m.body)), ContentLength: int64(len(m.body)),
	}, nil
}

func decode(ctx context.Context, e *rows.Env, page []byte, option func(*kinesis.Options)) (*rows.Figures, error) {
	api := kinesis.New(kinesis.Options{
		Region: "us-east-1", HTTPClient: &inMemory{page},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, option)
	return repeat(e, pageRecords, aggregate, func() error {
		out, err := api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("it")})
		if err == nil && len(out.Records) != pageRecords {
			return fmt.Errorf("%d records", len(out.Records))
		}
		return err
	})
}

// getRecordsKload decodes as the polling reader does: records point into the
// response.
func getRecordsKload(ctx context.Context, e *rows.Env) (*rows.Figures, error) {
	ctx = protocol.WithBuffer(ctx, new(protocol.Buffer))
	return decode(ctx, e, pageCBOR(), protocol.New(protocol.Options{}).Use)
}

func getRecordsSDK(ctx context.Context, e *rows.Env) (*rows.Figures, error) {
	return decode(ctx, e, pageJSON(), func(*kinesis.Options) {})
}
