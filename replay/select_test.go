package replay_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// ids returns the ids of lines that event has made.
func ids(t *testing.T, lines []string) string {
	t.Helper()
	var out []string
	for _, line := range lines {
		_, rest, ok := strings.Cut(line, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if !ok {
			t.Fatalf("no id in %s", line)
		}
		out = append(out, id)
	}
	return strings.Join(out, " ")
}

// at is the time that many seconds after the first.
func at(t *testing.T, seconds int) replay.Instant {
	t.Helper()
	return instant(t, time.Date(2023, 5, 8, 4, 0, 0, 0, time.UTC).Add(time.Duration(seconds)*time.Second).Format(time.RFC3339))
}

func TestSelection(t *testing.T) {
	plain := events(0, 1, 2, 3, 4, 5)
	for _, tc := range []struct {
		name  string
		cfg   replay.Config
		text  string
		ids   string
		due   []int64
		stats map[string]uint64
		err   string
	}{
		{
			name: "seek is exact and starts the schedule", cfg: replay.Config{Seek: at(t, 2)}, text: plain, ids: "2 3 4 5",
			due: []int64{0, 1000 * ms, 2000 * ms, 3000 * ms}, stats: map[string]uint64{"before_seek": 2, "rows": 4},
		},
		{name: "until is exact", cfg: replay.Config{Until: at(t, 2)}, text: plain, ids: "0 1", due: []int64{0, 1000 * ms}, stats: map[string]uint64{"after_until": 4}},
		{name: "seek and until", cfg: replay.Config{Seek: at(t, 1), Until: at(t, 3)}, text: plain, ids: "1 2", due: []int64{0, 1000 * ms}},
		{name: "a wrong time does not end the data", cfg: replay.Config{Until: at(t, 9)}, text: events(0, 9000, 2), ids: "0 2", due: []int64{0, 2000 * ms}, stats: map[string]uint64{"after_until": 1}},
		{name: "limit counts what is left", cfg: replay.Config{Seek: at(t, 1), Limit: 2, Filter: `id != "2"`}, text: plain, ids: "1 3", due: []int64{0, 2000 * ms}, stats: map[string]uint64{"filtered": 1}},
		{name: "filter", cfg: replay.Config{Filter: `id in ["1", "4"]`}, text: plain, ids: "1 4", due: []int64{0, 3000 * ms}, stats: map[string]uint64{"filtered": 4}},
		{
			name: "filter that fails for some", cfg: replay.Config{Filter: `n % 2 == 0`}, text: addNumbers(plain), ids: "0 2", due: []int64{0, 2000 * ms},
			stats: map[string]uint64{"filtered": 1, "filter_failed": 3},
		},
		{
			name: "filter that fails, strictly", cfg: replay.Config{Filter: `n % 2 == 0`, Strict: true}, text: addNumbers(plain), ids: "0 2", due: []int64{0, 2000 * ms},
			err: "filtering ",
		},
		{name: "nothing wanted", cfg: replay.Config{Seek: at(t, 60)}, text: plain, err: "replaying: none of 6 rows is wanted: 6 lie before seek"},
		{
			name: "reorder", cfg: replay.Config{Reorder: 2}, text: events(0, 3, 1, 2, 6, 4), ids: "0 2 3 1 5 4",
			due: []int64{0, 1000 * ms, 2000 * ms, 3000 * ms, 4000 * ms, 6000 * ms}, stats: map[string]uint64{"out_of_order": 0},
		},
		{name: "reorder keeps the order of equals", cfg: replay.Config{Reorder: 3, WithinSecond: "burst"}, text: events(1, 1, 0, 1), ids: "2 0 1 3", due: []int64{0, 1000 * ms, 1000 * ms, 1000 * ms}},
		{name: "reorder and limit", cfg: replay.Config{Reorder: 10, Limit: 3}, text: events(2, 1, 0, 5), ids: "2 1 0", due: []int64{0, 1000 * ms, 2000 * ms}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := drain(t, tc.cfg, files(tc.text))
			checkError(t, r.Err, tc.err)
			if got := ids(t, r.Lines); got != tc.ids {
				t.Errorf("rows %q, want %q", got, tc.ids)
			}
			if diff := cmp.Diff(tc.due, r.Due); diff != "" {
				t.Errorf("offsets (-want +got):\n%s", diff)
			}
			for name, v := range tc.stats {
				if r.Stats[name] != v {
					t.Errorf("%s = %d, want %d", name, r.Stats[name], v)
				}
			}
		})
	}
}

// addNumbers gives the first three rows a number.
func addNumbers(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := range 3 {
		lines[i] = fmt.Sprintf(`{"n":%d,`, i) + lines[i][1:]
	}
	return strings.Join(lines, "")
}

func TestFilterExpressions(t *testing.T) {
	line := `{"id":"x","n":7,"f":1.5,"s":"a\"b","yes":true,"none":null,"deep":{"a":[1,2]},"dropoff_datetime":"2023-05-08T04:00:00Z"}` + "\n"
	for text, want := range map[string]bool{
		`n == 7`: true, `n % 7 == 0 && f > 1.4`: true, `s == "a\"b"`: true, `yes`: true, `none == nil`: true, `missing == nil`: true,
		`deep.a[1] == 2`: true, `dropoff_datetime < "2023-06"`: true, `n > 7`: false, `not yes`: false,
	} {
		r := drain(t, replay.Config{Filter: text}, files(line))
		if got := len(r.Lines) == 1; got != want || r.Stats["filter_failed"] > 0 {
			t.Errorf("%s: %v, failed %d", text, got, r.Stats["filter_failed"])
		}
	}
	_, err := replay.New(replay.Config{Filter: `1 + 1`})
	checkError(t, err, "filter: ")
}

// metered counts what is read of each object.
type metered struct {
	origin.Origin
	mu   sync.Mutex
	read map[string]int
}

func (m *metered) Open(ctx context.Context, o origin.Object, offset, size int64) (io.ReadCloser, error) {
	body, err := m.Origin.Open(ctx, o, offset, size)
	return &meteredBody{body, m, o.Name}, err
}

type meteredBody struct {
	io.ReadCloser
	m    *metered
	name string
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.mu.Lock()
	b.m.read[b.name] += n
	b.m.mu.Unlock()
	return n, err
}

// oneBlock is what may be read of an object to tell when it begins.
const oneBlock = 512 << 10

// days are texts of 700 kB with the first 1500 seconds of so many days.
func days(n int) []string {
	var texts []string
	for day := range n {
		var b strings.Builder
		for i := range 1500 {
			b.WriteString(event(float64(day*86_400+i), fmt.Sprintf("%d-%d", day, i)+strings.Repeat("x", 400)) + "\n")
		}
		texts = append(texts, b.String())
	}
	return texts
}

// TestSeekReadsLittle has a day per object and more in each than a block holds:
// objects before the one sought are read for one block at most, those after until
// as well.
func TestSeekReadsLittle(t *testing.T) {
	m := &metered{Origin: origin.Files(files(days(16)...)), read: map[string]int{}}
	cfg := replay.Config{Seek: at(t, 12*86_400+1498), Until: at(t, 13*86_400+1), ASAP: true}
	src, err := replay.NewFrom(cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	r := drainSource(t, src)
	var got []string
	for id := range strings.FieldsSeq(ids(t, r.Lines)) {
		got = append(got, strings.TrimRight(id, "x"))
	}
	if want := []string{"12-1498", "12-1499", "13-0"}; r.Err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("rows %q, error %v", got, r.Err)
	}
	full := 0
	for name, n := range m.read {
		if n > oneBlock {
			full++
			if name != "part-00012.json" && name != "part-00013.json" {
				t.Errorf("%d bytes of %s were read", n, name)
			}
		}
	}
	if len(m.read) > 7 || full == 0 {
		t.Errorf("%d objects were opened, %d of them read: %v", len(m.read), full, m.read)
	}
}

// TestSeekInUnorderedObjects finds nothing to skip, and loses nothing.
func TestSeekInUnorderedObjects(t *testing.T) {
	r := drain(t, replay.Config{Seek: at(t, 10), ASAP: true}, files(events(30), events(5, 40), events(20), events(1, 12), events(50)))
	if len(r.Lines) != 5 {
		t.Errorf("%d rows, want 5: %q", len(r.Lines), r.Lines)
	}
}

func TestShape(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cfg     replay.Config
		seconds []float64
		last    int64
	}{
		// The span of the rows and their last second, stretched to rows / rate.
		{"even", replay.Config{}, []float64{0, 1, 2, 3}, 3000 * ms},
		{"with a gap", replay.Config{}, []float64{0, 1, 2, 99}, 4000 * ms * 99 / 100},
		// The gap is 1 s of wall time; 3 + 1 s of source time take the other three.
		{"with a shortened gap", replay.Config{MaxGap: time.Second}, []float64{0, 1, 2, 1e6}, 3000 * ms},
		{"of what is wanted", replay.Config{Limit: 2}, []float64{0, 4, 5, 6}, 2000 * ms * 4 / 5},
	} {
		tc.cfg.Shape = units.Rate{N: 1, Per: time.Second}
		r := drain(t, tc.cfg, files(events(tc.seconds...)))
		if got := r.Due[len(r.Due)-1]; r.Err != nil || got != tc.last {
			t.Errorf("%s: last row due at %v, want %v; error %v", tc.name, time.Duration(got), time.Duration(tc.last), r.Err)
		}
	}
	r := drain(t, replay.Config{Shape: units.Rate{N: 1000, Per: time.Second}}, mustBuiltin(t))
	if n, last := len(r.Due), time.Duration(r.Due[len(r.Due)-1]); n != 5000 || last < 4990*time.Millisecond || last > 5*time.Second {
		t.Errorf("5000 rows at 1000/s: %d rows, the last at %v", n, last)
	}
}
