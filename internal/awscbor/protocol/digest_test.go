package protocol_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awscbor/protocol"
)

// TestDigest compares the digest that requests are signed with and the digest of
// what is sent: with blobs around the size of a step, and bodies used again.
func TestDigest(t *testing.T) {
	var signed string
	look := func(s *middleware.Stack) error {
		return s.Finalize.Insert(middleware.FinalizeMiddlewareFunc("look",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
				middleware.FinalizeOutput, middleware.Metadata, error,
			) {
				signed = v4.GetPayloadHash(ctx)
				return next.HandleFinalize(ctx, in)
			}), (*v4.ComputePayloadSHA256)(nil).ID(), middleware.After)
	}
	h := &canned{status: http.StatusOK, media: awscbor.Media, body: verdicts(1)}
	p := protocol.New(protocol.Options{})
	c := client(h, func(o *kinesis.Options) {
		p.Use(o)
		o.APIOptions = append(o.APIOptions, look)
	})
	for _, sizes := range [][]int{{1}, {16 << 10}, {100, 20 << 10, 5}, {50 << 10, 50 << 10}, {16384 - 60, 7}, {0}, {3 << 20}} {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
		for i, size := range sizes {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: bytes.Repeat([]byte{byte(i + size)}, size), PartitionKey: aws.String("k")})
		}
		if _, err := c.PutRecords(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(h.request)
		if want := hex.EncodeToString(sum[:]); signed != want {
			t.Errorf("records of %v bytes are signed as %s, want %s", sizes, signed, want)
		}
	}
}
