package conf

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kload/kload/internal/units"
)

// object is a JSON object; encoding/json writes its keys sorted.
type object = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of the files that decode into
// root, a struct or a pointer to one: indented, and the same for the same types.
// Checks by Validate and the size of whole numbers are not in it. An error is a
// mistake in the tags or the registry; bad defaults are found too.
func Schema(root any, kinds Kinds, title, id string) ([]byte, error) {
	t := reflect.TypeOf(root)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || !isBlock(t) {
		return nil, fmt.Errorf("describing %T: not a struct", root)
	}
	s := &schemer{planner: newPlanner(kinds), defs: object{}, names: map[string]reflect.Type{}}
	top := s.structure(t)
	if s.err != nil {
		return nil, fmt.Errorf("describing %s: %w", t, s.err)
	}
	s.reserved(top["properties"].(object))
	s.defs["variable"] = object{"type": "string", "pattern": `\$\{`, "description": "A value with variables: ${name} or ${name:default}."}
	top["$schema"], top["$id"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", id, title, s.defs
	out, err := json.MarshalIndent(top, "", "  ")
	return append(out, '\n'), err
}

// schemer collects definitions while it walks types.
type schemer struct {
	planner
	defs  object
	names map[string]reflect.Type // the types behind the names in defs
	err   error
}

func (s *schemer) fail(err error) object {
	if s.err == nil {
		s.err = err
	}
	return object{}
}

// reserved adds the keys of the document itself.
func (s *schemer) reserved(properties object) {
	for key, schema := range map[string]object{
		"vars": {
			"type": "object", "description": "Variables, used as ${name}.", "propertyNames": namePattern(),
			"additionalProperties": object{"type": []string{"string", "number", "boolean"}},
		},
		"profiles": {
			"type": "object", "description": "Named variants: parts of this file that are laid over it.",
			"additionalProperties": object{"type": "object"},
		},
	} {
		if _, own := properties[key]; !own {
			properties[key] = schema
		}
	}
}

func namePattern() object { return object{"pattern": "^[A-Za-z][A-Za-z0-9_-]*$"} }

// keyPattern is what the keys of a map look like.
func (f field) keyPattern() object {
	if f.paths {
		return object{"pattern": `^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`}
	}
	return namePattern()
}

func variable() object { return object{"$ref": "#/$defs/variable"} }

// orVariable also allows a text with variables in the place of a value.
func orVariable(schemas ...object) object {
	return object{"anyOf": append(schemas, variable())}
}

// structure returns the schema of a struct's block.
func (s *schemer) structure(t reflect.Type) object {
	fields, err := s.of(t)
	if err != nil {
		return s.fail(err)
	}
	properties, required := object{}, []string{}
	for _, f := range fields {
		properties[f.key] = s.property(f)
		needed, err := s.needed(f)
		if err != nil {
			return s.fail(err)
		}
		if needed {
			required = append(required, f.key)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// property returns the schema of one field.
func (s *schemer) property(f field) object {
	p := s.schema(f.typ, f)
	if f.help != "" {
		p["description"] = f.description()
	}
	if !f.hasDef {
		return p
	}
	n, err := f.defaultNode(position{})
	if err != nil {
		return s.fail(err)
	}
	if err := s.checkDefault(f, n); err != nil {
		return s.fail(err)
	}
	p["default"] = n.plainValue()
	return p
}

// description is the help of a field with the unit of plain numbers.
func (f field) description() string {
	if f.unit == "" {
		return f.help
	}
	return f.help + " (" + f.unit + ")"
}

// checkDefault decodes a default, which nobody else would notice to be wrong
// until a user relies on it.
func (s *schemer) checkDefault(f field, n *node) error {
	d := &decoder{planner: s.planner, doc: &Document{file: "default"}}
	d.value(reflect.New(f.typ).Elem(), n, place{path: f.key, tags: f})
	if d.err != nil {
		return d.err
	}
	if len(d.problems) > 0 {
		return fmt.Errorf("the default %q of %s: %s", f.def, f.key, d.problems[0].Msg)
	}
	return nil
}

// plainValue returns the node as a value for encoding/json.
func (n *node) plainValue() any {
	switch n.kind {
	case kindBool:
		return n.text == "true"
	case kindInt, kindFloat:
		if v, ok := n.number(); ok && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v
		}
	case kindList:
		list := []any{}
		for _, item := range n.items {
			list = append(list, item.plainValue())
		}
		return list
	case kindBlock:
		block := object{}
		for _, p := range n.pairs {
			block[p.key] = p.value.plainValue()
		}
		return block
	}
	return n.text
}

// schema returns the schema of a type under a field's tags. The result may be
// changed by the caller.
func (s *schemer) schema(t reflect.Type, f field) object {
	switch {
	case t == choiceType:
		return s.choice(f.choice)
	case mapOf(t) != nil:
		return object{"type": "object", "propertyNames": f.keyPattern(), "additionalProperties": s.schema(mapOf(t).elem(), f)}
	case isText(t) && len(f.enum) > 0:
		return orVariable(object{"enum": f.enum})
	case isText(t):
		return orVariable(written(t)...)
	}
	switch k := t.Kind(); k {
	case reflect.Pointer:
		return s.schema(t.Elem(), f)
	case reflect.Slice:
		return object{"type": "array", "items": s.schema(t.Elem(), f)}
	case reflect.Struct:
		return s.reference(t)
	case reflect.String:
		if len(f.enum) > 0 {
			return orVariable(object{"enum": f.enum})
		}
		return object{"type": "string"}
	case reflect.Bool:
		return orVariable(object{"type": "boolean"})
	case reflect.Float32, reflect.Float64:
		return orVariable(object{"type": "number"})
	}
	return orVariable(integer(t))
}

// integer returns the schema of a whole number with the limits of its type,
// where JSON can express them.
func integer(t reflect.Type) object {
	out := object{"type": "integer"}
	v, bits := reflect.New(t).Elem(), t.Bits()
	if v.CanUint() {
		out["minimum"] = 0
		if bits < 64 {
			out["maximum"] = uint64(1)<<bits - 1
		}
	} else if bits < 64 {
		out["minimum"], out["maximum"] = int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	}
	return out
}

// written returns the schemas of a value written as one text.
func written(t reflect.Type) []object {
	pattern := ""
	if t == durationType {
		pattern = units.DurationPattern
	} else if reflect.PointerTo(t).Implements(patternedType) {
		pattern = reflect.New(t).Interface().(Patterned).Pattern()
	}
	re, err := regexp.Compile(pattern)
	if pattern == "" || err != nil {
		return []object{{"type": []string{"string", "number", "boolean"}}}
	}
	out := []object{{"type": "string", "pattern": pattern}}
	number := object{"type": "integer"}
	if re.MatchString("0.5") {
		number["type"] = "number"
	}
	if !re.MatchString("-1") {
		number["minimum"] = 0
	}
	if re.MatchString("1") {
		out = append(out, number)
	}
	return out
}

// reference returns a reference to the definition of a struct type, which it
// adds if it is new.
func (s *schemer) reference(t reflect.Type) object {
	if t.Name() == "" {
		return s.structure(t)
	}
	name := s.name(t)
	if _, ok := s.defs[name]; !ok {
		s.defs[name] = object{} // ends the recursion of types that hold themselves
		s.defs[name] = s.structure(t)
	}
	ref := object{"$ref": "#/$defs/" + name}
	if reflect.PointerTo(t).Implements(shorthandType) {
		return orVariable(append(written(t), ref)...)
	}
	return ref
}

// name returns a name for a type that no other type has.
func (s *schemer) name(t reflect.Type) string {
	base := path.Base(t.PkgPath()) + "." + regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(t.Name(), "_")
	name := base
	for i := 2; s.names[name] != nil && s.names[name] != t; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	s.names[name] = t
	return name
}

// choice returns a reference to the definition of a choice.
func (s *schemer) choice(choice string) object {
	name := "choice." + choice
	if _, ok := s.defs[name]; ok {
		return object{"$ref": "#/$defs/" + name}
	}
	s.defs[name] = object{}
	alternatives, bare := []object{}, []string{}
	for _, kind := range slices.Sorted(maps.Keys(s.kinds[choice])) {
		v, err := newConfig(s.kinds[choice][kind])
		if err != nil {
			return s.fail(fmt.Errorf("creating %s %s: %w", choice, kind, err))
		}
		t := v.Type().Elem()
		alternatives = append(alternatives, object{
			"type": "object", "additionalProperties": false,
			"required": []string{kind}, "properties": object{kind: s.reference(t)},
		})
		needed, err := s.needs(t)
		if err != nil {
			return s.fail(err)
		}
		if !needed {
			bare = append(bare, kind)
		}
	}
	if len(bare) > 0 {
		alternatives = append(alternatives, object{"enum": bare, "description": "All defaults."})
	}
	s.defs[name] = object{
		"oneOf":       append(alternatives, variable()),
		"description": "One " + strings.ReplaceAll(choice, "_", " ") + ": a block with its name as the only key.",
	}
	return object{"$ref": "#/$defs/" + name}
}
