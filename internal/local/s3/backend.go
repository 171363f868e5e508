package s3

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"

	"github.com/johannesboyne/gofakes3"
)

// This file answers the protocol layer's questions about buckets and objects.

var _ gofakes3.Backend = (*call)(nil)

// ListBuckets implements gofakes3.Backend.
func (c *call) ListBuckets() ([]gofakes3.BucketInfo, error) {
	buckets, err := c.store.buckets()
	out := make([]gofakes3.BucketInfo, len(buckets))
	for i, b := range buckets {
		out[i] = gofakes3.BucketInfo{Name: b.name, CreationDate: gofakes3.NewContentTime(b.created)}
	}
	return out, c.fail(err)
}

// BucketExists implements gofakes3.Backend.
func (c *call) BucketExists(name string) (bool, error) {
	if !c.store.hasBucket(name) {
		return false, c.fail(noSuchBucket())
	}
	return true, nil
}

// CreateBucket implements gofakes3.Backend.
func (c *call) CreateBucket(name string) error { return c.fail(c.store.createBucket(name)) }

// DeleteBucket implements gofakes3.Backend.
func (c *call) DeleteBucket(name string) error { return c.fail(c.store.deleteBucket(name)) }

// ForceDeleteBucket implements gofakes3.Backend. Nothing reaches it: the header
// that asks for it is refused.
func (c *call) ForceDeleteBucket(string) error {
	return c.fail(notImplemented("the deletion of buckets with objects"))
}

// ListBucket implements gofakes3.Backend.
func (c *call) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	q := query{bucket: name, prefix: prefix.Prefix, delimiter: prefix.Delimiter, after: page.Marker, max: int(page.MaxKeys)}
	entries, truncated, err := c.store.list(c.request.Context(), q)
	if err != nil {
		return nil, c.fail(err)
	}
	list := &gofakes3.ObjectList{IsTruncated: truncated}
	for _, e := range entries {
		if e.path == "" {
			list.AddPrefix(e.key)
			continue
		}
		content, err := c.content(name, e)
		if err != nil {
			return nil, c.fail(err)
		}
		if content != nil {
			list.Add(content)
		}
	}
	if truncated {
		list.NextMarker = entries[len(entries)-1].key
	}
	return list, nil
}

// content describes an object in a listing, nil when it is gone by now.
func (c *call) content(bucket string, e entry) (*gofakes3.Content, error) {
	at, err := locate(bucket, e.key)
	if err != nil {
		return nil, nil // a file name beyond what a key can be
	}
	info, err := c.store.root.Lstat(e.path)
	if err != nil {
		return nil, nil
	}
	v := versionOf(info)
	var d description
	if c.store.readJSON(describedAt(at, v), &d) != nil {
		o, err := c.store.open(c.request.Context(), at)
		if _, gone := errors.AsType[*fault](err); gone {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		_ = o.file.Close() // it was only read
		v, d = o.version, o.description
	}
	return &gofakes3.Content{
		Key: e.key, LastModified: gofakes3.NewContentTime(v.modified), ETag: quote(d.ETag), Size: v.size, StorageClass: "STANDARD",
	}, nil
}

func quote(etag string) string { return `"` + etag + `"` }

// GetObject implements gofakes3.Backend.
func (c *call) GetObject(_, _ string, asked *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, err := c.read(c.request.Context(), c.at, c.when)
	if err != nil {
		return nil, c.fail(err)
	}
	span, err := c.span(o, asked)
	if err != nil {
		_ = o.file.Close() // it was only read
		return nil, c.fail(err)
	}
	body := &contents{file: o.file, left: o.size}
	if span != nil {
		body.start, body.left = span.Start, span.Length
	}
	return c.answer(o, body, span), nil
}

// HeadObject implements gofakes3.Backend. The protocol layer asks for the source
// of a copy this way too, of which CopyObject sees to everything.
func (c *call) HeadObject(_, key string) (*gofakes3.Object, error) {
	if c.copies() {
		return &gofakes3.Object{Name: key, Contents: http.NoBody}, nil
	}
	o, err := c.read(c.request.Context(), c.at, c.when)
	if err != nil {
		return nil, c.fail(err)
	}
	span, err := c.span(o, nil)
	if err == nil && span != nil {
		c.request.Header.Set("Range", "bytes="+strconv.FormatInt(span.Start, 10)+"-"+strconv.FormatInt(span.Start+span.Length-1, 10))
	}
	return c.answer(o, o.file, nil), c.fail(err)
}

// read opens an object if the conditions allow that.
func (c *call) read(ctx context.Context, at location, when conditions) (*object, error) {
	o, err := c.store.open(ctx, at)
	if err != nil {
		return nil, err
	}
	switch status := when.read(o); status {
	case http.StatusOK:
		return o, nil
	case http.StatusNotModified:
		err = refuse(status, "NotModified", "Not Modified")
		c.w.Header().Set("ETag", quote(o.ETag))
	default:
		err = preconditionFailed()
	}
	_ = o.file.Close() // it was only read
	return nil, err
}

// answer passes the object to the protocol layer, and our headers by it.
func (c *call) answer(o *object, body io.ReadCloser, span *gofakes3.ObjectRange) *gofakes3.Object {
	headers := map[string]string{"Content-Type": defaultType}
	maps.Copy(headers, o.Headers)
	headers["Last-Modified"] = o.lastModified().Format(http.TimeFormat)
	c.w.headers["ETag"] = quote(o.ETag)
	if c.query.Has("partNumber") && o.Parts != nil {
		headers["X-Amz-Mp-Parts-Count"] = strconv.Itoa(len(o.Parts))
	}
	if c.request.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && c.request.Header.Get("Range") == "" && span == nil {
		o.Checksum.headers(headers)
	}
	return &gofakes3.Object{Name: o.Key, Metadata: headers, Size: o.size, Contents: body, Range: span}
}

// span returns which bytes are asked for, by range or by number of the part; nil
// stands for all.
func (c *call) span(o *object, asked *gofakes3.ObjectRangeRequest) (*gofakes3.ObjectRange, error) {
	text := c.query.Get("partNumber")
	if text == "" {
		span, err := asked.Range(o.size)
		if err != nil || asked != nil && asked.FromEnd && asked.End == 0 {
			return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
		}
		return span, nil
	}
	parts := o.Parts
	if parts == nil {
		parts = []int64{o.size}
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1 || n > maxPart || asked != nil:
		return nil, badRequest("InvalidArgument", "partNumber must be a number from 1 to 10000, and excludes a range.")
	case n > len(parts):
		return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	case o.size == 0:
		return nil, nil
	}
	span := &gofakes3.ObjectRange{Length: parts[n-1]}
	for _, size := range parts[:n-1] {
		span.Start += size
	}
	return span, nil
}

// contents is a span of a file, as the body of an answer.
type contents struct {
	file        *os.File
	start, left int64
}

// Read is that of io.Reader.
func (c *contents) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.file.ReadAt(p[:min(int64(len(p)), c.left)], c.start)
	c.start, c.left = c.start+int64(n), c.left-int64(n)
	if c.left > 0 {
		return n, err
	}
	return n, nil
}

// Close closes the file.
func (c *contents) Close() error { return c.file.Close() }

// limited returns the span in the form that net/http hands to the kernel.
func (c *contents) limited() (io.Reader, error) {
	if _, err := c.file.Seek(c.start, io.SeekStart); err != nil {
		return nil, err
	}
	return &io.LimitedReader{R: c.file, N: c.left}, nil
}

// PutObject implements gofakes3.Backend.
func (c *call) PutObject(
	string, string, map[string]string, io.Reader, int64, *gofakes3.PutConditions,
) (gofakes3.PutObjectResult, error) {
	return gofakes3.PutObjectResult{}, c.fail(c.put())
}

func (c *call) put() error {
	headers, err := storedHeaders(c.request.Header)
	if err != nil {
		return err
	}
	f, err := c.receive()
	if err != nil {
		return err
	}
	d := description{ETag: c.payload.etag(), Headers: headers, Checksum: c.payload.checksum}
	if _, err := c.store.commit(c.at, f, d, c.when, c.created(c.at, "Put", d)); err != nil {
		return err
	}
	c.w.headers["ETag"] = quote(d.ETag)
	d.Checksum.headers(c.w.headers)
	return nil
}

// DeleteObject implements gofakes3.Backend.
func (c *call) DeleteObject(_, _ string) (gofakes3.ObjectDeleteResult, error) {
	return gofakes3.ObjectDeleteResult{}, c.fail(c.remove(c.at))
}

func (c *call) remove(at location) error {
	existed, err := c.store.remove(at)
	if existed {
		c.server.counters.deleted.Add(1)
	}
	return err
}

// DeleteMulti implements gofakes3.Backend.
func (c *call) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var out gofakes3.MultiDeleteResult
	if len(keys) > 1000 {
		return out, c.fail(badRequest("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"))
	}
	for _, key := range keys {
		at, err := locate(bucket, key)
		if err == nil {
			err = c.remove(at)
		}
		if err != nil {
			f := asFault(err)
			out.Error = append(out.Error, gofakes3.ErrorResult{Key: key, Code: gofakes3.ErrorCode(f.code), Message: f.message})
			continue
		}
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

// CopyObject implements gofakes3.Backend.
func (c *call) CopyObject(srcBucket, srcKey, _, _ string, _ map[string]string) (gofakes3.CopyObjectResult, error) {
	v, d, err := c.copyObject(srcBucket, srcKey)
	return gofakes3.CopyObjectResult{ETag: quote(d.ETag), LastModified: gofakes3.NewContentTime(v.modified)}, c.fail(err)
}

func (c *call) copyObject(bucket, key string) (version, description, error) {
	o, err := c.source(c.request.Context(), bucket, key)
	if err != nil {
		return version{}, description{}, err
	}
	defer func() { _ = o.file.Close() }() // it was only read
	d := description{ETag: o.ETag, Headers: o.Headers, Checksum: o.Checksum}
	switch directive := cmp.Or(c.request.Header.Get("X-Amz-Metadata-Directive"), "COPY"); {
	case directive == "REPLACE":
		if d.Headers, err = storedHeaders(c.request.Header); err != nil {
			return version{}, description{}, err
		}
	case directive != "COPY":
		return version{}, description{}, badRequest("InvalidArgument", "Unknown metadata directive.")
	case bucket == c.bucket && key == c.key:
		return version{}, description{}, badRequest("InvalidRequest",
			"This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.")
	}
	f, err := c.store.stage()
	if err != nil {
		return version{}, description{}, err
	}
	if _, err := io.Copy(f.File, o.file); err != nil { // in the kernel, where it can
		f.discard()
		return version{}, description{}, err
	}
	if o.Parts != nil { // the copy is one whole
		d.Checksum = nil
		if d.ETag, err = c.store.hashFile(c.request.Context(), f.File); err != nil {
			f.discard()
			return version{}, description{}, err
		}
	}
	v, err := c.store.commit(c.at, f, d, c.when, c.created(c.at, "Copy", d))
	return v, d, err
}

// source opens the source of a copy under the conditions that the request makes
// for it.
func (c *call) source(ctx context.Context, bucket, key string) (*object, error) {
	at, err := locate(bucket, key)
	if err != nil {
		return nil, err
	}
	if !c.store.hasBucket(bucket) {
		return nil, noSuchBucket()
	}
	o, err := c.read(ctx, at, takeConditions(c.request.Header, "X-Amz-Copy-Source-If-"))
	if f, ok := errors.AsType[*fault](err); ok && f.status == http.StatusNotModified {
		return nil, preconditionFailed()
	}
	return o, err
}
