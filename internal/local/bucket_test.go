package local_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
)

// TestBucketsOfAChild has a target that serves S3 beside Kinesis, at the same
// endpoint, and leaves nothing behind.
func TestBucketsOfAChild(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx := patience(t)
	p, err := local.Start(ctx, local.Config{Buckets: true})
	if err != nil {
		t.Fatal(err)
	}
	o := awsclient.Options{Local: true, Endpoint: p.Endpoint()}
	client, err := awsclient.NewS3(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	bucket, key := aws.String("trips"), aws.String("a/b c")
	if _, err := client.API.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.API.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader([]byte("0123"))}); err != nil {
		t.Fatal(err)
	}
	out, err := client.API.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=1-2")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out.Body)
	if string(text) != "12" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
	out.Body.Close()
	use(ctx, t, o)
	if report, err := p.Stop(ctx); err != nil || !report.Complete {
		t.Errorf("%v, %v", report, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
