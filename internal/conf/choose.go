package conf

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// choice decodes a plug-in with its configuration.
func (d *decoder) choice(dst reflect.Value, n *node, p place) {
	kinds := d.kinds[p.tags.choice]
	names := slices.Sorted(maps.Keys(kinds))
	chosen, ok := n.chosen()
	if !ok {
		msg := fmt.Sprintf("expected one %s, found %s", p.tags.choice, n.describe())
		if n.kind == kindBlock {
			msg = fmt.Sprintf("expected one %s, found %d", p.tags.choice, len(n.pairs))
			if len(n.pairs) > 1 {
				msg += ": " + cut(strings.Join(n.keys(), ", "), 60)
			}
		}
		d.report(p.at, p.path, msg, d.example(p.tags.choice))
		return
	}
	create := kinds[chosen.key]
	if create == nil {
		d.report(chosen.pos, p.path, fmt.Sprintf("unknown %s %q", p.tags.choice, cut(chosen.key, 40))+didYouMean(chosen.key, names),
			"there are: "+strings.Join(names, ", "))
		return
	}
	config, err := newConfig(create)
	if err != nil {
		d.err = fmt.Errorf("creating %s %s: %w", p.tags.choice, chosen.key, err)
		return
	}
	d.value(config.Elem(), chosen.value, place{path: join(p.path, chosen.key), at: chosen.pos})
	dst.Set(reflect.ValueOf(Choice{Kind: chosen.key, Config: config.Interface()}))
}

// example tells which plug-ins of a kind there are, for hints.
func (d *decoder) example(kind string) string {
	names := slices.Sorted(maps.Keys(d.kinds[kind]))
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("write one of %s, as in %s: {}", strings.Join(names, ", "), names[0])
}

// newConfig makes the configuration of a plug-in and checks that it is one.
func newConfig(create func() any) (reflect.Value, error) {
	v := reflect.ValueOf(create())
	if v.Kind() != reflect.Pointer || v.IsNil() || !isBlock(v.Type().Elem()) {
		return v, fmt.Errorf("the registry gave %s, not a pointer to a struct", v.String())
	}
	v.Elem().SetZero()
	return v, nil
}

// chosen returns the single key of a choice. Of several keys one that was put
// over the others by an overlay or --set is taken.
func (n *node) chosen() (pair, bool) {
	switch {
	case n.kind == kindString:
		return pair{key: n.text, pos: n.pos, value: &node{kind: kindBlock, pos: n.pos}}, true
	case n.kind != kindBlock || len(n.pairs) == 0:
		return pair{}, false
	}
	top, ties := n.pairs[0], 0
	for _, p := range n.pairs[1:] {
		switch {
		case p.layer > top.layer:
			top, ties = p, 0
		case p.layer == top.layer:
			ties++
		}
	}
	return top, ties == 0
}
