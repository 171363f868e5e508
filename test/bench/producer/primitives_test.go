//go:build unix

package producer_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"net"
	"time"

	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/test/bench/rows"
)

// The stages that every byte passes at least once on its way, and what a record
// costs apart from its bytes.
const (
	unitMemcpy  = "memcpy-ns/B"
	unitMD5     = "md5-ns/B"
	unitSHA     = "sha256-ns/B"
	unitAES     = "aes-128-gcm-ns/B"
	unitTCP     = "tcp-ns/B"
	unitPredict = "predict-ns/record"
)

// floor is what a user record of the given size costs at least, in nanoseconds
// of CPU: its bytes with what the aggregate adds to them (8 of structure and an
// unrepeated key with its 2) are copied into the aggregate and into the request,
// digested for the aggregate (scalar MD5) and for the signature (SHA-256),
// encrypted and sent; its shard is predicted (MD5 of the key and a search), and
// 20 ns go for walking through it all.
func floor(p map[string]float64, size int) float64 {
	bytes := float64(size + 8 + keySize + 2)
	return bytes*(p[unitMD5]+2*p[unitMemcpy]+p[unitSHA]+p[unitAES]+p[unitTCP]) + p[unitPredict] + 20
}

// primitives measures the stages by themselves.
func primitives(_ context.Context, e *rows.Env) (*rows.Figures, error) {
	span := time.Duration(e.Bytes) / 2 // 75 ms of CPU each at the default of 150 MB
	f := &rows.Figures{N: 1, Values: map[string]float64{}}
	chunk, big := make([]byte, 16<<10), make([]byte, 1<<20)
	from, to := make([]byte, 32<<20), make([]byte, 32<<20) // more than the caches hold, as requests under way are
	f.Values[unitMemcpy] = perByte(span, len(from), func() { copy(to, from) })
	f.Values[unitMD5] = perByte(span, len(chunk), func() { md5.Sum(chunk) })
	f.Values[unitSHA] = perByte(span, len(chunk), func() { sha256.Sum256(chunk) })

	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return nil, fmt.Errorf("keying AES: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("keying AES-GCM: %w", err)
	}
	nonce, sealed := make([]byte, gcm.NonceSize()), make([]byte, 0, len(chunk)+gcm.Overhead())
	f.Values[unitAES] = perByte(span, len(chunk), func() { sealed = gcm.Seal(sealed[:0], nonce, chunk, nil) })

	c, err := net.Dial("tcp", e.Sink)
	if err != nil {
		return nil, fmt.Errorf("connecting to the sink: %w", err)
	}
	defer c.Close()
	var sendErr error
	f.Values[unitTCP] = perByte(span, len(big), func() {
		if _, err := c.Write(big); err != nil {
			sendErr = err
		}
	})
	if sendErr != nil {
		return nil, fmt.Errorf("sending: %w", sendErr)
	}
	n, err := newNull()
	if err != nil {
		return nil, err
	}
	feed := newFeed(100)
	f.Values[unitPredict] = perByte(span, 1000, func() {
		for range 1000 {
			_, key := feed.next()
			n.shards.Locate(shard.HashOf(key))
		}
	})
	return f, nil
}

// perByte returns the nanoseconds of CPU per byte of an operation on so many.
func perByte(span time.Duration, bytes int, op func()) float64 {
	op()
	start, done := proc.CPUTime(), 0
	for {
		for range 4 {
			op()
		}
		done += 4
		if used := proc.CPUTime() - start; used >= span {
			return float64(used) / float64(done) / float64(bytes)
		}
	}
}
