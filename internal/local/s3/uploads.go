package s3

import (
	"context"
	"crypto/md5"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// This file answers the protocol layer's questions about multipart uploads.

var _ gofakes3.MultipartBackend = (*call)(nil)

// CreateMultipartUpload implements gofakes3.MultipartBackend.
func (c *call) CreateMultipartUpload(bucket, object string, _ map[string]string) (gofakes3.UploadID, error) {
	headers, err := storedHeaders(c.request.Header)
	if err != nil {
		return "", c.fail(err)
	}
	u := upload{
		Bucket: bucket, Key: object, Headers: headers, Started: time.Now(),
		Algorithm: strings.ToUpper(c.request.Header.Get("X-Amz-Checksum-Algorithm")),
		Type:      c.request.Header.Get("X-Amz-Checksum-Type"),
	}
	if err := u.checkAlgorithm(); err != nil {
		return "", c.fail(err)
	}
	id, err := c.store.startUpload(u)
	if u.Algorithm != "" {
		c.w.headers[checksumPrefix+"Algorithm"], c.w.headers[checksumPrefix+"Type"] = u.Algorithm, u.Type
	}
	return gofakes3.UploadID(id), c.fail(err)
}

// checkAlgorithm checks what kind of checksum the object is to have, and fills in
// the algorithm's default.
func (u *upload) checkAlgorithm() error {
	if u.Algorithm == "" {
		if u.Type != "" {
			return badRequest("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return nil
	}
	if _, err := newHash(u.Algorithm); err != nil {
		return err
	}
	if u.Type == "" {
		if u.Type = composite; u.Algorithm == "CRC64NVME" {
			u.Type = fullObject
		}
	}
	whole := strings.HasPrefix(u.Algorithm, "CRC")
	if u.Type == fullObject && !whole || u.Type == composite && u.Algorithm == "CRC64NVME" || u.Type != fullObject && u.Type != composite {
		return badRequest("InvalidRequest", "The %s checksum type cannot be used with the %s checksum algorithm.", u.Type, u.Algorithm)
	}
	return nil
}

// UploadPart implements gofakes3.MultipartBackend.
func (c *call) UploadPart(_, _ string, id gofakes3.UploadID, number int, _ int64, _ io.Reader) (string, error) {
	p, err := c.uploadPart(string(id), number)
	return quote(p.etag), c.fail(err)
}

func (c *call) uploadPart(id string, number int) (part, error) {
	u, err := c.store.uploadFor(c.at, id)
	if err != nil {
		return part{}, err
	}
	if sum := c.payload.checksum; sum != nil && u.Algorithm != "" && sum.Algorithm != u.Algorithm {
		return part{}, badRequest("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(u.Algorithm), strings.ToLower(sum.Algorithm))
	}
	f, err := c.receive()
	if err != nil {
		return part{}, err
	}
	p := part{number: number, etag: c.payload.etag()}
	if c.payload.checksum != nil {
		p.checksum = c.payload.checksum.Value
		c.payload.checksum.headers(c.w.headers)
	}
	return p, c.store.addPart(u, f, p)
}

// ListParts implements gofakes3.MultipartBackend.
func (c *call) ListParts(bucket, object string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	u, err := c.store.uploadFor(c.at, string(id))
	if err != nil {
		return nil, c.fail(err)
	}
	parts, err := c.store.parts(u)
	if err != nil {
		return nil, c.fail(err)
	}
	out := &gofakes3.ListMultipartUploadPartsResult{
		Bucket: bucket, Key: object, UploadID: id, StorageClass: "STANDARD", PartNumberMarker: marker, MaxParts: limit,
	}
	for _, p := range parts {
		if p.number <= marker {
			continue
		}
		if int64(len(out.Parts)) == limit {
			out.IsTruncated = true
			break
		}
		out.NextPartNumberMarker = p.number
		out.Parts = append(out.Parts, gofakes3.ListMultipartUploadPartItem{
			PartNumber: p.number, LastModified: gofakes3.NewContentTime(p.modified), ETag: quote(p.etag), Size: p.size,
		})
	}
	return out, nil
}

// ListMultipartUploads implements gofakes3.MultipartBackend.
func (c *call) ListMultipartUploads(
	bucket string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64,
) (*gofakes3.ListMultipartUploadsResult, error) {
	all, err := c.store.uploads(bucket)
	if err != nil {
		return nil, c.fail(err)
	}
	if prefix.HasDelimiter {
		return nil, c.fail(notImplemented("a delimiter in listings of uploads"))
	}
	out := &gofakes3.ListMultipartUploadsResult{Bucket: bucket, Prefix: prefix.Prefix, MaxUploads: limit}
	passed := marker == nil || marker.UploadID == ""
	if marker != nil {
		out.KeyMarker, out.UploadIDMarker = marker.Object, marker.UploadID
	}
	for _, u := range all {
		if marker != nil && (u.Key < marker.Object || u.Key == marker.Object && !passed) {
			passed = passed || gofakes3.UploadID(u.ID) == marker.UploadID
			continue
		}
		if !strings.HasPrefix(u.Key, prefix.Prefix) || marker != nil && marker.UploadID == "" && u.Key == marker.Object {
			continue
		}
		if int64(len(out.Uploads)) == limit {
			out.IsTruncated = true
			break
		}
		out.NextKeyMarker, out.NextUploadIDMarker = u.Key, gofakes3.UploadID(u.ID)
		out.Uploads = append(out.Uploads, gofakes3.ListMultipartUploadItem{
			Key: u.Key, UploadID: gofakes3.UploadID(u.ID), StorageClass: "STANDARD", Initiated: gofakes3.NewContentTime(u.Started),
		})
	}
	return out, nil
}

// AbortMultipartUpload implements gofakes3.MultipartBackend.
func (c *call) AbortMultipartUpload(_, _ string, id gofakes3.UploadID) error {
	u, err := c.store.uploadFor(c.at, string(id))
	if err == nil {
		err = c.store.dropUpload(u.ID)
	}
	return c.fail(err)
}

// CompleteMultipartUpload implements gofakes3.MultipartBackend.
func (c *call) CompleteMultipartUpload(
	_, _ string, id gofakes3.UploadID, in *gofakes3.CompleteMultipartUploadRequest,
) (gofakes3.VersionID, string, error) {
	numbers, etags := make([]int, len(in.Parts)), make([]string, len(in.Parts))
	for i, p := range in.Parts {
		numbers[i], etags[i] = p.PartNumber, p.ETag
	}
	d, err := c.complete(string(id), numbers, etags)
	return "", quote(d.ETag), c.fail(err)
}

// copiesPart reports whether the request is UploadPartCopy, which the protocol
// layer would take for UploadPart.
func (c *call) copiesPart() bool {
	return c.request.Method == http.MethodPut && c.query.Has("uploadId") && c.copies()
}

func (c *call) uploadPartCopy(ctx context.Context) {
	p, err := c.copyPart(ctx)
	if c.fail(err) != nil {
		return
	}
	body, err := xml.Marshal(struct {
		XMLName      xml.Name `xml:"CopyPartResult"`
		LastModified gofakes3.ContentTime
		ETag         string
	}{LastModified: gofakes3.NewContentTime(time.Now()), ETag: quote(p.etag)})
	if c.fail(err) == nil {
		_, _ = c.w.Write(append([]byte(xml.Header), body...)) // the client may be gone
	}
}

// copyPart makes a part of an object, or of a range of it, by way of the same
// checks as a part that is sent.
func (c *call) copyPart(ctx context.Context) (part, error) {
	number, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || number < 1 || number > maxPart {
		return part{}, badRequest("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(c.request.Header.Get("X-Amz-Copy-Source"), "/"), "?")
	text, err = url.QueryUnescape(text)
	if err != nil {
		return part{}, badRequest("InvalidArgument", "The copy source cannot be decoded.")
	}
	bucket, key, _ := strings.Cut(text, "/")
	o, err := c.source(ctx, bucket, key)
	if err != nil {
		return part{}, err
	}
	body := &contents{file: o.file, left: o.size}
	defer func() { _ = body.Close() }() // it was only read
	if text := c.request.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
		start, err1 := strconv.ParseInt(first, 10, 64)
		end, err2 := strconv.ParseInt(last, 10, 64)
		if !ok || err1 != nil || err2 != nil || start < 0 || end < start || end >= o.size {
			return part{}, badRequest("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last, inside the source.")
		}
		body.start, body.left = start, end-start+1
	}
	c.payload = &payload{src: body, size: body.left, md5: md5.New()}
	if err := c.payload.expectChecksum(http.Header{}, c.store.uploadAlgorithm(c.query.Get("uploadId"))); err != nil {
		return part{}, err
	}
	return c.uploadPart(c.query.Get("uploadId"), number)
}
