package s3

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload/internal/sigv4"
)

// maxPut is S3's limit on one PutObject and on a part: 5 GiB.
const maxPut = 5 << 30

// payload is the body of a request with all that can be checked about it: its
// length, the aws-chunked encoding, Content-MD5, the SHA-256 that was signed and
// a checksum in the header or in the trailer.
type payload struct {
	src    io.Reader
	chunks *chunkReader // nil where the body is sent as it is
	size   int64        // decoded, as declared

	md5, sha hash.Hash // sha is nil where the body's SHA-256 is not stated
	wantMD5  []byte
	wantSHA  string

	sum      hash.Hash // nil where there is no checksum
	checksum *checksum // its Value is "" until it is known
	trailer  string    // the header that must come in the trailer, or ""
}

// newPayload reads the headers that describe the body, checksums apart.
func newPayload(r *http.Request, id *sigv4.Identity) (*payload, error) {
	p := &payload{src: r.Body, size: r.ContentLength, md5: md5.New()}
	if err := p.decode(r, id); err != nil {
		return nil, err
	}
	if p.size > maxPut {
		return nil, badRequest("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	if text, ok := r.Header["Content-Md5"]; ok {
		raw, err := base64.StdEncoding.DecodeString(text[0])
		if err != nil || len(raw) != md5.Size {
			return nil, badRequest("InvalidDigest", "The Content-MD5 you specified is not valid.")
		}
		p.wantMD5 = raw
	}
	return p, nil
}

// decode sees to the encoding and to the length.
func (p *payload) decode(r *http.Request, id *sigv4.Identity) error {
	sha := r.Header.Get("X-Amz-Content-Sha256")
	if id != nil {
		sha = id.PayloadHash
	}
	encoding, err := chunkedEncoding(sha)
	if err != nil {
		return err
	}
	if encoding == nil {
		if len(sha) == 2*sha256.Size {
			p.wantSHA, p.sha = strings.ToLower(sha), sha256.New()
		}
		switch {
		case slices.Contains(contentEncodings(r.Header), awsChunked):
			return badRequest("InvalidRequest", "An aws-chunked body needs a STREAMING- word in x-amz-content-sha256.")
		case p.size < 0:
			return refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
		}
		return nil
	}
	text := r.Header.Get("X-Amz-Decoded-Content-Length")
	if text == "" {
		return refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.")
	}
	if p.size, err = strconv.ParseInt(text, 10, 64); err != nil || p.size < 0 {
		return badRequest("InvalidArgument", "x-amz-decoded-content-length is not a length: %q.", text)
	}
	var chunks *sigv4.Chunks
	if encoding.signed && id != nil {
		chunks = id.Chunks()
	}
	p.chunks = newChunkReader(r.Body, *encoding, p.size, chunks)
	p.src = p.chunks
	return nil
}

// expectChecksum finds out what the body's checksum is to be, or which it is that
// the trailer will bring. Where the client states none, one by the algorithm is
// worked out, none for "".
func (p *payload) expectChecksum(h http.Header, algorithm string) (err error) {
	if p.checksum, err = givenChecksum(h); err != nil {
		return err
	}
	if name, ok := strings.CutPrefix(http.CanonicalHeaderKey(h.Get("X-Amz-Trailer")), checksumPrefix); ok {
		if p.checksum != nil || p.chunks == nil || !p.chunks.encoding.trailer {
			return badRequest("InvalidRequest", "A checksum comes either in a header or in the trailer of an aws-chunked body.")
		}
		p.trailer, algorithm = checksumPrefix+name, strings.ToUpper(name)
	} else if h.Get("X-Amz-Trailer") != "" {
		return notImplemented("trailing headers other than checksums")
	}
	if p.checksum != nil {
		algorithm = p.checksum.Algorithm
	}
	if algorithm == "" {
		return nil
	}
	if p.checksum == nil {
		p.checksum = &checksum{Algorithm: algorithm, Type: fullObject}
	}
	p.sum, err = newHash(algorithm)
	return err
}

// copyTo writes the decoded body to w, by way of buf, and checks it. Only when it
// returns nil is what was written the object that the client meant.
func (p *payload) copyTo(w io.Writer, buf []byte) error {
	var got int64
	for {
		n, err := p.src.Read(buf)
		got += int64(n)
		if got > p.size {
			return incompleteBody(got, p.size)
		}
		if werr := p.take(w, buf[:n]); werr != nil {
			return werr
		}
		switch {
		case errors.Is(err, io.EOF):
			return p.check(got)
		case err != nil && refused(err):
			return err
		case err != nil: // the client is gone, or cut its own body short
			return incompleteBody(got, p.size)
		}
	}
}

func (p *payload) take(w io.Writer, b []byte) error {
	p.md5.Write(b)
	if p.sha != nil {
		p.sha.Write(b)
	}
	if p.sum != nil {
		p.sum.Write(b)
	}
	_, err := w.Write(b)
	return err
}

// check compares what came with what was announced.
func (p *payload) check(got int64) error {
	if got != p.size {
		return incompleteBody(got, p.size)
	}
	if p.wantMD5 != nil && string(p.md5.Sum(nil)) != string(p.wantMD5) {
		return badRequest("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	if p.sha != nil && hex.EncodeToString(p.sha.Sum(nil)) != p.wantSHA {
		return badRequest("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if err := p.readTrailer(); err != nil {
		return err
	}
	if p.sum == nil {
		return nil
	}
	sum := base64Sum(p.sum)
	if p.checksum.Value != "" && p.checksum.Value != sum {
		return badRequest("BadDigest", "The %s you specified did not match the calculated checksum.", p.checksum.Algorithm)
	}
	p.checksum.Value = sum
	return nil
}

// readTrailer takes the checksum from the trailer, which must hold the one that
// was announced and no other.
func (p *payload) readTrailer() error {
	if p.chunks == nil {
		return nil
	}
	given, err := givenChecksum(p.chunks.trailers)
	switch {
	case err != nil:
		return err
	case given == nil && p.trailer == "":
		return nil
	case given == nil || p.trailer == "" || given.Algorithm != p.checksum.Algorithm:
		return badRequest("MalformedTrailerError", "The trailer does not hold the checksum that x-amz-trailer announces.")
	}
	p.checksum = given
	return nil
}

// etag returns the MD5 of the body in hexadecimal.
func (p *payload) etag() string { return hex.EncodeToString(p.md5.Sum(nil)) }

const awsChunked = "aws-chunked"

// contentEncodings returns the words of Content-Encoding.
func contentEncodings(h http.Header) []string {
	var out []string
	for word := range strings.SplitSeq(h.Get("Content-Encoding"), ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}
