package origin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload/replay/origin"
)

// noise is data in which every place is different.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(b)
	return b
}

// flaky breaks off each read for which cut says where.
type flaky struct {
	origin.Origin
	cut func(o origin.Object, offset, size int64) (int64, error)

	mu    sync.Mutex
	asked []string // name:offset+size
}

func (f *flaky) Open(ctx context.Context, o origin.Object, offset, size int64) (io.ReadCloser, error) {
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprintf("%s:%d+%d", o.Name, offset, size))
	at, cause := size, error(nil)
	if f.cut != nil {
		at, cause = f.cut(o, offset, size)
	}
	f.mu.Unlock()
	if at < 0 {
		return nil, cause
	}
	r, err := f.Origin.Open(ctx, o, offset, size)
	if err != nil || cause == nil {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, at), failure{cause}), r}, nil
}

type failure struct{ err error }

func (f failure) Read([]byte) (int, error) { return 0, f.err }

func list(t *testing.T, from origin.Origin) []origin.Object {
	t.Helper()
	l, err := from.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l.Objects
}

// TestTornReads reads objects whose reads break off at random offsets, in every
// way there is, and misses nothing.
func TestTornReads(t *testing.T) {
	data := fstest.MapFS{}
	for i, size := range []int{1, 3 << 20, 100_000, 5<<20 + 7, 1 << 20, 12} {
		data[fmt.Sprintf("part-%d", i)] = &fstest.MapFile{Data: noise(size, uint64(i))}
	}
	reset := errors.New("connection reset")
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		breaks := uint64(0)
		from := &flaky{Origin: origin.Files(data), cut: func(_ origin.Object, _, size int64) (int64, error) {
			if breaks == 200 || size == 1 {
				return size, nil
			}
			breaks++
			return 1 + rng.Int64N(size-1), []error{reset, io.EOF, io.ErrUnexpectedEOF}[breaks%3]
		}}
		objects := list(t, from)
		ahead := origin.NewAhead(from, objects)
		defer ahead.Close()
		for _, o := range objects {
			body, err := ahead.Open(t.Context(), o, 0, o.Size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, data[o.Name].Data) {
				t.Fatalf("%s: %d of %d bytes, error %v", o.Name, len(got), o.Size, err)
			}
			if err := body.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if breaks < 50 || ahead.Torn() != breaks {
			t.Errorf("%d reads broke off, %d were counted", breaks, ahead.Torn())
		}
	})
}

// TestHopelessReads ends with the first error that goes on or that is final,
// after what came before it.
func TestHopelessReads(t *testing.T) {
	reset := errors.New("connection reset")
	for _, tc := range []struct {
		name  string
		fails error
		opens bool // it fails only later
		torn  uint64
		want  error
	}{
		{"it goes on failing", reset, true, 4, reset},
		{"it ends early", io.EOF, true, 4, io.ErrUnexpectedEOF},
		{"it cannot be opened for some time", reset, false, 4, reset},
		{"it changed", origin.Changed(), false, 0, origin.ErrChanged},
		{"it has gone", fs.ErrNotExist, false, 0, fs.ErrNotExist},
		{"it may not be read", fs.ErrPermission, false, 0, fs.ErrPermission},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const due = 600_000 // in the second part
				text := noise(2<<20, 1)
				from := &flaky{Origin: origin.Files(fstest.MapFS{"x": {Data: text}}), cut: func(_ origin.Object, offset, size int64) (int64, error) {
					switch {
					case offset+size <= due:
						return size, nil
					case tc.opens:
						return max(0, due-offset), tc.fails
					case offset < due:
						return due - offset, reset
					}
					return -1, tc.fails
				}}
				objects := list(t, from)
				ahead := origin.NewAhead(from, objects)
				defer ahead.Close()
				body, err := ahead.Open(t.Context(), objects[0], 0, objects[0].Size)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(body)
				if !errors.Is(err, tc.want) || !bytes.Equal(got, text[:due]) {
					t.Errorf("%d bytes, error %v; want %d and %v", len(got), err, due, tc.want)
				}
				if again := tc.torn + map[bool]uint64{true: 0, false: 1}[tc.opens]; ahead.Torn() != min(again, 4) {
					t.Errorf("%d reads were taken up again, want %d", ahead.Torn(), min(again, 4))
				}
				body.Close()
			})
		})
	}
}

// TestReadingAhead says what is asked for, and when: little for who looks only
// at a beginning, then more and more, never more than the bounds.
func TestReadingAhead(t *testing.T) {
	data := fstest.MapFS{"a": {Data: noise(20<<20, 1)}, "b": {Data: noise(100, 2)}, "c": {Data: noise(200, 3)}, "d": {Data: noise(300, 4)}}
	synctest.Test(t, func(t *testing.T) {
		from := &flaky{Origin: origin.Files(data)}
		objects := list(t, from)
		ahead := origin.NewAhead(from, objects)
		defer ahead.Close()
		asked := func() []string {
			synctest.Wait()
			from.mu.Lock()
			defer from.mu.Unlock()
			defer func() { from.asked = nil }()
			slices.Sort(from.asked)
			return from.asked
		}
		open := func(i int, offset int64) io.ReadCloser {
			body, err := ahead.Open(t.Context(), objects[i], offset, objects[i].Size-offset)
			if err != nil {
				t.Fatal(err)
			}
			return body
		}
		read := func(body io.Reader, n int64) {
			if _, err := io.CopyN(io.Discard, body, n); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, asked(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		body := open(0, 0)
		read(body, 1000)
		check("a look at the beginning", "a:0+524288")
		body.Close()
		body = open(1, 0)
		read(body, 100)
		check("an object smaller than the window, and what follows", "b:0+100", "c:0+200", "d:0+300")
		body.Close()
		body = open(2, 0)
		read(body, 200)
		check("the next one costs nothing")
		body.Close()

		body = open(0, 19<<20)
		read(body, 1<<20)
		body.Close()
		asked()
		body = open(1, 0)
		read(body, 100)
		body.Close()
		check("small objects come along with the end of a large one")

		body = open(0, 0)
		for range 8 {
			read(body, 1<<20)
		}
		if n := len(asked()); n > 18 {
			t.Errorf("%d parts were asked for, for 8 MiB", n)
		}
		read(body, 12<<20)
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
		body.Close()
	})
}

// TestAheadEndsWithItsContext while a read lasts.
func TestAheadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		from := &flaky{Origin: origin.Files(fstest.MapFS{"x": {Data: noise(10, 1)}}), cut: func(origin.Object, int64, int64) (int64, error) {
			return -1, errors.New("busy")
		}}
		objects := list(t, from)
		ahead := origin.NewAhead(from, objects)
		body, err := ahead.Open(ctx, objects[0], 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it pauses before the next try
		cancel()
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		ahead.Close()
	})
}
