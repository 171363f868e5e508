package s3

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/kload/kload/internal/sigv4"
)

const (
	// chunkLine is how long a chunk's header or a trailer may be.
	chunkLine = 4096
	// minChunk is S3's limit on the size of all signed chunks but the last.
	minChunk = 8192
	// maxTrailers is how many trailing headers are read.
	maxTrailers = 16
)

// encoding is what X-Amz-Content-Sha256 says about an aws-chunked body.
type encoding struct{ signed, trailer bool }

// chunkedEncoding returns the encoding of a payload, nil of one that is sent as
// it is. There are three axes: signed or not, with which algorithm, and with
// trailing headers or not; see "Signature calculations for the authorization
// header: transferring payload in multiple chunks" in the S3 API Reference.
func chunkedEncoding(payload string) (*encoding, error) {
	switch payload {
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return &encoding{trailer: true}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD":
		return &encoding{signed: true}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
		return &encoding{signed: true, trailer: true}, nil
	}
	if strings.HasPrefix(payload, "STREAMING-") {
		return nil, notImplemented("the payload encoding " + strconv.Quote(payload))
	}
	return nil, nil
}

// chunkReader decodes an aws-chunked body. Its last Read gives io.EOF only when
// the body was complete and its signatures, where there are keys, are right;
// trailers then holds the trailing headers.
type chunkReader struct {
	src      *bufio.Reader
	encoding encoding
	chunks   *sigv4.Chunks // nil where signatures are not checked
	trailers http.Header

	hash      hash.Hash // of the current chunk, where chunks is set
	left      int64     // bytes of the current chunk
	size      int64     // of the current chunk
	limit     int64     // decoded bytes that may still come
	signature string    // of the current chunk
	started   bool
	err       error
}

func newChunkReader(src io.Reader, e encoding, limit int64, chunks *sigv4.Chunks) *chunkReader {
	return &chunkReader{src: bufio.NewReaderSize(src, 32<<10), encoding: e, limit: limit, chunks: chunks, hash: sha256.New()}
}

// Read is that of io.Reader. Its errors are faults.
func (c *chunkReader) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.chunks != nil {
		c.hash.Write(p[:n])
	}
	if err != nil {
		c.err = cut(err)
	}
	return n, c.err
}

// next ends the current chunk and begins the one after it. It gives io.EOF when
// that was the last one.
func (c *chunkReader) next() error {
	if c.started {
		if err := c.endChunk(); err != nil {
			return err
		}
	}
	last := c.size
	line, err := c.line()
	if err != nil {
		return err
	}
	if err := c.parse(line); err != nil {
		return err
	}
	if c.encoding.signed && c.started && c.size > 0 && last < minChunk {
		return refuse(http.StatusForbidden, "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes")
	}
	c.started, c.left = true, c.size
	if c.size > 0 {
		return nil
	}
	if err := c.verify(); err != nil {
		return err
	}
	return c.end()
}

// parse reads the header of a chunk: its size in hexadecimal and, where signed,
// its signature.
func (c *chunkReader) parse(line string) error {
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 63)
	signature, signed := strings.CutPrefix(extension, "chunk-signature=")
	if err != nil || signed != c.encoding.signed || !signed && extension != "" {
		return badRequest("InvalidRequest", "The header of a chunk is malformed: %q.", line)
	}
	if c.limit -= int64(n); c.limit < 0 {
		return badRequest("IncompleteBody", "The chunks hold more than x-amz-decoded-content-length says.")
	}
	c.size, c.signature = int64(n), signature
	return nil
}

// endChunk reads the line break after the data of a chunk and checks its signature.
func (c *chunkReader) endChunk() error {
	if line, err := c.line(); err != nil {
		return err
	} else if line != "" {
		return badRequest("InvalidRequest", "The data of a chunk is longer than its header says.")
	}
	return c.verify()
}

func (c *chunkReader) verify() error {
	if c.chunks == nil {
		return nil
	}
	err := c.chunks.Verify([sha256.Size]byte(c.hash.Sum(nil)), c.signature)
	c.hash.Reset()
	return err
}

// end reads what follows the last chunk: the trailing headers and an empty line,
// which some clients leave out.
func (c *chunkReader) end() error {
	c.trailers = http.Header{}
	signed := sha256.New()
	for {
		line, err := c.line()
		if err != nil && !errors.Is(err, errShort) {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !c.encoding.trailer || len(c.trailers) == maxTrailers {
			return badRequest("MalformedTrailerError", "The request contained trailing data that was not well-formed: %q.", line)
		}
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value)
		c.trailers.Add(name, value)
		if name != trailerSignature {
			signed.Write([]byte(strings.ToLower(name) + ":" + value + "\n"))
		}
	}
	if c.chunks != nil && c.encoding.trailer {
		if err := c.chunks.VerifyTrailer([sha256.Size]byte(signed.Sum(nil)), c.trailers.Get(trailerSignature)); err != nil {
			return err
		}
	}
	if _, err := c.src.ReadByte(); err == nil {
		return badRequest("InvalidRequest", "There is data after the last chunk.")
	}
	return io.EOF
}

const trailerSignature = "X-Amz-Trailer-Signature"

// refused reports whether err is about the encoding of the body, and not that it
// could not be read.
func refused(err error) bool {
	var f *fault
	var signature *sigv4.Error
	return errors.As(err, &f) || errors.As(err, &signature)
}

// errShort is the end of the body where more of it was due.
var errShort = badRequest("IncompleteBody", "The request body ended in the middle of a chunk.")

// cut words the end of a body that came too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

// line reads up to CR LF and returns what is before it.
func (c *chunkReader) line() (string, error) {
	raw, err := c.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), len(raw) > chunkLine:
		return "", badRequest("InvalidRequest", "A line between chunks is too long.")
	case err != nil && len(raw) > 0, errors.Is(err, io.ErrUnexpectedEOF):
		return "", badRequest("IncompleteBody", "The request body ended in the middle of a line.")
	case err != nil:
		return "", cut(err)
	}
	line, ok := strings.CutSuffix(string(raw), "\r\n")
	if !ok {
		return "", badRequest("InvalidRequest", "A line between chunks does not end in CR LF.")
	}
	return line, nil
}
