// Package template generates records from a text with placeholders in braces:
//
//	{"id":{seq},"at":"{now}","who":"{name}","city":"{city}","n":{number:1,100}}
//
// {seq} is the record's number from 0, {now} its intended time in ISO 8601 with
// milliseconds, {unix_ms} the same in Unix milliseconds, {uuid} a random UUID, {key} its partition key. Every
// other name is a function of gofakeit, with its parameters behind a colon; its
// values are drawn for a number of variants beforehand, from which records are
// chosen at random. Braces that hold no name are text, as JSON needs.
package template

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/brianvoe/gofakeit/v7"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/render"
	"github.com/kload/kload/internal/units"
)

// Config configures the generator.
type Config struct {
	Text     string      `yaml:"text" required:"true" help:"the record, with placeholders such as {seq}, {now}, {unix_ms}, {uuid}, {key} and gofakeit's {name} or {number:1,100}"`
	Format   string      `yaml:"format" default:"json" enum:"json|text" help:"json checks every variant, and escapes values inside quotes"`
	Variants int         `yaml:"variants" default:"1024" help:"how many different sets of made-up values are drawn"`
	Keys     units.Count `yaml:"keys" help:"give records one of so many partition keys, k0 and following; the load's keys decide if absent"`
}

// ByKey reports that the partition key decides the shard, where it is chosen
// here.
func (c *Config) ByKey() bool { return true }

// Keyed reports whether the records have partition keys of their own.
func (c *Config) Keyed() bool { return c.Keys > 0 }

// Opaque reports whether records may be no JSON.
func (c *Config) Opaque() bool { return c.Format != "json" }

// Validate renders the text.
func (c *Config) Validate() []conf.Issue {
	switch {
	case c.Variants < 1 || c.Variants > 1<<16:
		return []conf.Issue{{Field: "variants", Msg: "must be between 1 and 65536"}}
	case len(c.Text) == 0 || len(c.Text) > 1<<20:
		return []conf.Issue{{Field: "text", Msg: "must be between 1B and 1MiB"}}
	case strings.Contains(c.Text, "{key}") && c.Keys == 0:
		return []conf.Issue{{Field: "text", Msg: "{key} stands for a key that is not chosen here", Hint: "add keys: 10k beside text"}}
	}
	if _, err := c.sample(); err != nil {
		return []conf.Issue{{Field: "text", Msg: err.Error(), Hint: "placeholders are {seq}, {now}, {unix_ms}, {uuid}, {key} and the functions of gofakeit, such as {name} or {number:1,100}; set format: text for what is not JSON, and write \\u007b for a brace that stands for itself"}}
	}
	return nil
}

// RecordBytes returns the average size of a few records.
func (c *Config) RecordBytes() int {
	n, err := c.sample()
	if err != nil {
		return 0
	}
	return n
}

// samples is how many records are rendered to check a template before its seed is
// known.
const samples = 64

func (c *Config) sample() (meanBytes int, err error) {
	few := *c
	few.Variants = min(c.Variants, samples)
	src, err := New(&few, 1)
	if err != nil {
		return 0, err
	}
	recs := make([]kload.Record, samples)
	for i := range recs {
		recs[i].Intended = 1_700_000_000_000_000_000
	}
	if _, err := src.Next(context.Background(), recs); err != nil {
		return 0, err
	}
	for i := range recs {
		meanBytes += len(recs[i].Data)
	}
	return meanBytes / samples, nil
}

// part is text, or a placeholder.
type part struct {
	text   string
	name   string // with parameters
	quoted bool   // stands inside a JSON string
}

// placeholder is a name in braces, with gofakeit's parameters.
func placeholder() *regexp.Regexp { return regexp.MustCompile(`\{([a-z][a-z0-9_]*)(:[^{}"]*)?\}`) }

// mistaken is what JSON has only inside strings, and there most likely is meant as
// a placeholder.
func mistaken() *regexp.Regexp { return regexp.MustCompile(`\{[A-Za-z_][^"]{0,40}`) }

// parse cuts the text at its placeholders.
func (c *Config) parse() ([]part, error) {
	var parts []part
	at := 0
	unescaped := strings.NewReplacer(`\\`, "", `\"`, "")
	for _, m := range placeholder().FindAllStringSubmatchIndex(c.Text, -1) {
		if m[0] > at {
			parts = append(parts, part{text: c.Text[at:m[0]]})
		}
		before := unescaped.Replace(c.Text[:m[0]])
		name := c.Text[m[0]+1 : m[1]-1]
		p := part{name: name, quoted: c.Format == "json" && strings.Count(before, `"`)%2 == 1}
		if function := c.Text[m[2]:m[3]]; !own(name) && gofakeit.GetFuncLookup(function) == nil {
			return nil, fmt.Errorf("%w: unknown placeholder {%s}", kload.ErrInvalid, name)
		}
		parts = append(parts, p)
		at = m[1]
	}
	parts = append(parts, part{text: c.Text[at:]})
	for _, p := range parts {
		if bad := mistaken().FindString(p.text); bad != "" && c.Format == "json" {
			return nil, fmt.Errorf("%w: no placeholder: %s", kload.ErrInvalid, bad)
		}
	}
	return parts, nil
}

// own reports whether a placeholder is filled in per record.
func own(name string) bool {
	switch name {
	case "seq", "now", "unix_ms", "uuid", "key":
		return true
	}
	return false
}

// New returns the source. It is an error if a variant of a JSON template is no
// JSON.
func New(c *Config, seed uint64) (kload.Source, error) {
	parts, err := c.parse()
	if err != nil {
		return nil, err
	}
	if c.Format == "json" {
		if err := c.check(parts, seed); err != nil {
			return nil, err
		}
	}
	return c.source(parts, seed, false)
}

func (c *Config) source(parts []part, seed uint64, inOrder bool) (src *render.Source, err error) {
	faker := gofakeit.NewFaker(rand.NewPCG(seed, 0x66616b65), false)
	src = render.New(render.Options{Variants: c.Variants, Seed: seed, InOrder: inOrder, Keys: uint64(c.Keys)}, func(d *render.Doc, _ int, _ *rand.Rand) {
		for _, p := range parts {
			if e := p.render(d, faker); e != nil {
				err = e
			}
		}
	})
	return src, err
}

// check renders each variant of a source of its own.
func (c *Config) check(parts []part, seed uint64) error {
	src, err := c.source(parts, seed, true)
	if err != nil {
		return err
	}
	for range c.Variants {
		rec := []kload.Record{{Intended: 1_700_000_000_000_000_000}}
		if _, err := src.Next(context.Background(), rec); err != nil {
			return err
		}
		if !json.Valid(rec[0].Data) {
			return fmt.Errorf("%w: this is no JSON: %.120s", kload.ErrInvalid, rec[0].Data)
		}
	}
	return nil
}

func (p *part) render(d *render.Doc, faker *gofakeit.Faker) error {
	switch p.name {
	case "":
		d.Raw(p.text)
	case "seq":
		d.Seq(0)
	case "now":
		d.ISO(0)
	case "unix_ms":
		d.Millis()
	case "uuid":
		d.UUID()
	case "key":
		d.RecordKey()
	default:
		value, err := faker.Generate("{" + p.name + "}")
		if err != nil {
			return fmt.Errorf("%w: {%s}: %w", kload.ErrInvalid, p.name, err)
		}
		if p.quoted {
			value = escape(value)
		}
		d.Raw(value)
	}
	return nil
}

// escape makes a value fit between the quotes of a JSON string.
func escape(value string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return ""
	}
	text := strings.TrimSuffix(b.String(), "\n")
	return text[1 : len(text)-1]
}
