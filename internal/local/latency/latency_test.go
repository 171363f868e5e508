package latency_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/latency"
)

func TestParsePrintsBack(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"off", "off"},
		{"put=3ms", "put=3ms"},
		{"put=constant(3ms)", "put=3ms"},
		{"put=0ms", "off"},
		{"get=uniform(1ms, 5ms) , put=lognormal(p50=4ms,p99=25ms)", "put=lognormal(p50=4ms,p99=25ms),get=uniform(1ms,5ms)"},
		{"PutRecords=off,put=1ms", "put=1ms,PutRecords=off"},
		{"propagation=10ms,state_delay=1m,control=1.5ms,subscribe=2ms", "subscribe=2ms,control=1.5ms,propagation=10ms,state_delay=1m"},
		{"aws-like,propagation=0s,put=1ms", "put=1ms,get=lognormal(p50=25ms,p99=100ms),subscribe=lognormal(p50=25ms,p99=100ms),control=lognormal(p50=50ms,p99=200ms)"},
	} {
		m, err := latency.Parse(test.text)
		if err != nil || m.String() != test.want {
			t.Errorf("Parse(%q) = %s, %v; want %s", test.text, m, err, test.want)
		}
		var back latency.Model
		if text, err := json.Marshal(m); err != nil || json.Unmarshal(text, &back) != nil || back.String() != test.want {
			t.Errorf("%s came back from JSON as %s, %v", test.want, back, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "put", "aws", "put=", "put=-1ms", "put=3", "put=2m", "put=uniform(5ms,1ms)", "put=uniform(1ms)", "put=uniform(1ms,2ms,3ms)",
		"put=lognormal(4ms,25ms)", "put=lognormal(p50=0ms,p99=1ms)", "put=lognormal(p50=5ms,p99=1ms)", "put=normal(1ms,2ms)", "put=uniform(1ms,2ms",
		"putt=3ms", "propagation=uniform(1ms,2ms)", "state_delay=2m", "put=3ms,off", "put=3ms,,get=3ms", "Put-Records=1ms",
	} {
		if m, err := latency.Parse(text); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("Parse(%q) = %s, %v; want it refused", text, m, err)
		}
	}
}

func TestQuantiles(t *testing.T) {
	for _, test := range []struct {
		text string
		u    float64
		want time.Duration
	}{
		{"3ms", 0.7, 3 * time.Millisecond},
		{"uniform(1ms,5ms)", 0.25, 2 * time.Millisecond},
		{"lognormal(p50=4ms,p99=25ms)", 0.5, 4 * time.Millisecond},
		{"lognormal(p50=4ms,p99=25ms)", 0.99, 25 * time.Millisecond},
		{"lognormal(p50=4ms,p99=25ms)", 0, 0},
		{"lognormal(p50=1ms,p99=1m)", 1, 4 * time.Minute},
		{"lognormal(p50=4ms,p99=4ms)", 0.3, 4 * time.Millisecond},
		{"off", 0.5, 0},
	} {
		d, err := latency.ParseDistribution(test.text)
		if got := d.Quantile(test.u); err != nil || (got-test.want).Abs() > time.Microsecond {
			t.Errorf("%s at %v: %s, %v; want %s", test.text, test.u, got, err, test.want)
		}
	}
}

// Draws depend on seed and operation only, and follow the distribution.
func TestSampler(t *testing.T) {
	m, err := latency.Parse("put=lognormal(p50=4ms,p99=25ms),PutRecord=1ms")
	if err != nil {
		t.Fatal(err)
	}
	draw := func(operation string, seed uint64) []time.Duration {
		s, out := m.NewSampler(operation, seed), make([]time.Duration, 10_000)
		for i := range out {
			out[i] = s.Next()
		}
		return out
	}
	a := draw("PutRecords", 1)
	if !slices.Equal(a, draw("PutRecords", 1)) || slices.Equal(a, draw("PutRecords", 2)) {
		t.Error("the seed does not decide the draws")
	}
	slices.Sort(a)
	if p50, p99 := a[5000], a[9900]; p50 < 3800*time.Microsecond || p50 > 4200*time.Microsecond || p99 < 22*time.Millisecond || p99 > 28*time.Millisecond {
		t.Errorf("p50 %s and p99 %s, want about 4ms and 25ms", p50, p99)
	}
	if one := draw("PutRecord", 1)[0]; one != time.Millisecond {
		t.Errorf("PutRecord takes %s, want its own 1ms", one)
	}
	if get := draw("GetRecords", 1)[0]; get != 0 {
		t.Errorf("GetRecords takes %s, want nothing", get)
	}
	s := m.NewSampler("PutRecords", 1)
	if n := testing.AllocsPerRun(100, func() { s.Next() }); n != 0 {
		t.Errorf("a draw allocates %v times", n)
	}
}

// The preset adds up to the averages that have been published.
func TestPresetMatchesPublishedAverages(t *testing.T) {
	m, err := latency.Parse(latency.AWSLike)
	if err != nil {
		t.Fatal(err)
	}
	mean := func(d latency.Distribution) (sum time.Duration) {
		const n = 10_000
		for i := range n {
			sum += d.Quantile((float64(i)+0.5)/n) / n
		}
		return sum
	}
	if put := mean(m.Put); put < 20*time.Millisecond || put > 30*time.Millisecond {
		t.Errorf("a put takes %s in the mean, want 20 to 30 ms", put)
	}
	if poll := mean(m.Get) + m.Propagation + 100*time.Millisecond; poll < 195*time.Millisecond || poll > 205*time.Millisecond {
		t.Errorf("a poller five times a second waits %s in the mean, want 200 ms", poll)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("put=lognormal(p50=4ms,p99=25ms),get=3ms,propagation=10ms")
	f.Add("aws-like,PutRecords=uniform(1ms,2ms)")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := latency.Parse(text)
		if err != nil {
			return
		}
		if again, err := latency.Parse(m.String()); err != nil || again.String() != m.String() {
			t.Errorf("%q is printed as %q, which gives %q, %v", text, m, again, err)
		}
		if issues := m.Validate(); len(issues) > 0 && !strings.Contains(text, "=") {
			t.Errorf("%q parses but is invalid: %v", text, issues)
		}
	})
}
