package units

import (
	"math/big"
	"strings"
	"time"
)

// Rate is an exact number of records per time: N records every Per. Parsed
// rates are in lowest terms, so equal rates are equal as Go values: "60/min",
// "1/s" and "0.5/500ms" are all {1, 1s}, and no records at all are {0, 1s}. The zero
// value stands for no rate given.
type Rate struct {
	N   int64
	Per time.Duration
}

const rateUnits = `[kMG]?/(s|min|h|` + durationPattern + `)`

// ParseRate parses a rate: a count, a slash and a unit of time (s, min, h) or a
// duration. "5k/s", "0.5/s", "90/min" and "1/7s" are rates.
func ParseRate(text string) (Rate, error) {
	count, per, ok := strings.Cut(text, "/")
	if !ok {
		return Rate{}, bad("rate", text, "a rate needs a unit", rateExample(text))
	}
	v, why := parseCount(count)
	if why != "" {
		return Rate{}, bad("rate", text, why+" per time", "5k/s")
	}
	d, ok := parsePer(per)
	if !ok {
		return Rate{}, bad("rate", text, "the time is s, min, h or a duration above zero", count+"/s")
	}
	if v.Sign() == 0 {
		return Rate{Per: time.Second}, nil // which can be told from none given
	}
	v.Quo(v, new(big.Rat).SetInt64(int64(d)))
	if !v.Num().IsInt64() || !v.Denom().IsInt64() {
		return Rate{}, bad("rate", text, "a rate lies between one record in centuries and 9G per nanosecond", "5k/s")
	}
	return Rate{N: v.Num().Int64(), Per: time.Duration(v.Denom().Int64())}, nil
}

func rateExample(text string) string {
	if _, why := parseCount(text); why == "" {
		return text + "/s"
	}
	return "5k/s"
}

// parsePer reads the time below the slash.
func parsePer(text string) (time.Duration, bool) {
	switch text {
	case "s":
		return time.Second, true
	case "min":
		return time.Minute, true
	case "h":
		return time.Hour, true
	}
	d, err := ParseDuration(text)
	return d, err == nil && d > 0
}

// PerSecond returns the rate in records per second.
func (r Rate) PerSecond() float64 {
	if r.Per == 0 {
		return 0
	}
	return float64(r.N) * (float64(time.Second) / float64(r.Per))
}

// IsZero reports whether the rate is no records at all.
func (r Rate) IsZero() bool { return r.N == 0 || r.Per == 0 }

// String returns the shortest exact form: per second, minute or hour where that
// is a decimal number, else as N per duration.
func (r Rate) String() string {
	if r.IsZero() {
		return "0/s"
	}
	best := ""
	for _, per := range []scale{{"s", int64(time.Second)}, {"min", int64(time.Minute)}, {"h", int64(time.Hour)}} {
		text, ok := r.count(per.factor)
		if text += "/" + per.name; ok && (best == "" || len(text) < len(best)) {
			best = text
		}
	}
	if best == "" {
		best = big.NewInt(r.N).String() + "/" + ExactDuration(r.Per)
	}
	return best
}

// count writes the records in per nanoseconds as a count with suffix, if that
// is exact.
func (r Rate) count(per int64) (string, bool) {
	v := new(big.Rat).SetFrac(
		new(big.Int).Mul(big.NewInt(r.N), big.NewInt(per)), big.NewInt(int64(r.Per)))
	if v.IsInt() && v.Num().IsUint64() {
		return shortest(v.Num().Uint64(), countScales(), ""), true
	}
	// Three decimal places are what people write; more are clearer as N per
	// duration.
	if v.Mul(v, new(big.Rat).SetInt64(1000)); v.IsInt() && v.Num().IsUint64() {
		return decimal(v.Num().Uint64(), 1000)
	}
	return "", false
}

// MarshalText returns String's form.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses as [ParseRate] does.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// Pattern returns the regular expression of the written form.
func (Rate) Pattern() string { return `^` + decimalPattern + rateUnits + `$` }
