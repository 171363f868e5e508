package protocol

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
)

// payloadDigest computes what the signature says of a request's body while it is
// written, from memory that is still in the processor's cache. The SDK would read
// the whole body once more, megabytes later.
type payloadDigest struct {
	hash hash.Hash
	done int               // bytes digested
	sums [sha256.Size]byte // scratch
}

// digestStep is how much is digested at a time: a fraction of a first-level cache.
const digestStep = 16 << 10

func (d *payloadDigest) reset() {
	d.done = 0
	if d.hash != nil {
		d.hash.Reset()
	}
}

// follow digests what was appended to buf, unless it is too little to bother.
func (d *payloadDigest) follow(buf []byte) {
	if len(buf)-d.done >= digestStep {
		d.add(buf)
	}
}

func (d *payloadDigest) add(buf []byte) {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Write(buf[d.done:])
	d.done = len(buf)
}

// sum returns the digest of all of buf, in hexadecimal.
func (d *payloadDigest) sum(buf []byte) string {
	d.add(buf)
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], d.hash.Sum(d.sums[:0]))
	return string(text[:])
}

// Digest returns the SHA-256 of the body, in hexadecimal.
func (b *Body) Digest() string { return b.digest.sum(b.buf) }

// digestBody tells the signer the digest of a body that was written in parts; the
// SDK's own middleware then leaves it alone.
func digestBody(s *middleware.Stack) error {
	return s.Finalize.Add(middleware.FinalizeMiddlewareFunc("kload.DigestBody",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			if b := BodyOf(ctx); b != nil && b.digest.done > 0 {
				ctx = v4.SetPayloadHash(ctx, b.Digest())
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.Before)
}
