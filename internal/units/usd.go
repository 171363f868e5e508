package units

import (
	"fmt"
	"strconv"
	"strings"
)

// USD is an amount of money in US dollars, written "1.50 USD".
type USD float64

const usdExample = "write an amount above 0 and its currency, such as 1.50 USD"

// ParseUSD reads an amount above 0: the zero value stands for none given.
func ParseUSD(text string) (USD, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.TrimSpace(unit) != "USD" || !(v > 0 && v <= 1e9) || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("bad amount %q: %s", text, usdExample)
	}
	return USD(v), nil
}

// String writes the amount exactly, with cents at least.
func (u USD) String() string {
	text := strconv.FormatFloat(float64(u), 'f', -1, 64)
	if cents := strconv.FormatFloat(float64(u), 'f', 2, 64); len(cents) > len(text) {
		text = cents
	}
	return text + " USD"
}

// MarshalText is String.
func (u USD) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is ParseUSD.
func (u *USD) UnmarshalText(text []byte) (err error) {
	*u, err = ParseUSD(string(text))
	return err
}

// Pattern is the written form.
func (USD) Pattern() string { return `^[0-9]+(\.[0-9]+)? USD$` }
