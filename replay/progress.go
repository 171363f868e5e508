package replay

import "time"

// Progress says how far a replay has come.
type Progress struct {
	// Rows is how many records were handed out.
	Rows uint64
	// ReadBytes of TotalBytes, as stored, were read for them, in a resumed replay
	// since it goes on. Nobody counts rows in advance.
	ReadBytes, TotalBytes int64
	// Source is the source time that was reached; the zero time if the rows have
	// none.
	Source time.Time
	// Due is the offset at which the last of these records is due. Records are handed
	// out ahead of their time.
	Due time.Duration
	// Fraction is how much of the schedule there is up to Due, from 0 to 1; 0 where
	// that cannot be told yet. It is exact as soon as the data is read to its end,
	// which is at once where it is small.
	Fraction float64
}

// Left estimates how long the replay will go on that began so long ago, 0 where
// that cannot be told: by the schedule while it is kept, else by what it took to
// come so far.
func (p *Progress) Left(elapsed time.Duration) time.Duration {
	if p.Fraction <= 0 {
		return 0
	}
	return max(0, time.Duration(float64(max(p.Due, elapsed))/p.Fraction)-elapsed)
}

// enoughText is after how much decoded text the bytes read say how much is left:
// decoders read up to 4 MiB ahead of what they give out.
const enoughText = 16 << 20

// Progress returns how far the replay has come. It may be called from any
// goroutine.
func (s *Source) Progress() Progress {
	p := Progress{Rows: s.rows.Load(), ReadBytes: s.read.Load(), TotalBytes: s.total, Due: time.Duration(s.due.Load())}
	if at := s.source.Load(); at != noTime {
		p.Source = time.Unix(0, at).UTC()
	}
	if end := s.end.Load(); end > 0 {
		p.Fraction = min(float64(p.Due)/float64(end), 1)
		return p
	}
	if before := s.before.Load(); s.total > before && s.text.Load() >= enoughText {
		p.Fraction = float64(p.ReadBytes-before) / float64(s.total-before)
	}
	if left := int64(s.cfg.Limit); left > 0 {
		if s.resumed != nil {
			left = max(1, left-int64(s.resumed.Acked))
		}
		p.Fraction = max(p.Fraction, float64(p.Rows)/float64(left))
	}
	if first := s.first.Load(); first != noTime && !s.cfg.Until.IsZero() && s.cfg.Loop <= 1 && s.cfg.Loop != Forever {
		p.Fraction = max(p.Fraction, float64(s.source.Load()-first)/float64(s.cfg.Until.ns-first))
	}
	p.Fraction = min(p.Fraction, 1)
	return p
}
