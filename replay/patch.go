package replay

import (
	"bytes"
	"strconv"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// patcher rewrites times and keys in payloads as they are handed out: times in
// place, since a time keeps its length, a key in place where it does.
type patcher struct {
	mode  string
	time  jsonfield.Finder
	key   jsonfield.Finder
	start int64  // of the schedule, Unix nanoseconds
	zero  int64  // source time of the first row
	begun bool   // zero is set
	arena []byte // payloads whose keys have grown; valid until the next call
}

// newPatcher returns nil where payloads stay as recorded.
func newPatcher(cfg *Config) *patcher {
	if cfg.Timestamps == timestampsOriginal && cfg.Loop <= 1 && cfg.Loop != Forever {
		return nil
	}
	p := &patcher{mode: cfg.Timestamps, key: jsonfield.NewFinder(cfg.LoopKey)}
	if cfg.Timestamp != timestampNone {
		p.time = jsonfield.NewFinder(cfg.Timestamp)
	}
	return p
}

// rewrite patches records of one pass, whose Intended are offsets.
func (p *patcher) rewrite(recs []kload.Record, l lap, timed bool) {
	p.arena = p.arena[:0]
	for i := range recs {
		r := &recs[i]
		if timed {
			if delta := p.delta(r, l); delta != 0 {
				shiftTimes(r.Data, delta)
			}
		}
		if l.key != 0 {
			r.Data = p.moveKey(r.Data, l.key)
		}
	}
}

// delta is by how much the times of a row move.
func (p *patcher) delta(r *kload.Record, l lap) int64 {
	if p.mode == timestampsOriginal {
		return l.time
	}
	value, _ := p.time.Find(r.Data)
	at, ok := parseTime(value)
	if !ok {
		return 0 // the reader lets no such row through
	}
	if !p.begun {
		p.zero, p.begun = at, true
	}
	if p.mode == timestampsIngestion {
		return p.start + r.Intended - at
	}
	return p.start - p.zero + l.time
}

// moveKey adds to the key of a row. A row without one stays as it is.
func (p *patcher) moveKey(line []byte, by int64) []byte {
	value, ok := p.key.Find(line)
	n, whole := wholeNumber(value)
	if !ok || !whole {
		return line
	}
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n+by, 10)
	if len(text) == len(value) {
		copy(value, text)
		return line
	}
	at := cap(line) - cap(value) // value is a slice of line
	from := len(p.arena)
	p.arena = append(p.arena, line[:at]...)
	p.arena = append(p.arena, text...)
	p.arena = append(p.arena, line[at+len(value):]...)
	return p.arena[from:len(p.arena):len(p.arena)]
}

// shiftTimes moves every string of a line that is a time, by whole units of its
// last digit.
func shiftTimes(line []byte, delta int64) {
	const shortest = len("2006-01-02T15:04:05")
	for i := 0; i+shortest < len(line); {
		n := bytes.IndexByte(line[i:], '"')
		if n < 0 {
			return
		}
		i += n + 1
		value := line[i:]
		if len(value) < shortest || value[4] != '-' || value[7] != '-' || value[13] != ':' {
			continue
		}
		end := bytes.IndexByte(value, '"')
		if end < 0 {
			return
		}
		if at, ok := parseTime(value[:end]); ok {
			writeTime(value[:end], at+delta)
		}
		i += end + 1
	}
}

// writeTime overwrites a time that parseTime reads by another, in its form.
func writeTime(b []byte, ns int64) {
	_, rest, _ := fraction(b[19:])
	east, _ := zone(rest)
	t := time.Unix(0, ns).UTC().Add(time.Duration(east) * time.Second)
	year, month, day := t.Date()
	hour, minute, sec := t.Clock()
	two := func(at, v int) { b[at], b[at+1] = byte('0'+v/10), byte('0'+v%10) }
	two(0, year/100)
	two(2, year%100)
	two(5, int(month))
	two(8, day)
	two(11, hour)
	two(14, minute)
	two(17, sec)
	nanos := t.Nanosecond()
	for i, scale := 20, int(second)/10; i < len(b)-len(rest); i, scale = i+1, scale/10 {
		b[i] = byte('0' + nanos/scale%10)
	}
}
