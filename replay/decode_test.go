package replay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// compress makes a frame of small independent blocks with checksums.
func compress(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(true), lz4.BlockChecksumOption(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// skippable is a frame that decoders skip.
func skippable(kind uint32, content string) []byte {
	frame := binary.LittleEndian.AppendUint32(nil, 0x184D2A50|kind)
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(content)))
	return append(frame, content...)
}

func object(data []byte) fs.FS { return fstest.MapFS{"trips.lz4": {Data: data}} }

func TestFrames(t *testing.T) {
	a, b := events(0, 1, 2), events(3, 4)
	whole := strings.Split(strings.TrimSpace(a+b), "\n")
	for _, tc := range []struct {
		name  string
		data  []byte
		lines []string
	}{
		{"one", compress(t, a+b), whole},
		{"concatenated", append(compress(t, a), compress(t, b)...), whole},
		{"concatenated inside a line", append(compress(t, a[:70]), compress(t, a[70:]+b)...), whole},
		{"skippable first", append(skippable(0, "index"), compress(t, a+b)...), whole},
		{"skippable between and behind", join(compress(t, a), skippable(15, "{}\n"), compress(t, b), skippable(3, "")), whole},
		{"empty frame", append(compress(t, ""), compress(t, a+b)...), whole},
		{"plain text", []byte(a + b), whole},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := drain(t, replay.Config{}, object(tc.data))
			if diff := cmp.Diff(tc.lines, r.Lines); diff != "" || r.Err != nil {
				t.Errorf("error %v, lines (-want +got):\n%s", r.Err, diff)
			}
		})
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// manyEvents has no repetition across lines that would make it compress into one
// block.
func manyEvents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(event(float64(i), fmt.Sprintf("%x", i*2654435761)) + "\n")
	}
	return b.String()
}

// TestDamaged replays frames with every kind of damage: the run ends with an
// error that says where, after all lines of the blocks before.
func TestDamaged(t *testing.T) {
	text := manyEvents(5000)
	frame := compress(t, text)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	where := regexp.MustCompile(`(decoding|reading) trips\.lz4 (up to|at) byte \d+: `)
	flip := func(at int) []byte {
		data := bytes.Clone(frame)
		data[at] ^= 0x55
		return data
	}
	for _, tc := range []struct {
		name string
		data []byte
		min  int // lines that come before the damage
	}{
		{"content checksum", flip(len(frame) - 1), 5000},
		{"last block", flip(len(frame) - 100), 4000},
		{"block size", flip(7), 0},
		{"header checksum", flip(6), 0},
		{"middle", flip(len(frame) / 2), 1000},
		{"junk behind", append(bytes.Clone(frame), "not a frame"...), 5000},
		{"cut in the header", frame[:5], 0},
		{"cut in the first block", frame[:2000], 0},
		{"cut in the middle", frame[:len(frame)/2], 1000},
		{"cut before the end mark", frame[:len(frame)-8], 5000},
		{"cut in the checksum", frame[:len(frame)-2], 5000},
		{"cut in a skippable frame", append(bytes.Clone(frame), skippable(0, "12345")[:10]...), 5000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := drain(t, replay.Config{}, object(tc.data))
			if r.Err == nil || !where.MatchString(r.Err.Error()) {
				t.Errorf("error = %v", r.Err)
			}
			checkError(t, r.Err, "trips.lz4")
			if len(r.Lines) < tc.min {
				t.Errorf("%d lines before the error, want at least %d", len(r.Lines), tc.min)
			}
			if !slices.Equal(lines[:len(r.Lines)], r.Lines) {
				t.Error("the lines before the error are not those of the recording")
			}
		})
	}
}

// TestEveryCutIsFound cuts a frame at every byte.
func TestEveryCutIsFound(t *testing.T) {
	frame := compress(t, events(0, 1, 2, 3))
	for n := 1; n < len(frame); n++ {
		src, err := replay.NewFrom(replay.Config{}, origin.Files(object(frame[:n])))
		if err == nil {
			err = drainSource(t, src).Err
		}
		if err == nil {
			t.Errorf("cut at byte %d of %d: no error", n, len(frame))
		}
	}
}

func TestForeignFormats(t *testing.T) {
	for head, want := range map[string]string{
		"BZh91AY":                     "bzip2",
		"ORC\x15\x04":                 "ORC",
		"\x02\x21\x4c\x18\x00":        "lz4 in its old frameless form",
		"{\"a\":\x00}":                "neither text nor a format that is known",
		"\x04\x22\x4d":                "neither text nor a format that is known",
		"{\x00\"\x00a\x00\"\x00:\x00": "neither text nor a format that is known",
	} {
		src, err := replay.NewFrom(replay.Config{}, origin.Files(object([]byte(head))))
		if err == nil {
			src.Close()
		}
		checkError(t, err, "opening trips.lz4: its content is "+want)
	}
}

// torn is a file that ends, or fails, before its listed size.
type torn struct {
	fs.FS
	after int64
	err   error
}

func (f torn) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || name == "." {
		return file, err
	}
	return tornFile{file, io.MultiReader(io.LimitReader(file, f.after), failing{f.err})}, nil
}

type tornFile struct {
	fs.File
	r io.Reader
}

func (f tornFile) Read(p []byte) (int, error) { return f.r.Read(p) }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTornReads(t *testing.T) {
	text := manyEvents(5000)
	broken := errors.New("connection reset")
	for _, tc := range []struct {
		name string
		data []byte
		err  error
		want string
	}{
		{"plain text ends early", []byte(text), io.EOF, "unexpected EOF: it was listed with"},
		{"plain text fails", []byte(text), broken, "reading trips.lz4 at byte 50000: connection reset"},
		{"lz4 ends early", compress(t, text), io.EOF, "reading trips.lz4 at byte 50000: unexpected EOF: it was listed with"},
		{"lz4 fails", compress(t, text), broken, "reading trips.lz4 at byte 50000: connection reset"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := drain(t, replay.Config{}, torn{object(tc.data), 50_000, tc.err})
				checkError(t, r.Err, tc.want)
				if len(r.Lines) < 500 || !strings.HasPrefix(text, strings.Join(r.Lines, "\n")) {
					t.Errorf("%d lines before the error", len(r.Lines))
				}
				if r.Stats["torn_reads"] != 4 {
					t.Errorf("torn_reads = %d, want 4", r.Stats["torn_reads"])
				}
			})
		})
	}
}

// FuzzSource replays arbitrary bytes as one object. Whatever they are, nothing
// panics or hangs, and every line of text is a row, malformed or blank.
func FuzzSource(f *testing.F) {
	f.Add([]byte(events(0, 1, 1, 0.5)))
	f.Add([]byte("{\"dropoff_datetime\":\"2023-05-08T04:00:00Z\"}\r\n\n\r\nx"))
	f.Add(compress(f, events(0, 1)))
	f.Add(join(skippable(1, "x"), compress(f, events(0)), compress(f, events(1))))
	f.Add(compress(f, events(0, 1))[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		src, err := replay.NewFrom(replay.Config{MaxGap: 1}, origin.Files(object(data)))
		if err != nil {
			return
		}
		r := drainSource(t, src)
		if got := r.Stats["rows"]; got != uint64(len(r.Lines)) {
			t.Fatalf("rows = %d, handed out %d", got, len(r.Lines))
		}
		text, err := decodeAll(data)
		if err != nil {
			if r.Err == nil {
				t.Fatalf("no error, but %v", err)
			}
			return
		}
		if r.Err != nil && len(r.Lines) > 0 {
			t.Fatalf("%d rows, then %v", len(r.Lines), r.Err)
		}
		if got, want := r.Stats["rows"]+r.Stats["malformed"]+r.Stats["blank_lines"], countLines(text); got != want {
			t.Fatalf("rows + malformed + blank = %d, want %d lines; error %v", got, want, r.Err)
		}
	})
}

// decodeAll is the oracle: the text of an object as a whole.
func decodeAll(data []byte) ([]byte, error) {
	if len(data) >= 4 {
		if m := binary.LittleEndian.Uint32(data); m == 0x184D2204 || m&^0xF == 0x184D2A50 {
			return io.ReadAll(lz4.NewReader(bytes.NewReader(data)))
		}
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

func countLines(text []byte) uint64 {
	n := bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return uint64(n)
}
