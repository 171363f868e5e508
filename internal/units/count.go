package units

import "math/big"

// Count is a number of things, written plainly or in thousands (k), millions
// (M) or billions (G): 500, "10k", "1.5M".
type Count uint64

func countScales() []scale {
	return []scale{{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}}
}

// ParseCount parses a count such as "500", "10k" or "1M".
func ParseCount(text string) (Count, error) {
	v, why := parseCount(text)
	switch {
	case why != "":
		return 0, bad("count", text, why, "500 or 10k")
	case !v.IsInt():
		return 0, bad("count", text, "a count is a whole number", "500 or 1.5k")
	case !v.Num().IsUint64():
		return 0, bad("count", text, "a count is below 18446744074G", "10k")
	}
	return Count(v.Num().Uint64()), nil
}

// parseCount reads a number with its suffix, or says what is wrong with it.
func parseCount(text string) (v *big.Rat, why string) {
	v, unit := splitDecimal(text)
	if v == nil {
		return nil, "a count is a number"
	}
	factor, ok := find(countScales(), unit)
	if !ok {
		return nil, "the suffixes are k, M and G"
	}
	return v.Mul(v, new(big.Rat).SetInt64(factor)), ""
}

// String returns the shortest exact form, such as "10k".
func (c Count) String() string { return shortest(uint64(c), countScales(), "") }

// MarshalText returns String's form.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText parses as [ParseCount] does.
func (c *Count) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCount(string(text))
	return err
}

// Pattern returns the regular expression of the written form.
func (Count) Pattern() string {
	return `^(` + decimalPattern + `[kMG]|[0-9]+(_[0-9]+)*(\.0+)?)$`
}
