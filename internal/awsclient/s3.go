package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// S3 is a client of S3. It is safe for concurrent use.
type S3 struct {
	// API keeps the SDK's retries.
	API *s3.Client
	// Endpoint is the URL that replaces the service's, "" for the service itself.
	Endpoint string
	// Unsigned says that there are no credentials: requests carry no signature,
	// which is enough for public buckets.
	Unsigned bool

	transport *http.Transport
}

// defaultS3Region is asked first where no region is set: it knows every bucket's.
const defaultS3Region = "us-east-1"

// NewS3 builds the client. Unlike [New] it needs neither a region nor
// credentials. A custom endpoint is addressed in path style.
func NewS3(ctx context.Context, o Options) (*S3, error) {
	cfg, unsigned, err := loadS3Config(ctx, o)
	if err != nil {
		return nil, err
	}
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok && o.RootCAs == nil {
		o.RootCAs = b.GetTransport().TLSClientConfig.RootCAs
	}
	c := &S3{Unsigned: unsigned, transport: newTransport(o)}
	c.API = s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = so.BaseEndpoint != nil
		so.HTTPClient = newIsolating(c.transport, new(atomic.Uint64))
		// Ranges have no checksum of their own.
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		c.Endpoint = aws.ToString(so.BaseEndpoint)
	})
	return c, nil
}

// Close closes idle connections.
func (c *S3) Close() { c.transport.CloseIdleConnections() }

func loadS3Config(ctx context.Context, o Options) (cfg aws.Config, unsigned bool, err error) {
	if o.Local {
		cfg, _, err = loadConfig(ctx, o)
		return cfg, false, err
	}
	if cfg, err = sharedConfig(ctx, o, config.WithDefaultRegion(defaultS3Region)); err != nil {
		return cfg, false, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		cfg.Credentials = aws.AnonymousCredentials{}
		return cfg, true, ctx.Err()
	}
	return cfg, false, nil
}

// BucketRegion returns the region that a refusal of S3 names as the bucket's,
// "" where it names none.
func BucketRegion(err error) string {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		return re.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}

// Explain wraps a failed call's error with what was attempted and with advice.
// It is [kload.ErrUnreachable].
func (c *S3) Explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	switch _, code := Classify(err); code {
	case "NoSuchBucket":
		return unreachable(wrapped, "check the bucket's name")
	case "NoSuchKey":
		return unreachable(wrapped, "the object has gone: run again, or check who deletes objects there")
	case "InvalidObjectState":
		return unreachable(wrapped, "the object is archived: restore it first, or leave it out of the data")
	case "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "HTTP403":
		if c.Unsigned {
			return unreachable(wrapped, "no AWS credentials were found, so the request was not signed, and the bucket is not public: run 'aws configure' or 'aws sso login', or set AWS_PROFILE")
		}
		return unreachable(wrapped, "check the identity with 'aws sts get-caller-identity': it needs s3:ListBucket and s3:GetObject, for a public bucket of somebody else's too")
	}
	return unreachable(wrapped, "check the network, the region and the endpoint of S3")
}
