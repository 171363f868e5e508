package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

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
	if err != nil || !info.Mode().IsRegular() {
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
func (c *call) GetObject(string, string, *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, err := c.read(c.request.Context(), c.at, c.when)
	if err != nil {
		return nil, c.fail(err)
	}
	span, err := c.span(o)
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
	span, err := c.span(o)
	if err != nil {
		_ = o.file.Close() // it was only read
		return nil, c.fail(err)
	}
	head := c.answer(o, o.file, span)
	if span != nil { // the protocol layer works it out again
		c.request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", span.Start, span.Start+span.Length-1))
	}
	return head, nil
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

// answer passes the object to the protocol layer, and its headers by it.
func (c *call) answer(o *object, body io.ReadCloser, span *gofakes3.ObjectRange) *gofakes3.Object {
	headers := c.w.headers
	headers["Content-Type"] = defaultType
	maps.Copy(headers, o.Headers)
	for parameter, values := range c.query {
		if name, ok := strings.CutPrefix(parameter, "response-"); ok {
			headers[http.CanonicalHeaderKey(name)] = values[0]
		}
	}
	headers["Last-Modified"] = o.lastModified().Format(http.TimeFormat)
	headers["Etag"] = quote(o.ETag)
	if c.query.Has("partNumber") && o.Parts != nil {
		headers["X-Amz-Mp-Parts-Count"] = strconv.Itoa(len(o.Parts))
	}
	if c.request.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && span == nil {
		o.Checksum.headers(headers)
	}
	return &gofakes3.Object{Name: o.Key, Size: o.size, Contents: body, Range: span}
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
	if _, err := c.commit(f, d, "Put"); err != nil {
		return err
	}
	c.w.headers["Etag"] = quote(d.ETag)
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
	v, err := c.commit(f, d, "Copy")
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
