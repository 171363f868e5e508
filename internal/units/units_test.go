package units_test

import (
	"encoding"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/units"
)

// parsed is the outcome of a parser: the value in its shortest form, or the error.
func parsed[T any](v T, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(v)
}

func TestParse(t *testing.T) {
	parsers := map[string]func(string) string{
		"bytes":    func(s string) string { return parsed(units.ParseBytes(s)) },
		"rate":     func(s string) string { return parsed(units.ParseRate(s)) },
		"byterate": func(s string) string { return parsed(units.ParseByteRate(s)) },
		"percent":  func(s string) string { return parsed(units.ParsePercent(s)) },
		"count":    func(s string) string { return parsed(units.ParseCount(s)) },
		"duration": func(s string) string {
			d, err := units.ParseDuration(s)
			return parsed(units.ExactDuration(d), err)
		},
	}
	for _, c := range []struct{ what, in, want string }{
		{"bytes", "50KiB", "50KiB"},
		{"bytes", "1MiB", "1MiB"},
		{"bytes", "10MB", "10MB"},
		{"bytes", "200B", "200B"},
		{"bytes", "1024B", "1KiB"},
		{"bytes", "1KB", "1kB"},
		{"bytes", "1_000_000B", "1MB"},
		{"bytes", "1.5KiB", "1536B"},
		{"bytes", "0B", "0B"},
		{"bytes", "8388607TiB", "8388607TiB"},
		{"bytes", "200", `error: bad size "200": a size needs a unit, such as 200B`},
		{"bytes", "", `error: bad size "": a size is a number with a unit, such as 50KiB`},
		{"bytes", "-1B", `error: bad size "-1B": a size is a number with a unit, such as 50KiB`},
		{"bytes", "0.1B", `error: bad size "0.1B": a size is a whole number of bytes, such as 50KiB`},
		{"bytes", "5kb", `error: bad size "5kb": the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB, such as 50KiB`},
		{"bytes", "8388608TiB", `error: bad size "8388608TiB": a size is below 8388608TiB, such as 50KiB`},
		{"rate", "5k/s", "5k/s"},
		{"rate", "1000/s", "1k/s"},
		{"rate", "0.5/s", "0.5/s"},
		{"rate", "90/min", "1.5/s"},
		{"rate", "1M/s", "1M/s"},
		{"rate", "3600/h", "1/s"},
		{"rate", "1/h", "1/h"},
		{"rate", "1/7s", "1/7s"},
		{"rate", "5_000/s", "5k/s"},
		{"rate", "0/s", "0/s"},
		{"rate", "0.0001/s", "0.36/h"},
		{"rate", "5000", `error: bad rate "5000": a rate needs a unit, such as 5000/s`},
		{"rate", "fast", `error: bad rate "fast": a rate needs a unit, such as 5k/s`},
		{"rate", "-5/s", `error: bad rate "-5/s": a count is a number per time, such as 5k/s`},
		{"rate", "5/", `error: bad rate "5/": the time is s, min, h or a duration above zero, such as 5/s`},
		{"rate", "5/0s", `error: bad rate "5/0s": the time is s, min, h or a duration above zero, such as 5/s`},
		{"rate", "5/day", `error: bad rate "5/day": the time is s, min, h or a duration above zero, such as 5/s`},
		{"rate", "99999999999G/1ns", `error: bad rate "99999999999G/1ns": a rate lies between one record in centuries and 9G per nanosecond, such as 5k/s`},
		{"byterate", "1MiB/s", "1MiB/s"},
		{"byterate", "0.5MiB/s", "512KiB/s"},
		{"byterate", "1MiB", `error: bad throughput "1MiB": a throughput is a size per second, such as 1MiB/s`},
		{"byterate", "2MB", `error: bad throughput "2MB": a throughput is a size per second, such as 2MB/s`},
		{"byterate", "5/s", `error: bad throughput "5/s": a size needs a unit, such as 5B/s`},
		{"percent", "80%", "80%"},
		{"percent", "0.1%", "0.1%"},
		{"percent", "100%", "100%"},
		{"percent", "0%", "0%"},
		{"percent", "80", `error: bad share "80": a share needs a percent sign, such as 80%`},
		{"percent", "101%", `error: bad share "101%": a share is at most 100%, such as 80%`},
		{"percent", "-1%", `error: bad share "-1%": a share is a number with a percent sign, such as 80%`},
		{"count", "10k", "10k"},
		{"count", "1M", "1M"},
		{"count", "500", "500"},
		{"count", "1500", "1500"},
		{"count", "1.5k", "1500"},
		{"count", "10_000", "10k"},
		{"count", "18446744073709551615", "18446744073709551615"},
		{"count", "18446744073709551616", `error: bad count "18446744073709551616": a count is below 18446744074G, such as 10k`},
		{"count", "0.5", `error: bad count "0.5": a count is a whole number, such as 500 or 1.5k`},
		{"count", "-1", `error: bad count "-1": a count is a number, such as 500 or 10k`},
		{"count", "5K", `error: bad count "5K": the suffixes are k, M and G, such as 500 or 10k`},
		{"duration", "200ms", "200ms"},
		{"duration", "90s", "1m30s"},
		{"duration", "5m", "5m"},
		{"duration", "2h", "2h"},
		{"duration", "50us", "50µs"},
		{"duration", "50µs", "50µs"},
		{"duration", "0s", "0s"},
		{"duration", "200", `error: bad duration "200": a duration needs a unit, such as 200ms or 200s`},
		{"duration", "0", `error: bad duration "0": a duration needs a unit, such as 0ms or 0s`},
		{"duration", "-1s", `error: bad duration "-1s": a duration is not negative, such as 200ms`},
		{"duration", "5min", `error: bad duration "5min": the units are ns, µs, ms, s, m and h, such as 5m`},
		{"duration", "5 s", `error: bad duration "5 s": the units are ns, µs, ms, s, m and h, such as 200ms or 1m30s`},
		{"duration", "1d", `error: bad duration "1d": the units are ns, µs, ms, s, m and h, such as 200ms or 1m30s`},
		{"duration", "9999999h", `error: bad duration "9999999h": a duration is at most 2562047h, such as 24h`},
		{"duration", "soon", `error: bad duration "soon": a duration is a number with a unit, such as 200ms`},
	} {
		if got := parsers[c.what](c.in); got != c.want {
			t.Errorf("%s %q\n got %s\nwant %s", c.what, c.in, got, c.want)
		}
	}
}

func TestEqualRatesAreEqual(t *testing.T) {
	for _, text := range []string{"1/s", "60/min", "3600/h", "0.5/500ms", "0.001k/s"} {
		got, err := units.ParseRate(text)
		if want := (units.Rate{N: 1, Per: time.Second}); err != nil || got != want {
			t.Errorf("%q: got %#v, %v, want %#v", text, got, err, want)
		}
	}
}

func TestPerSecond(t *testing.T) {
	for text, want := range map[string]float64{"0/s": 0, "5k/s": 5000, "0.5/s": 0.5, "90/min": 1.5, "1/7s": 1.0 / 7} {
		r, err := units.ParseRate(text)
		if got := r.PerSecond(); err != nil || got < want*0.999999999 || got > want*1.000000001 {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	if f := units.Percent(80).Fraction(); f != 0.8 {
		t.Errorf("80%% is %v", f)
	}
}

func TestHumanForms(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{units.Duration(0), "0ns"},
		{units.Duration(789), "789ns"},
		{units.Duration(999), "999ns"},
		{units.Duration(1000), "1.00µs"},
		{units.Duration(45_600), "45.6µs"},
		{units.Duration(1_234_567), "1.23ms"},
		{units.Duration(999_499), "999µs"},
		{units.Duration(999_600), "1.00ms"},
		{units.Duration(12_345 * time.Microsecond), "12.3ms"},
		{units.Duration(123_456 * time.Microsecond), "123ms"},
		{units.Duration(9_996 * time.Microsecond), "10.0ms"},
		{units.Duration(1500 * time.Millisecond), "1.50s"},
		{units.Duration(59_960 * time.Millisecond), "1m"},
		{units.Duration(90 * time.Second), "1m30s"},
		{units.Duration(-time.Millisecond), "-1.00ms"},
		{units.Duration(-1 << 63), "-2562047h47m16.854775807s"},
		{units.Thousands(0), "0"},
		{units.Thousands(999), "999"},
		{units.Thousands(1000), "1,000"},
		{units.Thousands(193891), "193,891"},
		{units.Thousands(1<<64 - 1), "18,446,744,073,709,551,615"},
		{units.Size(0), "0 B"},
		{units.Size(999), "999 B"},
		{units.Size(1000), "1.00 kB"},
		{units.Size(92_500_000), "92.5 MB"},
		{units.Size(1<<64 - 1), "18.4 EB"},
		{units.PerSecond(0), "0/s"},
		{units.PerSecond(0.5), "0.50/s"},
		{units.PerSecond(193890.7), "193,891/s"},
		{units.PerSecond(-1), "-"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// roundTrip checks that a text that parses is matched by the pattern of its
// type and that its shortest form means the same.
func roundTrip[T comparable, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, text string) {
	t.Helper()
	var v, again T
	if P(&v).UnmarshalText([]byte(text)) != nil {
		return
	}
	pattern := any(v).(interface{ Pattern() string }).Pattern()
	short, err := any(v).(encoding.TextMarshaler).MarshalText()
	if err != nil {
		t.Fatalf("%T %q: %v", v, text, err)
	}
	for _, form := range []string{text, string(short)} {
		if !regexp.MustCompile(pattern).MatchString(form) {
			t.Errorf("%T %q does not match %s", v, form, pattern)
		}
	}
	if err := P(&again).UnmarshalText(short); err != nil || again != v {
		t.Errorf("%T %q is written as %q, which parses as %v, %v", v, text, short, again, err)
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"50KiB", "5k/s", "1/7s", "90/min", "0.5/1h30m", "1MiB/s", "80%", "33.333333%", "1.5M", "200ms", "1m30s", "0.000001/s", "0/10s", "1.µs", "12345678901/h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		roundTrip[units.Bytes](t, text)
		roundTrip[units.Rate](t, text)
		roundTrip[units.ByteRate](t, text)
		roundTrip[units.Percent](t, text)
		roundTrip[units.Count](t, text)
		d, err := units.ParseDuration(text)
		if err != nil {
			return
		}
		if !regexp.MustCompile(units.DurationPattern).MatchString(text) {
			t.Errorf("duration %q does not match its pattern", text)
		}
		if again, err := units.ParseDuration(units.ExactDuration(d)); err != nil || again != d {
			t.Errorf("duration %q is written as %q: %v, %v", text, units.ExactDuration(d), again, err)
		}
	})
}

// FuzzString starts from values, which also covers what no text gives.
func FuzzString(f *testing.F) {
	f.Add(int64(1), int64(7*time.Second))
	f.Add(int64(1)<<62, int64(1))
	f.Add(int64(123456789), int64(time.Hour))
	f.Fuzz(func(t *testing.T, n, per int64) {
		if n < 0 || per <= 0 {
			return
		}
		checkString(t, units.Bytes(n), units.ParseBytes)
		checkString(t, units.ByteRate(n), units.ParseByteRate)
		checkString(t, units.Count(n), units.ParseCount)
		r := units.Rate{N: n, Per: time.Duration(per)}
		reduced, err := units.ParseRate(r.String())
		if err != nil {
			t.Fatalf("%#v is written as %q: %v", r, r, err)
		}
		checkString(t, reduced, units.ParseRate)
	})
}

func checkString[T fmt.Stringer](t *testing.T, v T, parse func(string) (T, error)) {
	t.Helper()
	got, err := parse(v.String())
	if err != nil {
		t.Fatalf("%T %s: %v", v, v, err)
	}
	if diff := cmp.Diff(v, got); diff != "" {
		t.Errorf("%T %s (-want +got):\n%s", v, v, diff)
	}
}
