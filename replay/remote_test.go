package replay_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
)

// trips are texts of consecutive trips.
func trips(objects, rows int) []string {
	var texts []string
	for o := range objects {
		var b strings.Builder
		for i := range rows {
			b.WriteString(strings.Replace(event(float64((o*rows+i)/3), strings.Repeat("y", i%300)), "{", fmt.Sprintf(`{"trip_id":%d,`, o*rows+i), 1) + "\n")
		}
		texts = append(texts, b.String())
	}
	return texts
}

// stock puts texts into the bucket "trips", the second one compressed.
func (st *store) stock(t *testing.T, texts []string) {
	t.Helper()
	for i, text := range texts {
		if i == 1 {
			text = string(compress(t, text))
		}
		st.put(t, fmt.Sprintf("trips/part-%05d", i), text)
	}
}

// tear cuts the connection of every other range at a random byte.
func (st *store) tear() {
	rng := rand.New(rand.NewPCG(5, 6))
	n := 0
	st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
		var from, to int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || to-from < 2 {
			return w, false
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		if n++; n%2 == 0 {
			return w, false
		}
		return &short{w, 1 + rng.IntN(to-from)}, false
	})
}

// TestLoopOutOfBucket gives, pass by pass, what files give, over connections that
// break.
func TestLoopOutOfBucket(t *testing.T) {
	texts := trips(3, 3000)
	for _, cfg := range []replay.Config{{Loop: 3}, {Loop: 3, Until: at(t, 2500), Reorder: 10, Strict: true}} {
		want := drain(t, cfg, files(texts...))
		serve(t, func(t *testing.T, st *store, o replay.Options) {
			st.stock(t, texts)
			st.tear()
			cfg.From = "s3://trips"
			src, err := replay.Open(t.Context(), cfg, o)
			if err != nil {
				t.Fatal(err)
			}
			got := drainSource(t, src)
			if diff := cmp.Diff(want.Lines, got.Lines); diff != "" || got.Err != nil {
				t.Errorf("error %v, lines (-want +got):\n%.2000s", got.Err, diff)
			}
			if diff := cmp.Diff(want.Due, got.Due); diff != "" {
				t.Errorf("offsets (-want +got):\n%.2000s", diff)
			}
			if s := got.Stats; s["passes"] != 3 || s["objects"] != 9 || s["torn_reads"] < 9 {
				t.Errorf("counters %v", s)
			}
		})
	}
}

// TestResumeOutOfBucket goes on in the middle of objects, over connections that
// break, and not with objects that were replaced, however tolerant.
func TestResumeOutOfBucket(t *testing.T) {
	texts := trips(4, 800)
	for _, cfg := range []replay.Config{{Tolerant: true}, {Loop: 2, Seek: at(t, 200), Filter: "trip_id % 3 > 0"}} {
		want := drain(t, cfg, files(texts...))
		serve(t, func(t *testing.T, st *store, o replay.Options) {
			st.stock(t, texts)
			st.tear()
			cfg.From = "s3://trips"
			lives(t, cfg, o, rand.New(rand.NewPCG(8, 9)), want.Lines)
			src, err := replay.Open(t.Context(), cfg, o)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := src.Next(t.Context(), make([]kload.Record, 100)); n == 0 || err != nil {
				t.Fatalf("Next = %d, %v", n, err)
			}
			point := src.Checkpoint()
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			o.At = &point
			texts := slices.Clone(texts)
			texts[0] = strings.Replace(texts[0], "yyy", "zzz", 1)
			st.stock(t, texts)
			_, err = replay.Open(t.Context(), cfg, o)
			checkError(t, err, point.Object+" is not there any more, or has changed")
		})
	}
}

// TestResumeWhereNothingIsServed does not take the next object for one that
// cannot be opened.
func TestResumeWhereNothingIsServed(t *testing.T) {
	serve(t, func(t *testing.T, st *store, o replay.Options) {
		st.stock(t, trips(3, 50))
		o.At = &replay.Checkpoint{Object: "part-00000", Size: int64(len(trips(1, 50)[0])), Skip: 20, Acked: 20, Taken: 30}
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			if !strings.HasSuffix(r.URL.Path, "part-00000") {
				return w, false
			}
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return nil, true
		})
		_, err := replay.Open(t.Context(), replay.Config{From: "s3://trips", Tolerant: true}, o)
		checkError(t, err, "part-00000 is not there any more, or has changed")
		if !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("error %v", err)
		}
	})
}

// TestLoopOverWhatHasGone ends, although what cannot be read is forgiven.
func TestLoopOverWhatHasGone(t *testing.T) {
	serve(t, func(t *testing.T, st *store, o replay.Options) {
		st.stock(t, trips(2, 50))
		served := 0
		st.intercept(func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
			if r.Header.Get("Range") == "" {
				return w, false
			}
			st.mu.Lock()
			defer st.mu.Unlock()
			if served++; served <= 2 {
				return w, false
			}
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return nil, true
		})
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips", Tolerant: true, Loop: replay.Forever}, o)
		if err != nil {
			t.Fatal(err)
		}
		r := drainSource(t, src)
		checkError(t, r.Err, "looping the replay: pass 2 found no rows")
		if len(r.Lines) != 100 || r.Stats["damaged_objects"] != 2 {
			t.Errorf("%d lines, counters %v", len(r.Lines), r.Stats)
		}
	})
}

// TestSeekInBucket asks for one block at most of each object that is skipped, and
// for what is sought just once.
func TestSeekInBucket(t *testing.T) {
	texts := days(16)
	serve(t, func(t *testing.T, st *store, o replay.Options) {
		for i, text := range texts {
			st.put(t, fmt.Sprintf("trips/part-%05d", i), text)
		}
		src, err := replay.Open(t.Context(), replay.Config{From: "s3://trips", Seek: at(t, 12*86_400+1498), Until: at(t, 13*86_400+1), ASAP: true}, o)
		if err != nil {
			t.Fatal(err)
		}
		r := drainSource(t, src)
		if r.Err != nil || len(r.Lines) != 3 || r.Stats["objects"] != 2 {
			t.Errorf("%d lines, counters %v, error %v", len(r.Lines), r.Stats, r.Err)
		}
		asked := map[string]int{}
		for _, req := range st.requests() {
			var from, to int
			if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &from, &to); err == nil {
				asked[strings.TrimPrefix(req.URL.Path, "/trips/part-")] += to - from + 1
			}
		}
		for name, n := range asked {
			if most := oneBlock; n > most && (name != "00012" && name != "00013" || n > most+len(texts[12])) {
				t.Errorf("%d bytes of %s were asked for", n, name)
			}
		}
		if len(asked) > 7 || len(asked) < 3 {
			t.Errorf("%d objects were opened: %v", len(asked), asked)
		}
	})
}
