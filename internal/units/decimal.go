package units

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// decimalPattern is the number at the front of every quantity.
const decimalPattern = `[0-9]+(_[0-9]+)*(\.[0-9]+)?`

// maxText bounds the length of a quantity. The longest useful one is well below
// it, and exact arithmetic on longer ones would only cost time.
const maxText = 64

// splitDecimal takes the decimal number off the front of s. It returns nil if
// there is none.
func splitDecimal(s string) (value *big.Rat, unit string) {
	if len(s) > maxText {
		return nil, s
	}
	end := digits(s)
	if end == 0 {
		return nil, s
	}
	if rest := s[end:]; strings.HasPrefix(rest, ".") {
		if n := plainDigits(rest[1:]); n > 0 {
			end += 1 + n
		}
	}
	v, ok := new(big.Rat).SetString(strings.ReplaceAll(s[:end], "_", ""))
	if !ok {
		return nil, s
	}
	return v, s[end:]
}

// digits returns the length of the digits at the front of s, single
// underscores between them included.
func digits(s string) int {
	n := plainDigits(s)
	for n > 0 && n < len(s) && s[n] == '_' {
		more := plainDigits(s[n+1:])
		if more == 0 {
			break
		}
		n += 1 + more
	}
	return n
}

func plainDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// scale is a unit: its name and how many base units it stands for.
type scale struct {
	name   string
	factor int64
}

// find returns the factor of the scale called name.
func find(scales []scale, name string) (int64, bool) {
	for _, s := range scales {
		if s.name == name {
			return s.factor, true
		}
	}
	return 0, false
}

// shortest writes n base units in the scale that needs the fewest characters.
// Scales are tried in order, so that the first of equals wins.
func shortest(n uint64, scales []scale, suffix string) string {
	best := ""
	for _, s := range scales {
		text, ok := decimal(n, uint64(s.factor))
		if text += s.name + suffix; ok && (best == "" || len(text) < len(best)) {
			best = text
		}
	}
	return best
}

// decimal writes n/factor with at most three decimal places, if that is exact.
func decimal(n, factor uint64) (string, bool) {
	whole, rest := n/factor, n%factor
	if rest == 0 {
		return strconv.FormatUint(whole, 10), true
	}
	// factor <= 2^40 keeps rest*1000 far from overflow.
	if rest*1000%factor != 0 {
		return "", false
	}
	frac := fmt.Sprintf("%03d", rest*1000/factor)
	return strconv.FormatUint(whole, 10) + "." + strings.TrimRight(frac, "0"), true
}

// bad is the error of every parser: what was given, what is wrong with it, and
// a right one.
func bad(what, text, why, example string) error {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return fmt.Errorf("bad %s %q: %s, such as %s", what, text, why, example)
}

// example puts the given number in front of a unit, so that the advice is the
// user's own value made right.
func example(text, unit, otherwise string) string {
	if v, rest := splitDecimal(text); v != nil && rest == "" {
		return text + unit
	}
	return otherwise
}
