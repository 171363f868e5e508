package conf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Field describes one key of a configuration, for reference pages and for
// explaining a path.
type Field struct {
	Key      string
	Type     string // as a reader of the file sees it, such as "duration" or "list of text"
	Default  string // as written in the file; empty if there is none
	Help     string
	Enum     []string
	Required bool
	// Fields are the keys below, of a block or of the elements of a list or map.
	Fields []Field
}

// Fields describes the keys of a struct, or of a pointer to one, in their order. Types that
// hold themselves are described once per path.
func Fields(root any) ([]Field, error) {
	t := reflect.TypeOf(root)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || !isBlock(t) {
		return nil, fmt.Errorf("describing %T: not a struct", root)
	}
	return planner{plans: map[reflect.Type][]field{}}.describe(t, nil)
}

func (p planner) describe(t reflect.Type, above []reflect.Type) ([]Field, error) {
	if slices.Contains(above, t) {
		return nil, nil
	}
	plan, err := p.of(t)
	if err != nil {
		return nil, err
	}
	out := make([]Field, len(plan))
	for i, f := range plan {
		name, inner := typeName(f.typ, f)
		out[i] = Field{Key: f.key, Type: name, Default: f.def, Help: f.description(), Enum: f.enum, Required: f.required}
		if inner == nil {
			continue
		}
		if out[i].Fields, err = p.describe(inner, append(slices.Clip(above), t)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// typeName names a type for readers, and returns the struct whose keys stand
// below it, if any.
func typeName(t reflect.Type, f field) (name string, inner reflect.Type) {
	switch {
	case t == choiceType:
		return f.choice, nil
	case t == durationType:
		return "duration", nil
	case mapOf(t) != nil:
		name, inner = typeName(mapOf(t).elem(), f)
		return "map of " + name, inner
	case isText(t):
		return strings.ToLower(t.Name()), nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem(), f)
	case reflect.Slice:
		name, inner = typeName(t.Elem(), f)
		return "list of " + name, inner
	case reflect.Struct:
		return "block", t
	case reflect.String:
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Float32, reflect.Float64:
		return "number", nil
	}
	return "whole number", nil
}
