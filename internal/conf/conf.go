// Package conf reads configuration files in YAML into plain Go structs, and
// tells the user everything that is wrong with them at once: each problem with
// its line and column, the line itself with a caret under the place, and what
// was probably meant.
//
// # Describing a configuration
//
// A configuration is a struct with tags:
//
//	type Config struct {
//		Every time.Duration `yaml:"every" default:"200ms" help:"Time between two calls."`
//		Start string        `yaml:"start" default:"at_run_start" enum:"at_run_start|latest" help:"Where reading starts."`
//		Rate  units.Rate    `yaml:"rate" required:"true" help:"Records to send."`
//		Sink  conf.Choice   `yaml:"sink" choice:"sink" default:"discard" help:"Where results go."`
//	}
//
// Tags: yaml is the key and is required on every exported field ("-" leaves it
// out); default is the value of an absent key, written as in the file; help is
// one sentence or two; unit names what a plain number counts; enum lists the
// allowed texts; required:"true" refuses a file without the key, or with an empty
// text; choice names the registry of a [Choice]; keys:"path" lets the names of a
// [Map] be paths as Set takes them. An embedded struct without a tag adds its
// fields to the outer ones.
//
// Fields are strings, bools, integers, floats, [time.Duration], anything with
// UnmarshalText and MarshalText (package internal/units), slices, structs, pointers (nil when
// the key is absent), [Map] and [Choice]. A field without default stays zero;
// an empty list or map decodes as nil. Structs get their defaults also where
// the whole block is absent.
//
// A struct may implement [Validator] to check what tags cannot say, and
// [Shorthand] to be written as a single value. A type with UnmarshalText may
// implement [Patterned] to have its written form in the schema.
//
// # Reading
//
// [Parse] the file, apply [Document.Overlay] and [Document.Set], then
// [Document.Decode]. Decode fills in ${name} from the top-level map vars. The
// same structs give the JSON Schema ([Schema]), the reference ([Fields]) and
// the resolved file ([Resolved]).
//
// # Not supported
//
// Anchors, aliases, merge keys, tags, directives and files with several
// documents are refused: vars and profiles do their work in ways that leave
// each setting with one visible place.
package conf

// Validator is implemented by structs that check themselves after decoding.
// Validate is called on a pointer to the struct, with defaults filled in, and
// only if everything in it decoded. It returns all issues.
type Validator interface {
	Validate() []Issue
}

// Issue is one thing wrong with a struct, found by its Validate.
type Issue struct {
	Field string // path of keys below the struct, joined by dots; empty for the struct itself
	Msg   string // what is wrong
	Hint  string // what to do about it; optional
}

// Shorthand is implemented by structs that may be written as a single value.
// UnmarshalScalar is called on a pointer to the struct with defaults filled in.
type Shorthand interface {
	UnmarshalScalar(text string) error
}

// Patterned is implemented by types with UnmarshalText or [Shorthand] whose
// written form is a regular expression. Where it matches "1" or "0.5", plain
// numbers are allowed too.
type Patterned interface {
	Pattern() string
}

// Kinds is the registry of plug-ins: for each choice tag and each name of a
// plug-in, a function that returns a pointer to a new configuration struct.
type Kinds map[string]map[string]func() any

// Choice is the choice of one plug-in with its configuration. In the file it is
// a map with a single key, the name of the plug-in: {polling: {every: 1s}}. The
// bare name, polling, stands for all defaults.
type Choice struct {
	Kind   string // empty when nothing was chosen
	Config any    // the pointer that Kinds gave, filled in
}
