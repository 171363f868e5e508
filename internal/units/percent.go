package units

import (
	"strconv"
	"strings"
)

// Percent is a share of a whole, 0 to 100.
type Percent float64

// ParsePercent parses a share such as "80%" or "0.1%".
func ParsePercent(text string) (Percent, error) {
	number, found := strings.CutSuffix(text, "%")
	v, rest := splitDecimal(number)
	switch {
	case v == nil || rest != "":
		return 0, bad("share", text, "a share is a number with a percent sign", "80%")
	case !found:
		return 0, bad("share", text, "a share needs a percent sign", text+"%")
	}
	f, _ := v.Float64()
	if f > 100 {
		return 0, bad("share", text, "a share is at most 100%", "80%")
	}
	return Percent(f), nil
}

// Fraction returns the share as a number from 0 to 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

// String returns the shortest exact form, such as "80%".
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText returns String's form.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses as [ParsePercent] does.
func (p *Percent) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePercent(string(text))
	return err
}

// Pattern returns the regular expression of the written form.
func (Percent) Pattern() string { return `^` + decimalPattern + `%$` }
