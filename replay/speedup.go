package replay

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Speedup is how many times faster than recorded the data is replayed: source
// time over wall time. It is an exact decimal above zero, such as 6480 or 0.5;
// the zero value means that none was given.
//
// Floating point would not do: a float32 quotient steps by 32 ms after a year at
// 60 times, and a float64 one is wrong in the nanoseconds after days.
type Speedup struct {
	num, den uint64 // value num/den; den is a power of ten, in lowest such terms
}

// maxSpeedupDigits keeps numerator and denominator within 64 bits.
const maxSpeedupDigits = 18

// ParseSpeedup parses a decimal number above zero. It takes up to 18 digits,
// which may be grouped by underscores, and no exponent.
func ParseSpeedup(text string) (Speedup, error) {
	whole, frac, dot := strings.Cut(strings.ReplaceAll(text, "_", ""), ".")
	frac = strings.TrimRight(frac, "0")
	digits := strings.TrimLeft(whole+frac, "0")
	switch {
	case whole == "" || dot && strings.HasSuffix(text, "."), strings.Trim(whole+frac, "0123456789") != "":
		return Speedup{}, fmt.Errorf("bad speedup %q: a speedup is a decimal number, such as 6480 or 0.5", text)
	case digits == "":
		return Speedup{}, fmt.Errorf("bad speedup %q: a speedup is above zero, such as 6480 or 0.5", text)
	case len(digits) > maxSpeedupDigits || len(frac) > maxSpeedupDigits:
		return Speedup{}, fmt.Errorf("bad speedup %q: a speedup has at most %d digits, such as 6480 or 0.5", text, maxSpeedupDigits)
	}
	num, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Speedup{}, fmt.Errorf("parsing speedup %q: %w", text, err)
	}
	den := uint64(1)
	for range frac {
		den *= 10
	}
	return Speedup{num, den}, nil
}

// IsZero reports whether no speedup was given.
func (s Speedup) IsZero() bool { return s.num == 0 }

// String returns the decimal number, or "" for the zero value.
func (s Speedup) String() string {
	switch {
	case s.num == 0:
		return ""
	case s.den == 1:
		return strconv.FormatUint(s.num, 10)
	}
	places := len(strconv.FormatUint(s.den, 10)) - 1
	digits := fmt.Sprintf("%0*d", places+1, s.num)
	return digits[:len(digits)-places] + "." + digits[len(digits)-places:]
}

// MarshalText returns String's form.
func (s Speedup) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses as [ParseSpeedup] does; empty text is the zero value.
func (s *Speedup) UnmarshalText(text []byte) (err error) {
	*s = Speedup{}
	if len(text) > 0 {
		*s, err = ParseSpeedup(string(text))
	}
	return err
}

// Pattern returns the regular expression of the written form, which may be empty.
func (Speedup) Pattern() string { return `^([0-9][0-9_]*(\.[0-9]+)?)?$` }

// Wall returns how many nanoseconds of wall time the given nanoseconds of source
// time last: their exact quotient by the speedup, rounded up, so that nothing is
// ever due early. ok is false if it lasts longer than an int64 holds (292 years).
func (s Speedup) Wall(source uint64) (ns int64, ok bool) {
	return mulDivUp(source, s.den, s.num)
}

// Source returns how many nanoseconds of source time pass in the given
// nanoseconds of wall time, rounded down; more than a uint64 holds is its
// largest value.
func (s Speedup) Source(wall uint64) uint64 {
	hi, lo := bits.Mul64(wall, s.num)
	if hi >= s.den {
		return math.MaxUint64
	}
	quo, _ := bits.Div64(hi, lo, s.den)
	return quo
}

// Float returns the speedup approximately, for display.
func (s Speedup) Float() float64 { return float64(s.num) / float64(s.den) }

// instant is a point on the wall clock, exactly: ns nanoseconds and a fraction of
// the next one in units of 1/num of a speedup, below 1.
type instant struct {
	ns   int64
	frac uint64
}

// after returns the point that lies the given nanoseconds of source time after
// at. ok is false beyond what an int64 holds.
func (s Speedup) after(at instant, source uint64) (next instant, ok bool) {
	hi, lo := bits.Mul64(source, s.den)
	lo, carry := bits.Add64(lo, at.frac, 0)
	hi += carry
	if hi >= s.num {
		return instant{}, false
	}
	quo, frac := bits.Div64(hi, lo, s.num)
	ns := at.ns + int64(quo)
	return instant{ns, frac}, quo <= math.MaxInt64 && ns >= at.ns
}

// up returns the first whole nanosecond that is not before the point.
func (i instant) up() int64 {
	if i.frac > 0 {
		return i.ns + 1
	}
	return i.ns
}

// mulDivUp returns a*b/c rounded up, computed in 128 bits.
func mulDivUp(a, b, c uint64) (quo int64, ok bool) {
	hi, lo := bits.Mul64(a, b)
	lo, carry := bits.Add64(lo, c-1, 0)
	hi += carry
	if hi >= c {
		return 0, false
	}
	q := lo / c
	if hi > 0 {
		q, _ = bits.Div64(hi, lo, c)
	}
	return int64(q), q <= math.MaxInt64
}
