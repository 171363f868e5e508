package a8m_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	kp "github.com/a8m/kinesis-producer"

	"github.com/kload/kload/producer/drivers/a8m"
)

// FuzzOutcome holds that an outcome that can be read is written as it was, or
// shorter where numbers had more bytes than they need.
func FuzzOutcome(f *testing.F) {
	f.Add([]byte{1, 1, 0, 1, 2, 3, 0, 1, 's', 0, 0, 0, 0, 0, 0, 0, 1, 0, 5})
	f.Add([]byte{9})
	read := a8m.Decoders()["outcome"]
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok := read(b)
		if !ok {
			return
		}
		third, ok := read(again)
		if !ok || !bytes.Equal(again, third) || len(again) > len(b) {
			t.Errorf("% x became % x and then % x", b, again, third)
		}
	})
}

// FuzzAggregate holds that the payloads of what the library makes are found, and
// that anything else does no harm.
func FuzzAggregate(f *testing.F) {
	f.Add([]byte("one"), []byte("two"), []byte{0xf3, 0x89, 0x9a, 0xc2, 0x1a, 2, 0x1a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	split := a8m.Decoders()["aggregate"]
	f.Fuzz(func(t *testing.T, a, b, other []byte) {
		if got, ok := split(other); ok && len(got) > len(other) {
			t.Errorf("%d bytes in %d", len(got), len(other))
		}
		var agg kp.Aggregator
		agg.Put(a, "key")
		agg.Put(b, "key")
		entry, err := agg.Drain()
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := split(entry.Data); !ok || !bytes.Equal(got, append(bytes.Clone(a), b...)) {
			t.Errorf("%q and %q became %q", a, b, got)
		}
	})
}

func TestReadFrame(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		end      error // nil for another error
	}{
		{"nothing", "", io.EOF},
		{"half a head", "\x01\x00", io.ErrUnexpectedEOF},
		{"half a body", "\x02\x00\x00\x00Dx", io.ErrUnexpectedEOF},
		{"too long", "\x00\x00\x00\x7fD", nil},
	} {
		_, _, err := a8m.ReadFrame(bytes.NewReader([]byte(tt.in)))
		if err == nil || tt.end != nil && !errors.Is(err, tt.end) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	kind, body, err := a8m.ReadFrame(bytes.NewReader([]byte("\x02\x00\x00\x00Dxy")))
	if kind != 'D' || string(body) != "xy" || err != nil {
		t.Errorf("frame %c %q: %v", kind, body, err)
	}
}
