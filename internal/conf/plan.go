package conf

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is what the tags of a struct field say.
type field struct {
	index    []int
	typ      reflect.Type
	key      string
	def      string
	hasDef   bool
	help     string
	unit     string
	choice   string
	enum     []string
	required bool
	paths    bool
}

// planner reads the tags of struct types, each once.
type planner struct {
	kinds Kinds
	plans map[reflect.Type][]field
}

// newPlanner makes a planner that knows all plug-ins. Without a registry, as in
// planner{plans: …}, choices are not checked against one.
func newPlanner(kinds Kinds) planner {
	if kinds == nil {
		kinds = Kinds{}
	}
	return planner{kinds: kinds, plans: map[reflect.Type][]field{}}
}

// of returns the fields of a struct type in order. Its errors are mistakes in
// the program, not in the file.
func (p planner) of(t reflect.Type) ([]field, error) {
	if fields, ok := p.plans[t]; ok {
		return fields, nil
	}
	fields, err := p.read(t, nil, map[string]bool{})
	if err != nil {
		return nil, fmt.Errorf("reading the tags of %s: %w", t, err)
	}
	p.plans[t] = fields
	return fields, nil
}

func (p planner) read(t reflect.Type, index []int, seen map[string]bool) ([]field, error) {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clip(index), i)
		key, tagged := sf.Tag.Lookup("yaml")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			inner, err := p.read(sf.Type, at, seen)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		if !sf.IsExported() || key == "-" {
			continue
		}
		f := newField(sf, at)
		if err := p.check(f, seen); err != nil {
			return nil, fmt.Errorf("field %s: %w", sf.Name, err)
		}
		seen[f.key] = true
		fields = append(fields, f)
	}
	return fields, nil
}

func newField(sf reflect.StructField, index []int) field {
	f := field{
		index: index, typ: sf.Type, key: sf.Tag.Get("yaml"), help: sf.Tag.Get("help"),
		unit: sf.Tag.Get("unit"), choice: sf.Tag.Get("choice"), required: sf.Tag.Get("required") == "true",
		paths: sf.Tag.Get("keys") == "path",
	}
	f.def, f.hasDef = sf.Tag.Lookup("default")
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, "|")
	}
	return f
}

// check refuses fields that could never be decoded.
func (p planner) check(f field, seen map[string]bool) error {
	leaf := f.typ
	for leaf != choiceType {
		if m := mapOf(leaf); m != nil {
			leaf = m.elem()
		} else if k := leaf.Kind(); (k == reflect.Slice || k == reflect.Pointer) && !isText(leaf) {
			leaf = leaf.Elem()
		} else {
			break
		}
	}
	switch {
	case !validName(f.key):
		return fmt.Errorf(`the tag yaml:%q is not a key`, f.key)
	case seen[f.key]:
		return fmt.Errorf("the key %q is used twice", f.key)
	case f.required && f.hasDef:
		return fmt.Errorf("the key %q has a default and is required", f.key)
	case leaf == choiceType && f.choice == "":
		return errors.New("a conf.Choice needs the tag choice")
	case leaf == choiceType && p.kinds != nil && p.kinds[f.choice] == nil:
		return fmt.Errorf("nothing is registered for choice:%q", f.choice)
	case leaf != choiceType && f.choice != "":
		return fmt.Errorf("the tag choice is for conf.Choice, not for %s", leaf)
	case isText(leaf) && leaf != durationType && !reflect.PointerTo(leaf).Implements(marshalerType):
		return fmt.Errorf("the type %s has UnmarshalText but no MarshalText", leaf)
	case leaf != choiceType && !isText(leaf) && !supported(leaf.Kind()):
		return fmt.Errorf("the type %s is not supported", leaf)
	}
	return nil
}

func supported(k reflect.Kind) bool {
	switch k {
	case reflect.String, reflect.Bool, reflect.Struct, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

var (
	choiceType    = reflect.TypeFor[Choice]()
	durationType  = reflect.TypeFor[time.Duration]()
	mapType       = reflect.TypeFor[anyMap]()
	marshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	shorthandType = reflect.TypeFor[Shorthand]()
	patternedType = reflect.TypeFor[Patterned]()
)

// isText reports whether values of t are written as one text: durations and
// types with UnmarshalText.
func isText(t reflect.Type) bool {
	return t == durationType || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(textType)
}

// mapOf returns an empty *Map of the given Map type, nil for other types.
func mapOf(t reflect.Type) anyMap {
	if t.Kind() != reflect.Struct || !reflect.PointerTo(t).Implements(mapType) {
		return nil
	}
	return reflect.New(t).Interface().(anyMap)
}

// isBlock reports whether values of t are written as a block of its fields.
func isBlock(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != choiceType && !isText(t) && mapOf(t) == nil
}

// needs reports whether a struct of type t has to be written out because some
// key below it is required.
func (p planner) needs(t reflect.Type) (bool, error) {
	fields, err := p.of(t)
	if err != nil {
		return false, err
	}
	for _, f := range fields {
		if needed, err := p.needed(f); err != nil || needed {
			return needed, err
		}
	}
	return false, nil
}

// needed reports whether a key must be present.
func (p planner) needed(f field) (bool, error) {
	if f.required || f.hasDef || !isBlock(f.typ) {
		return f.required, nil
	}
	return p.needs(f.typ)
}

// defaultNode returns the default of a field as if it were in the file.
func (f field) defaultNode(at position) (*node, error) {
	if isText(f.typ) || f.typ.Kind() == reflect.String {
		return &node{kind: kindString, text: f.def, quoted: true, pos: at}, nil
	}
	n, problems := (&Document{}).parse(f.def)
	if len(problems) > 0 {
		return nil, fmt.Errorf("reading the default %q of %s: %s", f.def, f.key, problems[0].Msg)
	}
	n.relocate(at)
	return n, nil
}
