package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/units"
)

// Resolved writes a decoded struct, or a pointer to one, as YAML with every
// default filled in, in the order of the struct. The output decodes to the same
// value. With comments each line ends with the help of its field, and optional
// keys without a value are listed below the others.
func Resolved(v any, comments bool) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	if !rv.IsValid() || !isBlock(rv.Type()) {
		return nil, fmt.Errorf("writing %T: not a struct", v)
	}
	// Methods are found on pointers, so the value must have an address.
	addressable := reflect.New(rv.Type()).Elem()
	addressable.Set(rv)
	r := resolver{planner: planner{plans: map[reflect.Type][]field{}}, comments: comments}
	out := r.block(addressable)
	if r.err != nil {
		return nil, fmt.Errorf("writing %T: %w", v, r.err)
	}
	return layOut(out), nil
}

// line is one line of output with the comment behind it.
type line struct{ text, comment string }

// layOut aligns the comments, where lines are short enough.
func layOut(lines []line) []byte {
	const widest = 48
	width := 0
	for _, l := range lines {
		if n := len([]rune(l.text)); l.comment != "" && n <= widest {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
		if l.comment != "" {
			pad := max(width-len([]rune(l.text)), 0) + 2
			b.WriteString(strings.Repeat(" ", pad) + "# " + strings.Join(strings.Fields(l.comment), " "))
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// resolver writes values as lines.
type resolver struct {
	planner
	comments bool
	err      error
}

// block writes the fields of a struct.
func (r *resolver) block(v reflect.Value) []line {
	fields, err := r.of(v.Type())
	if err != nil {
		r.err = err
		return nil
	}
	var out, unset []line
	for _, f := range fields {
		fv := v.FieldByIndex(f.index)
		help := ""
		if r.comments {
			help = f.description()
		}
		if f.unset(fv) {
			if r.comments {
				unset = append(unset, line{"# " + f.key + ":", help})
			}
			continue
		}
		out = append(out, r.entry(f.key, help, fv)...)
	}
	if len(out) == 0 {
		out = []line{{text: "{}"}}
	}
	return append(out, unset...)
}

// unset reports whether the field is as it would be without its key, and has no
// text of its own for that.
func (f field) unset(v reflect.Value) bool {
	if f.hasDef || f.required {
		return v.Kind() == reflect.Pointer && v.IsNil()
	}
	switch k := v.Kind(); {
	case f.typ == choiceType:
		return v.Interface().(Choice).Kind == ""
	case mapOf(f.typ) != nil:
		return len(v.Addr().Interface().(anyMap).Names()) == 0
	case f.typ == durationType:
		return false
	case isText(f.typ) || k == reflect.String:
		return v.IsZero()
	case k == reflect.Slice:
		return v.Len() == 0
	case k == reflect.Pointer:
		return v.IsNil()
	}
	return false
}

// entry writes "key: value", with the value below if it needs lines.
func (r *resolver) entry(key, help string, v reflect.Value) []line {
	inline, lines := r.value(v)
	if lines == nil {
		return []line{{key + ": " + inline, help}}
	}
	out := []line{{key + ":", help}}
	if lines[0].text == "{}" {
		out[0].text, lines = key+": {}", lines[1:]
	}
	for _, l := range lines {
		out = append(out, line{"  " + l.text, l.comment})
	}
	return out
}

// value writes a value in its place or, if lines is not nil, on lines of its
// own.
func (r *resolver) value(v reflect.Value) (inline string, lines []line) {
	t := v.Type()
	switch {
	case t == choiceType:
		return r.choice(v.Interface().(Choice))
	case mapOf(t) != nil:
		return r.entries(v.Addr().Interface().(anyMap))
	case isText(t):
		return r.text(v), nil
	}
	switch k := v.Kind(); {
	case k == reflect.Pointer && v.IsNil():
		r.err = fmt.Errorf("a list or map has an element without a value")
		return "", nil
	case k == reflect.Pointer:
		return r.value(v.Elem())
	case k == reflect.Struct:
		return split(r.block(v))
	case k == reflect.Slice:
		return r.list(v)
	case k == reflect.String:
		return quote(v.String(), kindString), nil
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, t.Bits()), nil
	}
	return fmt.Sprint(v.Interface()), nil
}

// split puts an empty block in its place.
func split(lines []line) (string, []line) {
	if len(lines) == 1 && lines[0].text == "{}" {
		return "{}", nil
	}
	return "", lines
}

func (r *resolver) text(v reflect.Value) string {
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		return units.ExactDuration(d)
	}
	text, err := v.Addr().Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("writing a %s: %w", v.Type(), err)
	}
	return quote(string(text), kindNull)
}

func (r *resolver) choice(c Choice) (string, []line) {
	v := reflect.ValueOf(c.Config)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		r.err = fmt.Errorf("the choice %q has no configuration", c.Kind)
		return "", nil
	}
	return "", r.entry(c.Kind, "", v)
}

func (r *resolver) entries(m anyMap) (string, []line) {
	var out []line
	for _, name := range m.Names() {
		out = append(out, r.entry(name, "", m.get(name))...)
	}
	if len(out) == 0 {
		return "{}", nil
	}
	return "", out
}

// list writes plain items in brackets and larger ones on lines of their own.
func (r *resolver) list(v reflect.Value) (string, []line) {
	var plain []string
	var out []line
	for i := range v.Len() {
		inline, lines := r.value(v.Index(i))
		if lines == nil {
			plain = append(plain, inline)
			lines = []line{{text: inline}}
		}
		for j, l := range lines {
			indent := "  "
			if j == 0 {
				indent = "- "
			}
			out = append(out, line{indent + l.text, l.comment})
		}
	}
	if text := "[" + strings.Join(plain, ", ") + "]"; len(plain) == v.Len() && len(text) <= 72 {
		return text, nil
	}
	return "", out
}

// quote writes text so that it is read back as it is: as a string if want is
// kindString, as any scalar otherwise.
func quote(text string, want kind) string {
	text = strings.ReplaceAll(text, "${", "$${")
	if isPlain(text, want) {
		return text
	}
	return strconv.Quote(text)
}

// isPlain reports whether text needs no quotes in a block or in brackets.
func isPlain(text string, want kind) bool {
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == 'µ'
		if !letter && !strings.ContainsRune(" _-./:%+", r) {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off":
		return false // booleans to older YAML readers
	}
	if len(text) > 120 {
		return false
	}
	root, problems := (&Document{}).parse("a: " + text + "\nb: [" + text + ", x]")
	if len(problems) > 0 || len(root.pairs) != 2 || len(root.pairs[1].value.items) != 2 {
		return false
	}
	for _, n := range []*node{root.pairs[0].value, root.pairs[1].value.items[0]} {
		if !n.scalar() || n.text != text || n.kind == kindNull || want == kindString && n.kind != kindString {
			return false
		}
	}
	return true
}
