package trace_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/trace"
)

var stamp = trace.Stamp{Run: 0xCAFE, Producer: 3, Seq: 1 << 40, T0: 1_700_000_000_123_456_789}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func TestCarrierNames(t *testing.T) {
	for c := trace.None; c <= trace.Tag; c++ {
		if got, err := trace.ParseCarrier(c.String()); got != c || err != nil {
			t.Errorf("ParseCarrier(%q) = %v, %v", c, got, err)
		}
	}
	_, err := trace.ParseCarrier("xray")
	var hint *kload.HintError
	if !errors.Is(err, kload.ErrInvalid) || !errors.As(err, &hint) {
		t.Errorf("ParseCarrier(xray): %v; want ErrInvalid with a hint", err)
	}
	if got := trace.Carrier(9).String(); got != "Carrier(9)" {
		t.Errorf("String = %q", got)
	}
}

func TestPrefixLayout(t *testing.T) {
	payload := []byte("payload")
	got, err := trace.Prefix.AppendStamped([]byte("x"), payload, stamp)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{'x', 0xF6, 'k', 'l', 1, 0, 0, 0xCA, 0xFE, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0}
	want = binary.BigEndian.AppendUint64(want, uint64(stamp.T0))
	want = binary.BigEndian.AppendUint32(want, crc(payload))
	if diff := cmp.Diff(append(want, payload...), got); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		carrier trace.Carrier
		payload string
		stamped string // with … for the text of the stamp; empty: not checked
	}{
		{trace.Prefix, "", ""},
		{trace.Prefix, "opaque \x00\xff", ""},
		{trace.JSON, `{"a":1}`, `{"a":1,"_k":"…"}`},
		{trace.JSON, "{\"a\":1}\n", "{\"a\":1,\"_k\":\"…\"}\n"},
		{trace.JSON, " { } \r\n", " { \"_k\":\"…\"} \r\n"},
		{trace.JSON, `{}`, `{"_k":"…"}`},
		{trace.JSON, `{"a":{}}`, `{"a":{},"_k":"…"}`},
		{trace.JSON, `{"_k":"own"}`, `{"_k":"own","_k":"…"}`},
		{trace.Tag, `{"a":1}`, `{"a":1}`},
		{trace.Tag, "", ""},
	}
	reader := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag)
	for _, s := range []trace.Stamp{stamp, {}, {Run: math.MaxUint32, Producer: math.MaxUint32, Seq: math.MaxUint64, T0: -1}} {
		for _, tt := range tests {
			payload := []byte(tt.payload)
			data, err := tt.carrier.AppendStamped(nil, payload, s)
			if err != nil {
				t.Fatal(err)
			}
			var tag []byte
			if tt.carrier == trace.Tag {
				tag = trace.AppendTag(nil, payload, s)
			}
			if got := len(data) + len(tag) - len(payload); got != tt.carrier.Overhead() && strings.Trim(tt.payload, " {}\r\n") != "" {
				t.Errorf("%v %q: overhead %d; want %d", tt.carrier, payload, got, tt.carrier.Overhead())
			}
			if head, tail, ok := strings.Cut(tt.stamped, "…"); ok {
				if !strings.HasPrefix(string(data), head) || !strings.HasSuffix(string(data), tail) || !json.Valid(data) {
					t.Errorf("%v %q: stamped %q; want %q", tt.carrier, payload, data, tt.stamped)
				}
			}
			want := s
			want.CRC = crc(payload)
			got, bare, ok, intact := reader.Read(data, tag)
			if diff := cmp.Diff(want, got); diff != "" || !ok || !intact {
				t.Errorf("%v %q: ok %v, intact %v, %s", tt.carrier, payload, ok, intact, diff)
			}
			if tt.carrier == trace.JSON {
				payload = data
			}
			if !bytes.Equal(bare, payload) {
				t.Errorf("%v: bare payload %q; want %q", tt.carrier, bare, payload)
			}
		}
	}
}

func TestAppendStampedRefuses(t *testing.T) {
	for _, payload := range []string{"", "text", "[1]", "{", "{]", `{"a":1} x`} {
		got, err := trace.JSON.AppendStamped([]byte("dst"), []byte(payload), stamp)
		var hint *kload.HintError
		if !errors.Is(err, trace.ErrNotObject) || !errors.As(err, &hint) || string(got) != "dst" {
			t.Errorf("AppendStamped(%q) = %q, %v; want ErrNotObject with a hint", payload, got, err)
		}
	}
}

func TestReadCorrupt(t *testing.T) {
	reader := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag)
	for _, c := range []trace.Carrier{trace.Prefix, trace.JSON, trace.Tag} {
		payload := []byte(`{"a":1}` + "\n")
		data, err := c.AppendStamped(nil, payload, stamp)
		if err != nil {
			t.Fatal(err)
		}
		var tag []byte
		if c == trace.Tag {
			tag = trace.AppendTag(nil, payload, stamp)
		}
		at := bytes.Index(data, []byte(`1`+"}"))
		if c == trace.JSON {
			at = bytes.Index(data, []byte("1,"))
		}
		data[at] = '2'
		if s, _, ok, intact := reader.Read(data, tag); !ok || intact || s.Seq != stamp.Seq {
			t.Errorf("%v: seq %d, ok %v, intact %v; want the stamp, not intact", c, s.Seq, ok, intact)
		}
	}
}

func TestReadRewrittenJSON(t *testing.T) {
	data, err := trace.JSON.AppendStamped(nil, []byte(`{"z":1,"a":2}`), stamp)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	rewritten, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	s, _, ok, intact := trace.NewReader(trace.JSON).Read(rewritten, nil)
	if !ok || intact || s.Seq != stamp.Seq || s.Run != stamp.Run {
		t.Errorf("Read(%s) = %+v, ok %v, intact %v; want the stamp, not intact", rewritten, s, ok, intact)
	}
}

func TestReadFindsNothing(t *testing.T) {
	prefixed, err := trace.Prefix.AppendStamped(nil, []byte("p"), stamp)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(prefixed)
	newer[3] = 2
	tag := trace.AppendTag(nil, nil, stamp)
	all := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag)
	tests := []struct {
		name      string
		reader    *trace.Reader
		data, tag []byte
	}{
		{"no carrier", trace.NewReader(), prefixed, tag},
		{"other carrier", trace.NewReader(trace.JSON, trace.None), prefixed, tag},
		{"short header", all, prefixed[:31], nil},
		{"newer version", all, newer, nil},
		{"empty", all, nil, nil},
		{"no stamp", all, []byte(`{"a":1}`), nil},
		{"own attribute", all, []byte(`{"_k":1}`), nil},
		{"not a stamp", all, []byte(`{"a":1,"_k":"1AAAA"}`), nil},
		{"bad text", all, []byte(`{"a":1,"_k":"1` + strings.Repeat("!", 38) + `"}`), nil},
		{"short tag", all, nil, tag[:38]},
		{"other tag", all, nil, []byte(strings.Repeat("2", 39))},
	}
	for _, tt := range tests {
		if s, payload, ok, intact := tt.reader.Read(tt.data, tt.tag); ok || intact || !bytes.Equal(payload, tt.data) {
			t.Errorf("%s: %+v, %q, ok %v, intact %v; want nothing", tt.name, s, payload, ok, intact)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	reader := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag)
	payload, dst := []byte(`{"a":1}`+"\n"), make([]byte, 0, 256)
	for _, c := range []trace.Carrier{trace.Prefix, trace.JSON, trace.Tag} {
		allocs := testing.AllocsPerRun(100, func() {
			data, err := c.AppendStamped(dst[:0], payload, stamp)
			if err != nil {
				t.Fatal(err)
			}
			var tag []byte
			if c == trace.Tag {
				tag = trace.AppendTag(dst[100:100], payload, stamp)
			}
			if _, _, ok, intact := reader.Read(data, tag); !ok || !intact {
				t.Fatal("stamp not read")
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations; want 0", c, allocs)
		}
	}
}

func FuzzRead(f *testing.F) {
	payload := []byte(`{"a":"b"}` + "\n")
	for _, c := range []trace.Carrier{trace.None, trace.Prefix, trace.JSON} {
		data, err := c.AppendStamped(nil, payload, stamp)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(nil))
	}
	f.Add(payload, trace.AppendTag(nil, payload, stamp))
	f.Add([]byte(`{ }`), []byte("1"))
	reader := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag)
	f.Fuzz(func(t *testing.T, data, tag []byte) {
		_, bare, ok, intact := reader.Read(data, tag)
		if intact && !ok || len(bare) > len(data) {
			t.Errorf("Read(%q, %q): ok %v, intact %v, payload %q", data, tag, ok, intact, bare)
		}
		// Whatever the bytes are, stamping and reading them gives them back.
		for _, c := range []trace.Carrier{trace.Prefix, trace.JSON} {
			stamped, err := c.AppendStamped(nil, data, stamp)
			if err != nil {
				continue
			}
			want := stamp
			want.CRC = crc(data)
			s, _, ok, intact := trace.NewReader(c).Read(stamped, nil)
			if s != want || !ok || !intact {
				t.Errorf("%v: %q reads as %+v, ok %v, intact %v", c, stamped, s, ok, intact)
			}
			if json.Valid(data) && c == trace.JSON && !json.Valid(stamped) {
				t.Errorf("stamped %q is not JSON", stamped)
			}
		}
	})
}

func BenchmarkStamp(b *testing.B) {
	payload := []byte(`{"text":"` + strings.Repeat("x", 239) + `"}`)
	reader, dst := trace.NewReader(trace.Prefix, trace.JSON, trace.Tag), make([]byte, 0, 512)
	for _, c := range []trace.Carrier{trace.Prefix, trace.JSON, trace.Tag} {
		b.Run("append/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if c == trace.Tag {
					trace.AppendTag(dst[:0], payload, stamp)
				} else if _, err := c.AppendStamped(dst[:0], payload, stamp); err != nil {
					b.Fatal(err)
				}
			}
		})
		data, err := c.AppendStamped(nil, payload, stamp)
		if err != nil {
			b.Fatal(err)
		}
		var tag []byte
		if c == trace.Tag {
			tag = trace.AppendTag(nil, payload, stamp)
		}
		b.Run("read/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, _, ok, intact := reader.Read(data, tag); !ok || !intact {
					b.Fatal("stamp not read")
				}
			}
		})
	}
}
