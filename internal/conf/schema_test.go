package conf_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

func TestSchemaGolden(t *testing.T) {
	var first []byte
	for range 5 {
		got, err := conf.Schema(scenario{}, kinds(), "kload scenario", "https://kload.dev/schema.json")
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, got) {
			t.Fatal("the schema is not the same every time")
		}
		first = got
	}
	golden(t, "schema.json", string(first))
}

// compiled returns a function that validates a YAML file against the schema.
func compiled(t *testing.T) func(src string) error {
	t.Helper()
	text, err := conf.Schema(&scenario{}, kinds(), "kload scenario", "https://kload.dev/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://kload.dev/schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("https://kload.dev/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(src string) error {
		var v any
		if err := yaml.Unmarshal([]byte(src), &v); err != nil {
			return fmt.Errorf("not YAML: %w", err)
		}
		return schema.Validate(v)
	}
}

func TestSchemaAgreesWithDecode(t *testing.T) {
	validate := compiled(t)
	for _, c := range goodDocuments() {
		if err := validate(c.src); err != nil && !c.blind {
			t.Errorf("%s: Decode takes it, the schema does not: %v", c.name, err)
		}
	}
	for _, c := range badDocuments() {
		if c.blind {
			continue
		}
		if err := validate(c.src); err == nil {
			t.Errorf("%s: the schema takes it, Decode does not", c.name)
		}
	}
}

// TestSchemaOfValues compares schema and Decode value by value.
func TestSchemaOfValues(t *testing.T) {
	validate := compiled(t)
	fields := map[string]string{
		"duration": "phases: [{name: p, for: %s}]\n",
		"bytes":    "load: {a: {source: generate, size: %s}}\n",
		"count":    "load: {a: {source: generate, total: %s}}\n",
		"percent":  "load: {a: {source: generate, share: %s}}\n",
		"rate":     "load: {a: {source: generate, rate: {profile: [{constant: %s}]}}}\n",
		"short":    "load: {a: {source: generate, rate: %s}}\n",
		"enum":     "load: {a: {source: generate, trace: %s}}\n",
		"float":    "load: {a: {source: generate, factor: %s}}\n",
		"uint8":    "load: {a: {source: generate, retries: %s}}\n",
		"int32":    "stream: {shards: %s}\n",
		"bool":     "stream: {create: %s}\n",
		"text":     "stream: {name: %s}\n",
		"choice":   "consumers: {a: {read: %s}}\n",
		"source":   "load: {a: {source: %s}}\n",
		"pointer":  "tuning: %s\n",
		"list":     "expect: %s\n",
		"own text": "consumers: {a: {sinks: [{http: {url: %s}}]}}\n",
	}
	values := []string{
		"1", "2", "0.5", "-1", "256", "5s", "1m30s", "1.5h", "5KiB", "5k", "80%", "5k/s", "1/7s", "1.5M/min",
		"tag", "true", "yes", "null", "[]", "[a]", "{}", "polling", "generate", "replay", "{polling: {}}", "{polling: {every: 2s}}",
		"{replay: {from: a}}", "{replay: {}}", "{polling: {}, fanout: {}}", "'5'", "\"${x:1}\"", "{deeper: {rate: 1B/s}}", "{a: 1}",
	}
	for what, format := range fields {
		for _, value := range values {
			src := head + fmt.Sprintf(format, value)
			_, decodeErr := decode(src)
			schemaErr := validate(src)
			// A variable is judged only when its value is known.
			known := !strings.Contains(value, "${")
			if (decodeErr == nil) != (schemaErr == nil) && (known || schemaErr != nil) && !checkedLater(what, value) {
				t.Errorf("%s %s: Decode says %v, the schema says %v", what, value, decodeErr, schemaErr)
			}
		}
	}
}

// checkedLater reports values that are of the right form and refused by the
// checks of their struct.
func checkedLater(what, value string) bool { return what == "int32" && value == "-1" }

func TestSchemaMistakes(t *testing.T) {
	for name, v := range map[string]any{
		"not a struct": 5,
		"nil":          nil,
		"bad duration": struct {
			A time.Duration `yaml:"a" default:"5"`
		}{},
		"bad size": struct {
			A units.Bytes `yaml:"a" default:"5"`
		}{},
		"bad enum": struct {
			A string `yaml:"a" enum:"x|y" default:"z"`
		}{},
		"bad number": struct {
			A uint8 `yaml:"a" default:"256"`
		}{},
		"bad list": struct {
			A []int `yaml:"a" default:"1"`
		}{},
		"bad choice": struct {
			A conf.Choice `yaml:"a" choice:"sink" default:"nope"`
		}{},
		"bad registry": struct {
			A conf.Choice `yaml:"a" choice:"nope"`
		}{},
		"deeper inside": struct {
			A []struct {
				B bool `yaml:"b" default:"maybe"`
			} `yaml:"a"`
		}{},
	} {
		if _, err := conf.Schema(v, kinds(), "t", "https://example.com/s.json"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFields(t *testing.T) {
	got, err := conf.Fields(&rate{})
	if err != nil {
		t.Fatal(err)
	}
	want := []conf.Field{
		{Key: "arrival", Type: "text", Default: "uniform", Help: "Spacing.", Enum: []string{"uniform", "poisson"}},
		{Key: "profile", Type: "list of block", Help: "Stages.", Fields: []conf.Field{
			{Key: "constant", Type: "rate", Help: "One rate."},
			{Key: "ramp", Type: "list of rate", Help: "From one rate to another."},
			{Key: "for", Type: "duration", Help: "How long."},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := conf.Fields(5); err == nil {
		t.Error("5 has fields")
	}
	// A type that holds itself ends.
	if _, err := conf.Fields(tuning{}); err != nil {
		t.Error(err)
	}
}
