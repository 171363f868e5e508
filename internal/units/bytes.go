package units

import (
	"math"
	"math/big"
	"strings"
)

// Bytes is an amount of data in bytes, written with a decimal (kB, MB, GB, TB)
// or binary (KiB, MiB, GiB, TiB) unit or in plain bytes (B). It is never
// negative when parsed.
type Bytes int64

// Sizes with a name, for limits in code.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

const byteUnits = `(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)`

// byteScales lists the units of data; the first of two names for one unit is
// the one that is written.
func byteScales() []scale {
	return []scale{
		{"B", 1},
		{"kB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"KB", 1e3},
	}
}

// ParseBytes parses an amount of data such as "50KiB", "10MB" or "200B".
func ParseBytes(text string) (Bytes, error) {
	n, why := parseData(text)
	if why != "" {
		return 0, bad("size", text, why, example(text, "B", "50KiB"))
	}
	return Bytes(n), nil
}

// parseData reads a number of bytes, or says what is wrong with the text.
func parseData(text string) (n int64, why string) {
	v, unit := splitDecimal(text)
	switch {
	case v == nil:
		return 0, "a size is a number with a unit"
	case unit == "":
		return 0, "a size needs a unit"
	}
	factor, ok := find(byteScales(), unit)
	if !ok {
		return 0, "the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB"
	}
	v.Mul(v, new(big.Rat).SetInt64(factor))
	switch {
	case !v.IsInt():
		return 0, "a size is a whole number of bytes"
	case !v.Num().IsInt64():
		return 0, "a size is below 8388608TiB"
	}
	return v.Num().Int64(), ""
}

// String returns the shortest exact form, such as "50KiB".
func (b Bytes) String() string {
	if b < 0 {
		return "-" + shortest(magnitude(int64(b)), byteScales(), "")
	}
	return shortest(uint64(b), byteScales(), "")
}

// MarshalText returns String's form.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText parses as [ParseBytes] does.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// Pattern returns the regular expression of the written form.
func (Bytes) Pattern() string { return `^` + decimalPattern + byteUnits + `$` }

// ByteRate is a throughput in bytes per second, written as [Bytes] per second.
type ByteRate int64

// ParseByteRate parses a throughput such as "1MiB/s".
func ParseByteRate(text string) (ByteRate, error) {
	data, ok := strings.CutSuffix(text, "/s")
	if !ok {
		right := "1MiB/s"
		if _, why := parseData(data); why == "" {
			right = data + "/s"
		}
		return 0, bad("throughput", text, "a throughput is a size per second", right)
	}
	n, why := parseData(data)
	if why != "" {
		return 0, bad("throughput", text, why, example(data, "B/s", "1MiB/s"))
	}
	return ByteRate(n), nil
}

// String returns the shortest exact form, such as "1MiB/s".
func (r ByteRate) String() string { return Bytes(r).String() + "/s" }

// MarshalText returns String's form.
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses as [ParseByteRate] does.
func (r *ByteRate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseByteRate(string(text))
	return err
}

// Pattern returns the regular expression of the written form.
func (ByteRate) Pattern() string { return `^` + decimalPattern + byteUnits + `/s$` }

// magnitude returns |n|, also for the smallest integer.
func magnitude(n int64) uint64 {
	switch {
	case n == math.MinInt64:
		return 1 << 63
	case n < 0:
		return uint64(-n)
	}
	return uint64(n)
}
