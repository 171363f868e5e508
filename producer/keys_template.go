package producer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/jsonfield"
)

// TemplateKeys makes the partition key of text and top-level attributes of a JSON
// record: "{vendor_id}-{pickup_location_id}".
type TemplateKeys struct {
	Text    string `yaml:"text" required:"true" help:"the key, with attributes of the record in braces"`
	Missing string `yaml:"missing" default:"error" enum:"error|random|const" help:"what a record without one of them gets: a failed load, a random key, or the key \"missing\""`
}

// UnmarshalScalar accepts the text alone.
func (c *TemplateKeys) UnmarshalScalar(text string) error {
	c.Text = text
	return nil
}

// Keyer returns the keyer.
func (c *TemplateKeys) Keyer(seed uint64) Keyer {
	parts, _ := parseTemplate(c.Text) // Validate refused what is none
	k := &templateKeyer{text: c.Text, parts: parts}
	if c.Missing != "error" {
		k.missing = (&FieldKeys{Missing: c.Missing}).Keyer(seed).(*fieldKeyer).missing
	}
	return k
}

// ByKey reports that the key decides the shard.
func (c *TemplateKeys) ByKey() bool { return true }

// Describe shows the template.
func (c *TemplateKeys) Describe() string { return "from " + c.Text }

// CounterNames lists what the keyer counts.
func (c *TemplateKeys) CounterNames() []string { return []string{"key_missing"} }

// Validate checks the braces.
func (c *TemplateKeys) Validate() []conf.Issue {
	if _, err := parseTemplate(c.Text); err != nil {
		return []conf.Issue{{Field: "text", Msg: err.Error(), Hint: templateHint}}
	}
	return nil
}

const templateHint = "write attributes in braces, such as {pickup_location_id} or {vendor_id}-{trip_id}"

// ParseKeyTemplate returns the keys that a template such as
// "{pickup_location_id}" stands for.
func ParseKeyTemplate(template string) (*TemplateKeys, error) {
	if _, err := parseTemplate(template); err != nil {
		return nil, kload.WithHint(err, templateHint)
	}
	return &TemplateKeys{Text: template, Missing: "error"}, nil
}

// templatePart is text, or an attribute if there is no text.
type templatePart struct {
	text  string
	field jsonfield.Finder
}

func parseTemplate(text string) (parts []templatePart, err error) {
	rest, fields := text, 0
	for rest != "" {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			break
		}
		if before != "" {
			parts = append(parts, templatePart{text: before})
		}
		if !open {
			rest = ""
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || name == "" || strings.Contains(name, "{") {
			break
		}
		parts = append(parts, templatePart{field: jsonfield.NewFinder(name)})
		fields++
		rest = behind
	}
	if rest != "" || fields == 0 {
		return nil, fmt.Errorf("%w key template %q", kload.ErrInvalid, text)
	}
	return parts, nil
}

type templateKeyer struct {
	text    string
	parts   []templatePart
	missing Keyer // nil: an error
	absent  uint64
	arena   []byte
	ends    []int // of the keys in arena; -1 for a missing one
}

func (k *templateKeyer) Assign(recs []kload.Record) error {
	if k.missing != nil {
		if err := k.missing.Assign(recs); err != nil {
			return err
		}
	}
	k.arena, k.ends = k.arena[:0], k.ends[:0]
	for i := range recs {
		from := len(k.arena)
		if k.fill(recs[i].Data) && usableKey(k.arena[from:]) {
			k.ends = append(k.ends, len(k.arena))
			continue
		}
		if k.missing == nil {
			return kload.WithHint(fmt.Errorf("%w: no usable key %s in %.80q", kload.ErrInvalid, k.text, recs[i].Data),
				"check the names, or set keys: {template: {text: …, missing: random}}")
		}
		k.absent++
		k.arena = k.arena[:from]
		k.ends = append(k.ends, -1)
	}
	k.assign(recs)
	return nil
}

// assign hands out the keys when the arena has stopped moving.
func (k *templateKeyer) assign(recs []kload.Record) {
	from := 0
	for i, end := range k.ends {
		if end < 0 {
			continue
		}
		setKey(&recs[i], k.arena[from:end:end])
		from = end
	}
}

// fill appends the key of a record, and reports whether it has all attributes.
func (k *templateKeyer) fill(data []byte) bool {
	for i := range k.parts {
		p := &k.parts[i]
		if p.text != "" {
			k.arena = append(k.arena, p.text...)
			continue
		}
		value, ok := p.field.Find(data)
		if !ok || len(value) == 0 {
			return false
		}
		k.arena = append(k.arena, value...)
	}
	return true
}

// usableKey reports whether the service takes the key.
func usableKey(key []byte) bool {
	return len(key) > 0 && (len(key) <= maxKeyLen || utf8.RuneCount(key) <= maxKeyLen)
}

// Counters returns how many records lacked an attribute.
func (k *templateKeyer) Counters() map[string]uint64 {
	return map[string]uint64{"key_missing": k.absent}
}
