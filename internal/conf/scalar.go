package conf

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// textOrRaw returns the node as text: what stood behind --set where that was
// not a string, else the text of the scalar.
func (n *node) textOrRaw() string {
	if n.raw != "" {
		return n.raw
	}
	return n.text
}

// wrong reports a value of the wrong kind.
func (d *decoder) wrong(n *node, p place, expected, hint string) {
	d.report(n.pos, p.path, "expected "+expected+", found "+n.describe(), hint)
}

// reportError reports what a value's own parser said.
func (d *decoder) reportError(n *node, p place, err error) {
	hint := ""
	if h, ok := errors.AsType[*kload.HintError](err); ok {
		hint = h.Hint
	}
	d.report(n.pos, p.path, err.Error(), hint)
}

// text decodes a duration or a type with UnmarshalText.
func (d *decoder) text(dst reflect.Value, n *node, p place) {
	if !n.scalar() && n.raw == "" {
		d.wrong(n, p, "a single value", d.exampleText(p.tags))
		return
	}
	text := n.textOrRaw()
	if !d.inEnum(text, n, p) {
		return
	}
	if dst.Type() == durationType {
		v, err := units.ParseDuration(text)
		if err != nil {
			d.reportError(n, p, err)
		}
		dst.SetInt(int64(v))
		return
	}
	if err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		d.reportError(n, p, err)
	}
}

func (d *decoder) exampleText(f field) string {
	if f.hasDef && f.def != "" {
		return "for example " + f.def
	}
	return ""
}

// inEnum reports whether text is allowed, and reports it if it is not.
func (d *decoder) inEnum(text string, n *node, p place) bool {
	if len(p.tags.enum) == 0 || slices.Contains(p.tags.enum, text) {
		return true
	}
	d.report(n.pos, p.path, fmt.Sprintf("%q is not allowed", cut(text, 40))+didYouMean(text, p.tags.enum),
		"use one of: "+strings.Join(p.tags.enum, ", "))
	return false
}

// scalar decodes into a string, bool or number.
func (d *decoder) scalar(dst reflect.Value, n *node, p place) {
	switch k := dst.Kind(); {
	case k == reflect.String:
		d.string(dst, n, p)
	case k == reflect.Bool:
		if n.kind != kindBool {
			d.wrong(n, p, "true or false", "")
			return
		}
		dst.SetBool(n.text == "true")
	case dst.CanInt() || dst.CanUint():
		d.integer(dst, n, p)
	case dst.CanFloat():
		d.float(dst, n, p)
	}
}

func (d *decoder) string(dst reflect.Value, n *node, p place) {
	if n.kind != kindString && n.raw == "" {
		hint := ""
		if n.scalar() {
			hint = fmt.Sprintf("put it in quotes: %q", n.text)
		}
		d.wrong(n, p, "text", hint)
		return
	}
	if text := n.textOrRaw(); d.inEnum(text, n, p) {
		dst.SetString(text)
	}
}

func (d *decoder) integer(dst reflect.Value, n *node, p place) {
	// The YAML parser takes numbers beyond 64 bits for text.
	if n.kind != kindInt && !(n.plain() && plainDigits(n.text)) {
		d.wrong(n, p, "a whole number", d.exampleText(p.tags))
		return
	}
	text := strings.ReplaceAll(strings.TrimPrefix(n.text, "+"), "_", "")
	digits := strings.TrimPrefix(text, "-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		d.report(n.pos, p.path, fmt.Sprintf("the number %s is ambiguous", n.text), "write it without leading zeros, or as 0o17 if octal was meant")
		return
	}
	bits := dst.Type().Bits()
	if dst.CanInt() {
		v, err := strconv.ParseInt(text, 0, bits)
		if err != nil {
			d.report(n.pos, p.path, fmt.Sprintf("the number %s is too large", n.text), fmt.Sprintf("use %d to %d", -1<<(bits-1), 1<<(bits-1)-1))
		}
		dst.SetInt(v)
		return
	}
	v, err := strconv.ParseUint(text, 0, bits)
	switch {
	case strings.HasPrefix(text, "-"):
		d.report(n.pos, p.path, fmt.Sprintf("the number %s is negative", n.text), "use 0 or more")
	case err != nil:
		d.report(n.pos, p.path, fmt.Sprintf("the number %s is too large", n.text), fmt.Sprintf("use at most %d", uint64(math.MaxUint64)>>(64-bits)))
	}
	dst.SetUint(v)
}

func plainDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func (d *decoder) float(dst reflect.Value, n *node, p place) {
	v, ok := n.number()
	if !ok {
		d.wrong(n, p, "a number", d.exampleText(p.tags))
		return
	}
	if math.IsInf(v, 0) || math.IsNaN(v) || dst.OverflowFloat(v) {
		d.report(n.pos, p.path, fmt.Sprintf("the number %s is not finite", n.text), "")
		return
	}
	dst.SetFloat(v)
}

// number returns the value of a number. The YAML parser takes numbers such as
// 1e9 for text.
func (n *node) number() (float64, bool) {
	text := strings.ReplaceAll(n.text, "_", "")
	switch {
	case n.kind == kindInt:
		if v, err := strconv.ParseInt(text, 0, 64); err == nil {
			return float64(v), true
		}
	case n.kind == kindFloat && strings.Contains(strings.ToLower(text), "inf"):
		return math.Inf(1), true
	case n.kind == kindFloat && strings.EqualFold(text, ".nan"):
		return math.NaN(), true
	case n.kind != kindFloat && !n.plain():
		return 0, false
	}
	if n.kind != kindFloat && strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil || errors.Is(err, strconv.ErrRange)
}
