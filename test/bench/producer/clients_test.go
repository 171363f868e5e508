//go:build unix

package producer_test

import (
	"context"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/test/bench/rows"
)

// ours is kload's client.
func ours(ctx context.Context, e *rows.Env) (*awsclient.Client, error) {
	return awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: e.Endpoint, RootCAs: e.Roots})
}

// stock is the SDK as it comes.
func stock(e *rows.Env) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &e.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig.RootCAs = e.Roots
		}),
	})
}
