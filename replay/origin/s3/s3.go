// Package s3 is recorded data in a bucket: of Amazon S3, or of any endpoint that
// speaks its protocol.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/replay/origin"
)

// Scheme begins the addresses of this kind of place.
const Scheme = "s3://"

// bucket is an origin of the objects of a bucket whose keys have a prefix.
type bucket struct {
	client       *awsclient.S3
	name, prefix string
	region       atomic.Pointer[string] // as the service told, if it is not the client's
}

// New returns an origin of what s3://BUCKET/PREFIX names. A prefix is a string
// that keys begin with, not a folder; it may be empty.
func New(client *awsclient.S3, address string) (origin.Origin, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(address, Scheme), "/")
	if name == "" || strings.ContainsAny(name, " \t?#") {
		return nil, kload.WithHint(fmt.Errorf("bad address %q", address), "write s3://BUCKET or s3://BUCKET/PREFIX")
	}
	return &bucket{client: client, name: name, prefix: prefix}, nil
}

// String says where the data is and how it is reached.
func (b *bucket) String() string {
	text := Scheme + b.name + "/" + b.prefix
	if b.client.Endpoint != "" {
		text += " at " + b.client.Endpoint
	}
	if b.client.Unsigned {
		text += ", unsigned (no AWS credentials found)"
	}
	return text
}

// List pages through the bucket.
func (b *bucket) List(ctx context.Context) (origin.Listing, error) {
	var l origin.Listing
	in := &s3.ListObjectsV2Input{Bucket: aws.String(b.name), Prefix: aws.String(b.prefix)}
	for pages := s3.NewListObjectsV2Paginator(b.client.API, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx, b.options)
		if region := awsclient.BucketRegion(err); region != "" && b.moved(region) {
			page, err = pages.NextPage(ctx, b.options)
		}
		if err != nil {
			return origin.Listing{}, b.client.Explain(err, "listing "+Scheme+b.name+"/"+b.prefix)
		}
		for i := range page.Contents {
			b.add(&l, &page.Contents[i])
		}
	}
	// Directory buckets list in an order of their own.
	slices.SortFunc(l.Objects, func(a, b origin.Object) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Skipped, func(a, b origin.Skipped) int { return cmp.Compare(a.Name, b.Name) })
	return l, nil
}

// add lists one object. The one that was asked for by its whole key is taken
// whatever it is called.
func (b *bucket) add(l *origin.Listing, o *types.Object) {
	key, size := aws.ToString(o.Key), aws.ToInt64(o.Size)
	reason := origin.Unusable(key[strings.LastIndexByte(b.prefix, '/')+1:], size)
	if key == b.prefix && size > 0 {
		reason = ""
	}
	if reason != "" {
		l.Skipped = append(l.Skipped, origin.Skipped{Name: key, Reason: reason})
		return
	}
	l.Objects = append(l.Objects, origin.Object{
		Name: key, Size: size, Modified: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag),
	})
}

// moved notes a bucket's region. It reports whether that is news.
func (b *bucket) moved(region string) bool {
	was := b.region.Swap(&region)
	return (was == nil || *was != region) && b.client.API.Options().Region != region
}

func (b *bucket) options(o *s3.Options) {
	if region := b.region.Load(); region != nil {
		o.Region = *region
	}
}

// Open asks for a range of the very version that was listed.
func (b *bucket) Open(ctx context.Context, o origin.Object, offset, size int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{
		Bucket: aws.String(b.name), Key: aws.String(o.Name),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+size-1)),
	}
	if o.ETag != "" {
		in.IfMatch = aws.String(o.ETag)
	}
	out, err := b.client.API.GetObject(ctx, in, b.options)
	if err != nil {
		return nil, b.explain(err, o)
	}
	// An endpoint that knows no ranges sends all of the object.
	if want := fmt.Sprintf("bytes %d-", offset); (offset > 0 || size < o.Size) && !strings.HasPrefix(aws.ToString(out.ContentRange), want) {
		return nil, errors.Join(kload.WithHint(
			fmt.Errorf("asking for bytes %d to %d: the answer is another range: %q: %w", offset, offset+size-1, aws.ToString(out.ContentRange), fs.ErrInvalid),
			"the endpoint does not serve ranges: copy the data, and replay it from file://"), out.Body.Close())
	}
	return out.Body, nil
}

func (b *bucket) explain(err error, o origin.Object) error {
	_, code := awsclient.Classify(err)
	explained := b.client.Explain(err, "asking for "+o.Name)
	switch code {
	case "PreconditionFailed":
		return origin.Changed()
	case "NoSuchKey", "NoSuchBucket":
		return fmt.Errorf("%w: %w", fs.ErrNotExist, explained)
	case "AccessDenied", "InvalidObjectState":
		return fmt.Errorf("%w: %w", fs.ErrPermission, explained)
	}
	return explained
}
