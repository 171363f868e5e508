package conf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Set changes one value, as --set path=value does. The path is keys and list
// indexes joined by dots; blocks that do not exist are created, and the index
// after the last one appends to a list. The value is read as YAML where it is
// one (5, [a, b], {a: 1}) and taken as it is for fields that are text; null removes
// the key, so that its default counts. Whether
// path and value fit is found out by [Document.Decode].
func (d *Document) Set(path, value string) error {
	origin := fmt.Sprintf("--set %s=%s", path, value)
	segments := strings.Split(path, ".")
	if slices.Contains(segments, "") {
		return d.setError(origin, path, "the path has an empty part", "write it as load.trips.rate=5k/s")
	}
	switch {
	case len(segments) > maxDepth || len(value) > maxSize:
		return d.setError(origin, path, "the path or the value is too long", "put it into the file")
	case !utf8.ValidString(path) || !utf8.ValidString(value):
		return d.setError(origin, path, "the setting is not UTF-8 text", "")
	}
	d.layer++
	n := setValue(value, position{set: origin})
	if n.kind == kindNull {
		return d.remove(segments, origin)
	}
	return d.assign(segments, n, origin)
}

func (d *Document) setError(origin, path, msg, hint string) error {
	return Problems{d.problem(position{set: origin}, path, msg, hint)}
}

// setValue reads the value of a --set. What is not YAML is text.
func setValue(value string, pos position) *node {
	n, problems := (&Document{}).parse(value)
	if len(problems) > 0 || n.kind == kindNull && value != "null" {
		n = &node{kind: kindString, text: value}
	}
	if n.plain() {
		n.text = value
	} else if !n.quoted {
		n.raw = value
	}
	n.relocate(pos)
	return n
}

// remove takes a key out of its block.
func (d *Document) remove(segments []string, origin string) error {
	path, n := strings.Join(segments, "."), d.root
	last := len(segments) - 1
	for _, segment := range segments[:last] {
		if n, _ = n.child(segment); n == nil {
			return d.setError(origin, path, "there is nothing to remove", "")
		}
	}
	i := n.find(segments[last])
	if i < 0 {
		return d.setError(origin, path, "there is nothing to remove"+didYouMean(segments[last], n.keys()), "")
	}
	n.pairs = slices.Delete(n.pairs, i, i+1)
	return nil
}

// relocate gives all of a tree one place.
func (n *node) relocate(pos position) {
	n.pos = pos
	for i := range n.pairs {
		n.pairs[i].pos = pos
		n.pairs[i].value.relocate(pos)
	}
	for _, item := range n.items {
		item.relocate(pos)
	}
}

// assign puts value under the path, creating what is missing on the way.
func (d *Document) assign(segments []string, value *node, origin string) error {
	n := d.root
	for i, segment := range segments {
		last := i == len(segments)-1
		next := value
		if !last {
			next = &node{kind: kindBlock, pos: value.pos}
			if segments[i+1] == "0" {
				next.kind = kindList
			}
		}
		if n.plain() && n.text == segment {
			// The bare name of a plug-in stands for {name: {}}.
			*n = node{kind: kindBlock, pos: value.pos, pairs: []pair{{
				key: n.text, pos: value.pos, value: &node{kind: kindBlock, pos: value.pos},
			}}}
		}
		slot, msg := d.slot(n, segment, next)
		if msg != "" {
			path := strings.Join(segments[:i], ".")
			return d.setError(origin, path, msg, "set "+path+" as a whole, or change it in the file")
		}
		if last {
			*slot = value
		}
		n = *slot
	}
	return nil
}

// slot returns where the value of a segment is kept below n, filling it with
// missing if there is nothing yet.
func (d *Document) slot(n *node, segment string, missing *node) (slot **node, msg string) {
	switch n.kind {
	case kindBlock:
		i := n.find(segment)
		if i < 0 {
			i = len(n.pairs)
			n.pairs = append(n.pairs, pair{key: segment, pos: missing.pos, value: missing})
		}
		p := &n.pairs[i]
		p.layer = d.layer
		if p.value.kind == kindNull {
			p.value = missing
		}
		return &p.value, ""
	case kindList:
		i, err := strconv.Atoi(segment)
		if err != nil || i < 0 || i > len(n.items) {
			return nil, fmt.Sprintf("the list has %d items, counted from 0; there is no place %q in it", len(n.items), segment)
		}
		if i == len(n.items) {
			n.items = append(n.items, missing)
		}
		return &n.items[i], ""
	}
	return nil, fmt.Sprintf("this is %s, which has nothing called %q in it", n.describe(), segment)
}

// Overlay merges the block at path, such as "profiles.aws", over the document:
// blocks are merged key by key, and all else, lists included, is replaced. Of
// two plug-ins for one choice, the overlay's wins.
func (d *Document) Overlay(path string) error {
	n, at := d.root, position{line: 1, col: 1}
	var walked string
	for segment := range strings.SplitSeq(path, ".") {
		next, pos := n.child(segment)
		if next == nil {
			msg := fmt.Sprintf("there is no %q", segment) + didYouMean(segment, n.keys())
			return Problems{d.problem(at, path, msg, known(walked, n.keys()))}
		}
		n, at, walked = next, pos, join(walked, segment)
	}
	if n.kind != kindBlock {
		return Problems{d.problem(n.pos, path, "expected a block of keys, found "+n.describe(), "write it as a part of the file, such as {stream: {shards: 8}}")}
	}
	d.layer++
	d.merge(d.root, n.clone())
	return nil
}

// known lists what may stand in a place, for hints.
func known(where string, keys []string) string {
	switch {
	case where == "":
		return "define it at the top level of the file"
	case len(keys) == 0:
		return where + " is empty"
	}
	return "there are: " + strings.Join(keys, ", ")
}

// keys returns the keys of a block.
func (n *node) keys() []string {
	keys := make([]string, len(n.pairs))
	for i, p := range n.pairs {
		keys[i] = p.key
	}
	return keys
}

// merge puts over on top of base; both are blocks.
func (d *Document) merge(base, over *node) {
	for _, p := range over.pairs {
		p.layer = d.layer
		i := base.find(p.key)
		if i < 0 {
			base.pairs = append(base.pairs, p)
			continue
		}
		if old := base.pairs[i].value; old.kind == kindBlock && p.value.kind == kindBlock {
			base.pairs[i].layer = d.layer
			d.merge(old, p.value)
			continue
		}
		base.pairs[i] = p
	}
}

// Problem makes a problem at the place of a value, for checks that need more
// than one struct. The path is that of [Problem]; a value that is absent from
// the file is placed at what is nearest above it.
func (d *Document) Problem(path, msg, hint string) Problem {
	return d.problem(d.root.locate(d.root.pos, path), path, msg, hint)
}
