package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/replay/origin"
)

// store is an S3 endpoint over a folder, in memory as far as the network goes.
type store struct {
	dir string
	// before may answer a request itself, or change what the endpoint does.
	before func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool)

	mu   sync.Mutex
	seen []*http.Request
}

// serve runs f in virtual time beside the endpoint.
func serve(t *testing.T, f func(t *testing.T, st *store, at replay.Options)) {
	t.Helper()
	bare(t)
	st := &store{dir: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		server, err := s3.New(s3.Config{Dir: st.dir})
		if err != nil {
			t.Fatal(err)
		}
		l, stop := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			st.mu.Lock()
			st.seen = append(st.seen, r)
			before := st.before
			st.mu.Unlock()
			if before != nil {
				var done bool
				if w, done = before(w, r); done {
					return
				}
			}
			server.ServeHTTP(w, r)
		}))
		f(t, st, replay.Options{S3: awsclient.Options{Endpoint: "http://s3.local", Dial: l.Dial}})
		stop()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// bare takes away from the SDK what it could find on this machine.
func bare(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func (st *store) put(t *testing.T, key, text string) {
	t.Helper()
	name := filepath.Join(st.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (st *store) intercept(f func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.before = f
}

func (st *store) requests() []*http.Request {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.seen)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

// TestBucket replays a bucket of more objects than one page lists, without
// credentials: in order of their keys, without what is no data, unsigned.
func TestBucket(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		const objects = 1005
		var want []string
		for i := range objects {
			line := event(float64(i), fmt.Sprint(i))
			want = append(want, line)
			st.put(t, fmt.Sprintf("trips/year=2018/part-%05d", i), line+"\n")
		}
		st.put(t, "trips/year=2018/README.md", "about")
		st.put(t, "trips/year=2018/_SUCCESS", "")
		st.put(t, "trips/year=2019/part-00000", event(1, "another year"))
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips/year=2018/"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := src.From(); got != "s3://trips/year=2018/ at http://s3.local, unsigned (no AWS credentials found)" {
			t.Errorf("from %q", got)
		}
		r := drainSource(t, src)
		if diff := cmp.Diff(want, r.Lines); diff != "" || r.Err != nil {
			t.Errorf("error %v, lines (-want +got):\n%.2000s", r.Err, diff)
		}
		if r.Stats["objects"] != objects || r.Stats["skipped_objects"] != 2 || r.Stats["torn_reads"] != 0 {
			t.Errorf("counters %v", r.Stats)
		}
		for _, req := range st.requests() {
			if req.Header.Get("Authorization") != "" {
				t.Fatalf("%s %s is signed", req.Method, req.URL)
			}
			if req.URL.RawQuery == "x-id=GetObject" && (req.Header.Get("Range") == "" || req.Header.Get("If-Match") == "") {
				t.Fatalf("%s has no range or no condition", req.URL)
			}
		}
	})
}

// short ends a body after so many bytes, by closing the connection.
type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	if len(p) <= s.left {
		s.left -= len(p)
		return s.ResponseWriter.Write(p)
	}
	_, _ = s.ResponseWriter.Write(p[:s.left])
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// TestTornConnections cuts the connections of 50 ranges at random bytes: every
// row arrives once, as recorded.
func TestTornConnections(t *testing.T) {
	text := manyEvents(60_000)
	packed := string(compress(t, text))
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		third := len(text) / 3
		third += strings.IndexByte(text[third:], '\n') + 1
		st.put(t, "trips/a.json", text[:third])
		st.put(t, "trips/b.json.lz4", packed)
		rng := rand.New(rand.NewPCG(3, 4))
		cuts := 0
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			var from, to int
			st.mu.Lock() // ranges are asked for at the same time
			defer st.mu.Unlock()
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || to-from < 2 || cuts == 50 {
				return w, false
			}
			cuts++
			return &short{w, 1 + rng.IntN(to-from)}, false
		})
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips", Timestamp: "none", ASAP: true}, at)
		if err != nil {
			t.Fatal(err)
		}
		r := drainSource(t, src)
		want := strings.Split(strings.TrimSuffix(text[:third]+text, "\n"), "\n")
		if r.Err != nil || !slices.Equal(want, r.Lines) {
			t.Errorf("%d lines, want %d; error %v", len(r.Lines), len(want), r.Err)
		}
		if cuts != 50 || r.Stats["torn_reads"] != 50 {
			t.Errorf("%d connections were cut, %d counted, want 50", cuts, r.Stats["torn_reads"])
		}
	})
}

// TestBucketErrors says what is wrong with a bucket, at once.
func TestBucketErrors(t *testing.T) {
	deny := func(status int, code string) func(http.ResponseWriter, *http.Request) (http.ResponseWriter, bool) {
		return func(w http.ResponseWriter, _ *http.Request) (http.ResponseWriter, bool) {
			refuse(w, status, code)
			return nil, true
		}
	}
	for _, tc := range []struct {
		name, from string
		before     func(http.ResponseWriter, *http.Request) (http.ResponseWriter, bool)
		keys       bool
		want, hint string
		is         error
	}{
		{"wrong bucket", "s3://nobody/x", nil, false, "listing s3://nobody/x: ", "check the bucket's name", kload.ErrUnreachable},
		{"empty prefix", "s3://trips/none", nil, false, "s3://trips/none is empty", "check the prefix", kload.ErrInvalid},
		{"denied without credentials", "s3://trips/", deny(403, "AccessDenied"), false, "AccessDenied", "not signed", kload.ErrUnreachable},
		{"denied", "s3://trips/", deny(403, "AccessDenied"), true, "AccessDenied", "s3:ListBucket", kload.ErrUnreachable},
		{"busy for good", "s3://trips/", deny(503, "SlowDown"), false, "SlowDown", "check the network", kload.ErrUnreachable},
		{"no bucket", "s3://", nil, false, `bad address "s3://"`, "s3://BUCKET", kload.ErrInvalid},
		{"no embedded target", "local:nyc-taxi", nil, false, "local:nyc-taxi without an embedded target", "builtin:nyc-taxi", kload.ErrInvalid},
		{"no variable", "env:KLOAD_NO_SUCH_VARIABLE", nil, false, `"KLOAD_NO_SUCH_VARIABLE" is not set`, "directory", kload.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			serve(t, func(t *testing.T, st *store, at replay.Options) {
				if tc.keys {
					at.S3.Local = true // any credentials
				}
				st.put(t, "trips/part-0", events(0))
				st.intercept(tc.before)
				src, err := replay.Open(t.Context(), replay.Config{From: tc.from}, at)
				if err == nil {
					src.Close()
				}
				checkError(t, err, tc.want)
				var hint *kload.HintError
				if !errors.Is(err, tc.is) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, tc.hint) {
					t.Errorf("error %v with hint %v, want %v with %q", err, hint, tc.is, tc.hint)
				}
			})
		})
	}
}

// TestMishapsUnderWay has objects vanish, change and rot between their listing
// and their use: an error after all rows before, or, where that is allowed, a
// counted object.
func TestMishapsUnderWay(t *testing.T) {
	for _, tc := range []struct {
		name   string
		happen func(t *testing.T, name string)
		want   string
		is     error
	}{
		{"vanished", func(t *testing.T, name string) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}, "part-1", fs.ErrNotExist},
		{"changed", func(t *testing.T, name string) {
			if err := os.WriteFile(name, []byte(events(7, 8, 9)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "the object changed after it was listed", origin.ErrChanged},
	} {
		for _, tolerant := range []bool{false, true} {
			t.Run(tc.name+" "+strconv.FormatBool(tolerant), func(t *testing.T) {
				serve(t, func(t *testing.T, st *store, at replay.Options) {
					first := events(0, 1)
					st.put(t, "trips/part-0", first)
					st.put(t, "trips/part-1", events(2, 3))
					st.put(t, "trips/part-2", events(4))
					once := sync.OnceFunc(func() { tc.happen(t, filepath.Join(st.dir, "trips", "part-1")) })
					st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
						if r.Header.Get("Range") != "" {
							once()
						}
						return w, false
					})
					src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips", Tolerant: tolerant}, at)
					if err != nil {
						t.Fatal(err)
					}
					r := drainSource(t, src)
					if tolerant {
						if r.Err != nil || len(r.Lines) != 3 || r.Stats["damaged_objects"] != 1 {
							t.Errorf("%d lines, counters %v, error %v", len(r.Lines), r.Stats, r.Err)
						}
						if got := r.Source.Malformed(); len(got) != 1 || got[0].Object != "part-1" || !strings.Contains(got[0].Reason, tc.want) {
							t.Errorf("samples %v", got)
						}
						return
					}
					checkError(t, r.Err, tc.want)
					if len(r.Lines) != 2 || !errors.Is(r.Err, tc.is) {
						t.Errorf("%d lines, error %v", len(r.Lines), r.Err)
					}
				})
			})
		}
	}
}

// TestTolerantOfDamage leaves out what follows the damage in its object, and
// that only.
func TestTolerantOfDamage(t *testing.T) {
	text := manyEvents(5000)
	frame := compress(t, text)
	r := drain(t, replay.Config{Tolerant: true, Timestamp: "none", ASAP: true}, files(events(0), string(frame[:len(frame)/2]), events(1), "\xfd7zXZ\x00", events(2)+"{"))
	n := len(r.Lines)
	if r.Err != nil || r.Stats["damaged_objects"] != 2 || r.Stats["objects"] != 5 || n < 1000 || n > 4000 {
		t.Fatalf("%d lines, counters %v, error %v", n, r.Stats, r.Err)
	}
	if tail := r.Lines[n-3:]; tail[0] != event(1, "0") || tail[1] != event(2, "0") || tail[2] != "{" {
		t.Errorf("the end is %q", tail)
	}
	whole := strings.Split(text, "\n")
	if !slices.Equal(whole[:n-4], r.Lines[1:n-3]) {
		t.Error("lines before the damage are not those of the recording")
	}
	r = drain(t, replay.Config{Tolerant: true}, files("\xfd7zXZ\x00", "BZh"))
	checkError(t, r.Err, "replaying: none of 2 objects can be read; the first: invalid: opening part-00000.json: its content is xz")
	if !errors.Is(r.Err, kload.ErrInvalid) {
		t.Errorf("error %v is not one of the data", r.Err)
	}
}

// TestBucketElsewhere follows the region that the service names.
func TestBucketElsewhere(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		at.S3.Local = true
		st.put(t, "trips/part-0", events(0, 1))
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			if strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/s3/") {
				return w, false
			}
			w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
			refuse(w, http.StatusMovedPermanently, "PermanentRedirect")
			return nil, true
		})
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if r := drainSource(t, src); len(r.Lines) != 2 || r.Err != nil {
			t.Errorf("%d lines, error %v", len(r.Lines), r.Err)
		}
	})
}

// TestEndpointWithoutRanges does not take the whole of an object for a piece.
func TestEndpointWithoutRanges(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		st.put(t, "trips/part-0", manyEvents(20_000))
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			r.Header.Del("Range")
			return w, false
		})
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips"}, at)
		if err == nil {
			err = drainSource(t, src).Err
		}
		checkError(t, err, "the answer is another range")
	})
}

// TestOpeningEndsWithItsContext while the service does not answer.
func TestOpeningEndsWithItsContext(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		st.put(t, "trips/part-0", events(0))
		st.intercept(func(_ http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			<-r.Context().Done()
			return nil, true
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := replay.Open(ctx, replay.Config{From: "s3://trips"}, at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// TestStuckConnection is given up after a minute, and the object read on.
func TestStuckConnection(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		st.put(t, "trips/part-0", events(0, 1, 2))
		var ranges atomic.Int64
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			if r.Header.Get("Range") == "" || ranges.Add(1) > 1 {
				return w, false
			}
			<-r.Context().Done()
			return nil, true
		})
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if r := drainSource(t, src); len(r.Lines) != 3 || r.Stats["torn_reads"] != 1 || r.Err != nil {
			t.Errorf("%d lines, counters %v, error %v", len(r.Lines), r.Stats, r.Err)
		}
	})
}

// TestLocalData is what the embedded endpoint must hold for local:.
func TestLocalData(t *testing.T) {
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		cfg := replay.Config{From: "local:nyc-taxi"}
		name, data, ok, err := cfg.LocalData()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := os.CopyFS(filepath.Join(st.dir, name), data); err != nil {
			t.Fatal(err)
		}
		at.Local = &awsclient.Options{Local: true, Endpoint: at.S3.Endpoint, Dial: at.S3.Dial}
		src, err := replay.Open(t.Context(), cfg, at)
		if err != nil {
			t.Fatal(err)
		}
		if r := drainSource(t, src); r.Err != nil || tripSum(t, r.Lines).String() != "300647752222500" {
			t.Errorf("%d lines, error %v", len(r.Lines), r.Err)
		}
	})
	for from, want := range map[string]bool{"builtin:nyc-taxi": false, "file://x": false, "local:paris": true} {
		_, _, ok, err := (&replay.Config{From: from}).LocalData()
		if ok != want || (err != nil) != want {
			t.Errorf("%s: %v, %v", from, ok, err)
		}
	}
}

// TestTaxiDirectoryFromBucket reads the larger data set, where there is one, from
// disk and out of a bucket: the same trips.
func TestTaxiDirectoryFromBucket(t *testing.T) {
	dir := os.Getenv("KLOAD_TAXI_DIR")
	if dir == "" {
		t.Skip("KLOAD_TAXI_DIR is not set")
	}
	cfg := replay.Config{From: "file://" + dir, ASAP: true}
	src, err := replay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := drainSource(t, src)
	serve(t, func(t *testing.T, st *store, at replay.Options) {
		if err := os.CopyFS(filepath.Join(st.dir, "taxi"), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		cfg.From = "s3://taxi/taxi-trips-partitioned.json.lz4/"
		src, err := replay.Open(t.Context(), cfg, at)
		if err != nil {
			t.Fatal(err)
		}
		got := drainSource(t, src)
		sum, other := tripSum(t, want.Lines), tripSum(t, got.Lines)
		if want.Err != nil || got.Err != nil || len(want.Lines) != 193_891 || !slices.Equal(want.Lines, got.Lines) || sum.Cmp(other) != 0 {
			t.Errorf("%d trips with ids of sum %v, and %d of %v; errors %v, %v", len(want.Lines), sum, len(got.Lines), other, want.Err, got.Err)
		}
		t.Logf("%d trips with ids of sum %v", len(got.Lines), other)
	})
}

// TestEnvironment takes a path or another address from a variable.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	data, err := builtin.Open("nyc-taxi")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, data); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{dir, "file://" + dir, "builtin:nyc-taxi"} {
		t.Setenv("KLOAD_TEST_DATA", value)
		src, err := replay.New(replay.Config{From: "env:KLOAD_TEST_DATA"})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, src, make([]kload.Record, 100)); n != 5000 {
			t.Errorf("%s: %d rows", value, n)
		}
	}
}
