package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
)

// Body returns the request's body with a check at its end: the last Read fails
// with an [*Error] of [WrongPayload] instead of io.EOF when the body is not the
// one that was signed. What is not signed as a whole passes unchecked.
func (id *Identity) Body(body io.ReadCloser) io.ReadCloser {
	want, err := hex.DecodeString(id.PayloadHash)
	if err != nil || len(want) != sha256.Size {
		return body
	}
	return &checkedBody{body, sha256.New(), want}
}

type checkedBody struct {
	io.ReadCloser
	sum  hash.Hash
	want []byte
}

// Read is that of io.Reader.
func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && !hmac.Equal(b.sum.Sum(nil), b.want) {
		return n, refuse(WrongPayload, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return n, err
}

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Chunks verifies the signatures of an aws-chunked body, in which each chunk's
// signature covers the one before. It is not safe for concurrent use.
type Chunks struct {
	id       *Identity
	previous string
}

// Chunked reports whether the chunks of the body are signed: that its payload is
// STREAMING-AWS4-HMAC-SHA256-PAYLOAD, with or without -TRAILER.
func (id *Identity) Chunked() bool {
	return strings.HasPrefix(id.PayloadHash, "STREAMING-"+algorithm+"-PAYLOAD")
}

// Chunks returns a verifier of the body's chunks, beginning with the first.
func (id *Identity) Chunks() *Chunks { return &Chunks{id, id.signature} }

// Verify checks the signature of the next chunk, of whose data it takes the
// hash. The last chunk is empty and signed too.
func (c *Chunks) Verify(sum [sha256.Size]byte, signature string) error {
	return c.verify("-PAYLOAD", emptyHash+"\n"+hex.EncodeToString(sum[:]), signature)
}

// VerifyTrailer checks the signature of the trailing headers, of which it takes
// the hash: each as "name:value\n", without the signature's own.
func (c *Chunks) VerifyTrailer(sum [sha256.Size]byte, signature string) error {
	return c.verify("-TRAILER", hex.EncodeToString(sum[:]), signature)
}

func (c *Chunks) verify(kind, rest, signature string) error {
	toSign := algorithm + kind + "\n" + c.id.Time.Format(timeFormat) + "\n" + c.id.scope + "\n" + c.previous + "\n" + rest
	want := hex.EncodeToString(mac(c.id.key, toSign))
	if !hmac.Equal([]byte(want), []byte(signature)) {
		return &Error{Reason: Mismatch, Message: mismatch, StringToSign: toSign}
	}
	c.previous = want
	return nil
}
