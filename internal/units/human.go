package units

import (
	"math"
	"strconv"
	"time"
)

// Duration shows a latency with three significant digits, such as "1.23ms",
// "45.6µs" or "789ns"; from one minute on it is shown as minutes and seconds.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		if d == math.MinInt64 {
			d++
		}
		return "-" + Duration(-d)
	case d >= time.Minute-50*time.Millisecond:
		return ExactDuration(d.Round(time.Second))
	}
	for _, s := range []scale{{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}} {
		// 999.5 of a unit rounds to 1000 and is shown in the next one.
		if v := float64(d) / float64(s.factor); v < 999.5 {
			return threeDigits(v, s.factor == 1) + s.name
		}
	}
	return threeDigits(d.Seconds(), false) + "s"
}

// threeDigits rounds v, below 1000, to three significant digits.
func threeDigits(v float64, whole bool) string {
	switch {
	case whole || v == 0 || v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Thousands shows a count with separators, such as "193,891".
func Thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Size shows an amount of data in decimal units with three significant digits,
// such as "92.5 MB".
func Size(n uint64) string {
	v, name := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if v < 999.5 {
			break
		}
		v, name = v/1000, next
	}
	return threeDigits(v, name == "B") + " " + name
}

// PerSecond shows a measured rate, such as "193,891/s"; below 100 it keeps
// three significant digits. What is not a rate is shown as "-".
func PerSecond(v float64) string {
	switch {
	case math.IsNaN(v) || v < 0 || v > 1<<62:
		return "-"
	case v < 99.95:
		return threeDigits(v, false) + "/s"
	}
	return Thousands(uint64(math.Round(v))) + "/s"
}
