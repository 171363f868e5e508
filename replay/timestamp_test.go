package replay_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/kload/kload/replay"
)

func TestParseTime(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"2023-05-08T04:00:35.000Z", "2023-05-08T04:00:35Z"},
		{"2023-05-08T04:00:35Z", "2023-05-08T04:00:35Z"},
		{"2023-05-08T04:00:35.123456789Z", "2023-05-08T04:00:35.123456789Z"},
		{"2023-05-08T04:00:35.1+05:30", "2023-05-07T22:30:35.1Z"},
		{"2023-05-08T04:00:35-00:01", "2023-05-08T04:01:35Z"},
		{"2023-05-08 04:00:35", "2023-05-08T04:00:35Z"},
		{"2023-05-08 04:00:35.250", "2023-05-08T04:00:35.25Z"},
		{"2023-05-08T04:00:35", "2023-05-08T04:00:35Z"},
		{"2000-02-29T23:59:59Z", "2000-02-29T23:59:59Z"},
		{"1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"},
		{"1678-01-01T00:00:00Z", "1678-01-01T00:00:00Z"},
		{"2261-12-31T23:59:59Z", "2261-12-31T23:59:59Z"},
	} {
		ns, ok := replay.ParseTime([]byte(tc.in))
		if got := time.Unix(0, ns).UTC().Format(time.RFC3339Nano); !ok || got != tc.want {
			t.Errorf("ParseTime(%q) = %s, %v; want %s", tc.in, got, ok, tc.want)
		}
	}
	for _, in := range []string{
		"", "now", "2023-05-08", "2023-05-08T04:00", "2023-05-08T04:00:35.Z", "2023-05-08T04:00:35.1234567890Z",
		"2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2023-04-31T00:00:00Z", "2023-00-01T00:00:00Z", "2023-13-01T00:00:00Z",
		"2023-05-00T00:00:00Z", "2023-05-08T24:00:00Z", "2023-05-08T04:60:00Z", "2023-05-08T23:59:60Z",
		"2023-05-08T04:00:35z", "2023-05-08T04:00:35+0530", "2023-05-08T04:00:35+24:00", "2023-05-08T04:00:35+05:60",
		"2023-05-08T04:00:35ZZ", "2023-05-08T04:00:3xZ", "2023-05-0aT04:00:35Z", "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z",
		"1683526835", "2023/05/08 04:00:35",
	} {
		if ns, ok := replay.ParseTime([]byte(in)); ok {
			t.Errorf("ParseTime(%q) = %d, want not ok", in, ns)
		}
	}
}

func TestParseTimeCalendar(t *testing.T) {
	for d := time.Date(1678, 1, 1, 1, 2, 3, 4, time.UTC); d.Year() < 2262; d = d.AddDate(0, 0, 1) {
		ns, ok := replay.ParseTime([]byte(d.Format(time.RFC3339Nano)))
		if !ok || ns != d.UnixNano() {
			t.Fatalf("%v: %d, %v; want %d", d, ns, ok, d.UnixNano())
		}
	}
}

// FuzzTimestamp holds ParseTime against package time: what it takes, time.Parse
// takes with the same result; and it takes all of strict RFC 3339 within its
// years and digits.
func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{
		"2023-05-08T04:00:35.000Z", "2023-05-08T04:00:35.1-07:00", "2023-05-08 04:00:35.250", "1999-12-31T23:59:60Z",
		"2024-02-29T00:00:00Z", "2023-05-08T4:00:35Z", "2023-05-08T04:00:35,5Z",
	} {
		f.Add(seed)
	}
	// package time also takes single-digit hours, commas and more digits
	shape := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	f.Fuzz(func(t *testing.T, in string) {
		ns, ok := replay.ParseTime([]byte(in))
		if ok {
			want, err := parseAny(in)
			if err != nil || want.UnixNano() != ns {
				t.Fatalf("ParseTime(%q) = %d; package time says %v, %v", in, ns, want, err)
			}
			return
		}
		if at, err := time.Parse(time.RFC3339, in); err == nil && shape.MatchString(in) && at.Year() >= 1679 && at.Year() <= 2260 {
			t.Fatalf("ParseTime(%q) is not ok; package time says %v", in, at)
		}
	})
}

func parseAny(in string) (at time.Time, err error) {
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	} {
		if at, err = time.Parse(layout, in); err == nil {
			return at, nil
		}
	}
	return at, err
}
