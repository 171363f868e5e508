package s3

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/sigv4"
)

const (
	// maxDocument is the size of requests whose body is XML.
	maxDocument = 2 << 20
	// maxMetadata is S3's limit on the names and values of x-amz-meta- headers.
	maxMetadata = 2 << 10
	// defaultType is what S3 says about objects that came without a type.
	defaultType = "binary/octet-stream"
)

// call is one request on its way through admission, the protocol layer, whose
// backend it is, and the store.
type call struct {
	server  *Server
	store   *store
	request *http.Request
	w       response

	identity    *sigv4.Identity // nil where signatures are not checked
	at          location        // of the object, zero in requests about buckets
	bucket, key string
	query       url.Values
	when        conditions
	asked       *byteRange // nil for the whole object
	payload     *payload   // of object data; the body otherwise stays in request
}

// fail makes err the answer.
func (c *call) fail(err error) error {
	if err != nil {
		c.w.fault = asFault(err)
	}
	return err
}

// admit checks all that can be refused before the operation is known, and makes
// the body ready.
func (c *call) admit() error {
	r := c.request
	if r.Method == http.MethodOptions {
		return refuse(http.StatusForbidden, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
	}
	if s := c.server; s.verifier != nil {
		id, err := s.verifier.Verify(r, time.Now())
		if err != nil {
			return err
		}
		c.identity = &id
	}
	if err := c.address(); err != nil {
		return err
	}
	if err := c.supported(); err != nil {
		return err
	}
	c.when, c.asked = takeConditions(r.Header, "If-"), takeRange(r.Header)
	return c.body()
}

// address finds out which bucket and object the request is about.
func (c *call) address() (err error) {
	c.bucket, c.key, _ = strings.Cut(strings.TrimPrefix(c.request.URL.Path, "/"), "/")
	switch {
	case c.bucket == "" && c.key == "" && c.request.Method == http.MethodGet:
		return nil
	case c.bucket == "":
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	case !validBucket(c.bucket):
		return badRequest("InvalidBucketName", "The specified bucket is not valid.")
	case c.key != "":
		c.at, err = locate(c.bucket, c.key)
	}
	return err
}

// supported refuses what would be misunderstood. The protocol layer ignores
// parameters that it does not know, and would take PutObjectTagging for
// PutObject.
func (c *call) supported() error {
	c.query = c.request.URL.Query()
	for name := range c.query {
		switch name {
		case "list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "fetch-owner", "encoding-type",
			"uploads", "uploadId", "partNumber", "part-number-marker", "max-parts", "max-uploads", "key-marker", "upload-id-marker",
			"location", "versioning", "delete", "x-id", "versionId",
			"AWSAccessKeyId", "Signature", "Expires": // a signature of version 2, which is refused where there are keys
		default:
			if lower := strings.ToLower(name); !strings.HasPrefix(lower, "response-") && !strings.HasPrefix(lower, "x-amz-") {
				return notImplemented("the parameter " + strconv.Quote(name))
			}
		}
	}
	for name := range c.request.Header {
		for _, prefix := range []string{
			"X-Amz-Server-Side-Encryption-Customer-", "X-Amz-Copy-Source-Server-Side-", "X-Amz-Write-Offset-",
			"X-Amz-Object-Lock-", "X-Amz-Tagging", "X-Amz-Website-", "X-Minio-",
		} {
			if strings.HasPrefix(name, prefix) {
				return notImplemented("the header " + name)
			}
		}
	}
	if v := c.query.Get("versionId"); v != "" && v != "null" {
		return notImplemented("versions")
	}
	if c.request.Method == http.MethodPost && !c.query.Has("delete") && !c.query.Has("uploads") && !c.query.Has("uploadId") {
		return notImplemented("uploads by form")
	}
	return nil
}

func (c *call) copies() bool { return c.request.Header.Get("X-Amz-Copy-Source") != "" }

// body prepares object data to be streamed. Other bodies are small documents,
// which are read, decoded and checked here.
func (c *call) body() error {
	r := c.request
	if r.Method != http.MethodPut && r.Method != http.MethodPost {
		return nil
	}
	if r.ContentLength == 0 && len(r.TransferEncoding) == 0 {
		r.Body = http.NoBody
	}
	p, err := newPayload(r, c.identity)
	if err != nil {
		return err
	}
	upload := c.query.Get("uploadId")
	if r.Method == http.MethodPut || upload == "" { // CompleteMultipartUpload states that of the object, not of its body
		if err := p.expectChecksum(r.Header, c.store.uploadAlgorithm(upload)); err != nil {
			return err
		}
	}
	if r.Method == http.MethodPut && c.key != "" && !c.copies() {
		c.payload = p
		r.Header.Set("Content-Length", strconv.FormatInt(max(p.size, 1), 10)) // the protocol layer wants to see one
		return nil
	}
	if p.size > maxDocument {
		return badRequest("MaxMessageLengthExceeded", "Your request was too big.")
	}
	var document bytes.Buffer
	buf := c.store.buffer()
	defer c.store.buffers.Put(buf)
	if err := p.copyTo(&document, *buf); err != nil {
		return err
	}
	r.Body = io.NopCloser(&document)
	return nil
}

// receive stores object data in a file that nobody sees yet.
func (c *call) receive() (*staged, error) {
	f, err := c.store.stage()
	if err != nil {
		return nil, err
	}
	buf := c.store.buffer()
	defer c.store.buffers.Put(buf)
	err = c.payload.copyTo(f, *buf)
	if err != nil {
		f.discard()
		return nil, err
	}
	c.server.counters.bytesIn.Add(uint64(c.payload.size))
	return f, nil
}

// storedHeaders returns the headers of a request that are kept with the object.
func storedHeaders(h http.Header) (map[string]string, error) {
	out := map[string]string{"Content-Type": defaultType}
	size := 0
	for name, values := range h {
		switch name {
		case "Content-Type", "Cache-Control", "Content-Disposition", "Content-Language", "Expires":
			out[name] = values[0]
		default:
			if meta, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
				out[name] = strings.Join(values, ",")
				size += len(meta) + len(out[name])
			}
		}
	}
	var encodings []string
	for _, e := range contentEncodings(h) {
		if e != awsChunked {
			encodings = append(encodings, e)
		}
	}
	if encodings != nil {
		out["Content-Encoding"] = strings.Join(encodings, ",")
	}
	if size > maxMetadata {
		return nil, badRequest("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	return out, nil
}

// commit makes a staged file the object and tells the subscribers and the counters.
// They learn of it while changes of the tree are held up, so that events come in
// the order of the changes.
func (c *call) commit(f *staged, d description, event string) (version, error) {
	if c.when.match != "" {
		// Of a file that was put there by hand, the ETag to compare with is worked
		// out before the tree is held up.
		if o, err := c.store.open(c.request.Context(), c.at); err == nil {
			_ = o.file.Close() // it was only read
		}
	}
	return c.store.commit(c.at, f, d, c.when, func(v version) {
		c.server.counters.created.Add(1)
		c.server.counters.eventsDropped.Add(uint64(c.server.events.publish(Event{
			Name: "ObjectCreated:" + event, Bucket: c.bucket, Key: c.key, Size: v.size, ETag: d.ETag, Time: v.modified,
		})))
	})
}
