package replay

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// Passes is how often the data is replayed: a number, or for ever. The zero
// value means once.
type Passes int64

// Forever replays until somebody ends the replay.
const Forever Passes = -1

// String returns the number, "forever", or "" for the zero value.
func (p Passes) String() string {
	switch p {
	case 0:
		return ""
	case Forever:
		return "forever"
	}
	return strconv.FormatInt(int64(p), 10)
}

// MarshalText returns String's form.
func (p Passes) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses a number above zero or "forever"; empty text is the zero
// value.
func (p *Passes) UnmarshalText(text []byte) error {
	switch string(text) {
	case "":
		*p = 0
		return nil
	case "forever":
		*p = Forever
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("bad number of passes %q: use a number above zero, such as 3, or forever", text)
	}
	*p = Passes(n)
	return nil
}

// Pattern returns the regular expression of the written form, which may be empty.
func (Passes) Pattern() string { return `^([1-9][0-9]*|forever)?$` }

// reach is what the first pass spans, which is what each further one is shifted
// by.
type reach struct {
	First int64 `json:"first"` // source times, Unix ns
	Last  int64 `json:"last"`
	Low   int64 `json:"low"` // of the key
	High  int64 `json:"high"`
	Rows  bool  `json:"rows"`  // there are First and Last
	Keyed bool  `json:"keyed"` // there are Low and High
}

// lap is what one pass adds to the rows' times and keys.
type lap struct {
	number int64
	time   int64 // nanoseconds
	key    int64
}

// looper counts passes. Each further one continues the times of the one before
// after a second, and its keys from the number after the highest.
type looper struct {
	passes Passes
	lap    lap
	rows   bool // the pass has some
	reach  reach
	key    jsonfield.Finder
}

func newLooper(cfg *Config) looper {
	l := looper{passes: cfg.Loop, key: jsonfield.NewFinder(cfg.LoopKey)}
	if l.passes == 0 {
		l.passes = 1
	}
	return l
}

// note learns from the rows of the first pass, and marks the block as of its
// pass.
func (l *looper) note(b *block) {
	b.lap = l.lap
	l.rows = l.rows || len(b.rows) > 0
	if l.passes == 1 || l.lap.number > 0 {
		return
	}
	r := &l.reach
	for _, row := range b.rows {
		if !r.Rows {
			r.First, r.Last, r.Rows = row.at, row.at, true
		}
		r.First, r.Last = min(r.First, row.at), max(r.Last, row.at)
		text, ok := l.key.Find(b.data[row.off : row.off+row.size])
		if !ok {
			continue
		}
		if n, ok := wholeNumber(text); ok {
			if !r.Keyed {
				r.Low, r.High, r.Keyed = n, n, true
			}
			r.Low, r.High = min(r.Low, n), max(r.High, n)
		}
	}
}

// again begins the next pass, if there is one. Without a row there is none: data
// that has gone would else be looked for forever, where that is forgiven.
func (l *looper) again() (bool, error) {
	n := l.lap.number + 1
	switch {
	case l.passes != Forever && n >= int64(l.passes), !l.reach.Rows:
		return false, nil
	case !l.rows:
		return false, kload.WithHint(fmt.Errorf("looping the replay: pass %d found no rows, unlike the first", n), "check whether the data is still there")
	}
	err := l.enter(n)
	return err == nil, err
}

// enter begins a pass, counted from 0.
func (l *looper) enter(n int64) error {
	span := uint64(l.reach.Last-l.reach.First) + uint64(second)
	keys := uint64(l.reach.High-l.reach.Low) + 1
	times, ok := mulDivUp(span, uint64(n), 1)
	if !ok || l.reach.Last > math.MaxInt64-times {
		return tooManyPasses("times would pass the year 2261")
	}
	moved, ok := mulDivUp(keys, uint64(n), 1)
	if l.reach.Keyed && (!ok || l.reach.High > math.MaxInt64-moved) {
		return tooManyPasses("keys would pass 9223372036854775807")
	}
	l.lap, l.rows = lap{number: n, time: times, key: moved}, false
	return nil
}

func tooManyPasses(why string) error {
	return kload.WithHint(errors.New("looping the replay: with one more pass its "+why), "set loop to fewer passes")
}

// wholeNumber reads an integer without allocating.
func wholeNumber(b []byte) (n int64, ok bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if len(digits) < len(b) {
		n = -n
	}
	return n, true
}
