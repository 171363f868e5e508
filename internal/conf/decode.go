package conf

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Decode fills dst, a pointer to a struct, from the document with its variables
// filled in and its defaults applied. It returns everything that is wrong with
// the document as [Problems]; dst is then partly filled. Other errors are
// mistakes in the tags or the registry. The top-level keys vars and profiles
// belong to the document: dst needs no fields for them.
func (d *Document) Decode(dst any, kinds Kinds) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || !isBlock(v.Type().Elem()) {
		return fmt.Errorf("decoding into %T: not a pointer to a struct", dst)
	}
	v.Elem().SetZero()
	x := d.newExpander()
	root := d.root.clone()
	x.expand(root, "")
	dec := &decoder{doc: d, planner: newPlanner(kinds), problems: x.problems}
	dec.root(v.Elem(), root)
	if dec.err != nil {
		return fmt.Errorf("decoding into %T: %w", dst, dec.err)
	}
	return dec.problems.err()
}

// decoder walks the document and a Go value together.
type decoder struct {
	planner
	doc      *Document
	problems Problems
	faults   int // problems and values skipped because of one
	depth    int
	err      error // the first mistake in the program
}

// place is where a value belongs: its path, the position of its key and the
// tags of its field, which also hold for the elements of lists and maps.
type place struct {
	path string
	at   position
	tags field
}

func (p place) below(segment string, at position) place {
	return place{path: join(p.path, segment), at: at, tags: p.tags}
}

func (d *decoder) report(pos position, path, msg, hint string) {
	d.faults++
	d.problems.add(d.doc, pos, path, msg, hint)
}

func (d *decoder) root(dst reflect.Value, n *node) {
	fields, err := d.of(dst.Type())
	if err != nil {
		d.err = err
		return
	}
	own := map[string]bool{}
	for _, f := range fields {
		own[f.key] = true
	}
	for _, key := range reserved() {
		i := n.find(key)
		if i < 0 || own[key] {
			continue
		}
		if p := n.pairs[i]; key == "profiles" && p.value.kind != kindBlock {
			d.report(p.pos, key, "expected a block of profiles, found "+p.value.describe(), "write profiles: {aws: {stream: {shards: 8}}}")
		}
		n.pairs = append(n.pairs[:i:i], n.pairs[i+1:]...)
	}
	d.block(dst, n, place{at: n.pos}, true)
}

// reserved lists the top-level keys that the document itself uses.
func reserved() []string { return []string{"vars", "profiles"} }

// value decodes n into dst.
func (d *decoder) value(dst reflect.Value, n *node, p place) {
	if d.depth++; d.depth > 4*maxDepth {
		d.err = fmt.Errorf("the defaults below %s have no end", p.path)
	}
	defer func() { d.depth-- }()
	switch t := dst.Type(); {
	case d.err != nil:
	case n.kind == kindBroken:
		d.faults++
	case n.kind == kindNull:
		d.report(p.at, p.path, "has no value", "give it one, or remove the key to get the default")
	case t == choiceType:
		d.choice(dst, n, p)
	case mapOf(t) != nil:
		d.entries(dst, n, p)
	case isText(t):
		d.text(dst, n, p)
	case t.Kind() == reflect.Pointer:
		dst.Set(reflect.New(t.Elem()))
		d.value(dst.Elem(), n, p)
	case t.Kind() == reflect.Slice:
		d.list(dst, n, p)
	case t.Kind() == reflect.Struct:
		d.structure(dst, n, p)
	default:
		d.scalar(dst, n, p)
	}
}

// structure decodes a struct from a block or from its short form.
func (d *decoder) structure(dst reflect.Value, n *node, p place) {
	short, isShort := reflect.TypeAssert[Shorthand](dst.Addr())
	switch {
	case n.kind == kindBlock:
		d.block(dst, n, p, true)
	case isShort && n.scalar():
		d.block(dst, &node{kind: kindBlock, pos: n.pos}, p, false)
		if err := short.UnmarshalScalar(n.textOrRaw()); err != nil {
			d.reportError(n, p, err)
		} else {
			d.validate(dst, n, p)
		}
	default:
		d.wrong(n, p, "a block of keys", d.exampleKeys(dst.Type()))
	}
}

// exampleKeys advises on how to write a struct.
func (d *decoder) exampleKeys(t reflect.Type) string {
	fields, err := d.of(t)
	if err != nil || len(fields) == 0 {
		return "write {} for all defaults"
	}
	return "its keys are: " + strings.Join(fieldKeys(fields), ", ")
}

func fieldKeys(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// block decodes the keys of a struct. Written is false where the block is not
// in the file at all and stands for the defaults under a short form.
func (d *decoder) block(dst reflect.Value, n *node, p place, written bool) {
	fields, err := d.of(dst.Type())
	if err != nil {
		d.err = err
		return
	}
	faults := d.faults
	d.unknownKeys(n, fields, p)
	for _, f := range fields {
		target := dst.FieldByIndex(f.index)
		sub := place{path: join(p.path, f.key), at: p.at, tags: f}
		if i := n.find(f.key); i >= 0 {
			sub.at = n.pairs[i].pos
			d.required(target, n.pairs[i].value, sub)
			continue
		}
		d.absent(target, f, sub, written)
	}
	if written && d.faults == faults {
		d.validate(dst, n, p)
	}
}

// required decodes the value of a key that is in the file. Where the key is
// required, an empty text is as good as none.
func (d *decoder) required(dst reflect.Value, n *node, p place) {
	faults := d.faults
	d.value(dst, n, p)
	if p.tags.required && d.faults == faults && dst.Kind() == reflect.String && dst.String() == "" {
		d.report(n.pos, p.path, "must not be empty", p.tags.help)
	}
}

// absent fills in the field of a key that is not in the file.
func (d *decoder) absent(dst reflect.Value, f field, p place, written bool) {
	switch {
	case f.hasDef:
		n, err := f.defaultNode(p.at)
		if err != nil {
			d.err = err
			return
		}
		d.value(dst, n, p)
	case f.required && written:
		hint := f.help
		if example := d.example(f.choice); example != "" {
			hint += ": " + example
		}
		d.report(p.at, p.path, fmt.Sprintf("the key %q is required", f.key), hint)
	case isBlock(f.typ):
		d.block(dst, &node{kind: kindBlock, pos: p.at}, p, written)
	}
}

func (d *decoder) unknownKeys(n *node, fields []field, p place) {
	keys := fieldKeys(fields)
	if p.path == "" {
		keys = append(keys, reserved()...)
	}
	for _, pair := range n.pairs {
		if slices.Contains(keys, pair.key) {
			continue
		}
		meant, hint := didYouMean(pair.key, keys), ""
		if meant == "" && len(keys) > 0 {
			hint = "known keys: " + strings.Join(keys, ", ")
		} else if meant == "" {
			hint = "nothing can be set here"
		}
		d.report(pair.pos, join(p.path, pair.key), fmt.Sprintf("unknown key %q", cut(pair.key, 40))+meant, hint)
	}
}

// validate lets a struct check itself.
func (d *decoder) validate(dst reflect.Value, n *node, p place) {
	v, ok := reflect.TypeAssert[Validator](dst.Addr())
	if !ok {
		return
	}
	for _, issue := range v.Validate() {
		pos := p.at
		if issue.Field != "" {
			pos = n.locate(p.at, issue.Field)
		}
		d.report(pos, join(p.path, issue.Field), issue.Msg, issue.Hint)
	}
}

func (d *decoder) list(dst reflect.Value, n *node, p place) {
	if n.kind != kindList {
		d.wrong(n, p, "a list", "write it in brackets, [a, b], or with a dash before each item")
		return
	}
	if len(n.items) == 0 {
		dst.SetZero()
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(dst.Index(i), item, p.below(strconv.Itoa(i), item.pos))
	}
}

func (d *decoder) entries(dst reflect.Value, n *node, p place) {
	if n.kind != kindBlock {
		d.wrong(n, p, "a block of names", "write name: value")
		return
	}
	m := dst.Addr().Interface().(anyMap)
	for _, pair := range n.pairs {
		sub := p.below(pair.key, pair.pos)
		if !validName(pair.key) && !(p.tags.paths && validPath(pair.key)) {
			d.report(pair.pos, sub.path, fmt.Sprintf("bad name %q", cut(pair.key, 40)), "a name has letters, digits, _ and - and starts with a letter")
			continue
		}
		v := reflect.New(m.elem()).Elem()
		d.value(v, pair.value, sub)
		m.put(pair.key, v)
	}
}
