package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/kload/kload/internal/local/httpapi"
)

// FuzzDecodeBase64 compares with the encoding's own decoder, which passes over
// line breaks.
func FuzzDecodeBase64(f *testing.F) {
	enc := base64.StdEncoding.Strict()
	for size := range 60 {
		f.Add([]byte(enc.EncodeToString(bytes.Repeat([]byte{0xfb, 0xff, 0, 7, 0x3e}, size)[:size])))
	}
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAA"))
	f.Add([]byte("AA\r\r=="))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAAAAAAA"))
	f.Add([]byte("AAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	f.Fuzz(func(t *testing.T, text []byte) {
		want, got := make([]byte, enc.DecodedLen(len(text))), make([]byte, enc.DecodedLen(len(text)))
		wn, wantErr := enc.Decode(want, text)
		gn, gotErr := httpapi.DecodeBase64(enc, got, text)
		if lines := bytes.ContainsAny(text, "\r\n"); (wantErr == nil && !lines) != (gotErr == nil) {
			t.Fatalf("%v, want %v", gotErr, wantErr)
		}
		if gotErr == nil && !bytes.Equal(got[:gn], want[:wn]) {
			t.Fatalf("%x, want %x", got[:gn], want[:wn])
		}
	})
}

func BenchmarkDecodeBase64(b *testing.B) {
	data := make([]byte, 100<<10)
	if _, err := rand.NewChaCha8([32]byte{}).Read(data); err != nil {
		b.Fatal(err)
	}
	text := []byte(base64.StdEncoding.EncodeToString(data))
	dst := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	for name, decode := range map[string]func(*base64.Encoding, []byte, []byte) (int, error){
		"ours": httpapi.DecodeBase64, "encoding": (*base64.Encoding).Decode,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := decode(base64.StdEncoding, dst, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
