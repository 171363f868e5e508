package httpapi

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Members gives typed access to the members of a request. JSON null counts as
// absent and unknown members are ignored, as the services do. The first member
// of a wrong type decides Err; later calls return zero values.
type Members struct {
	value Value
	err   *error
}

// NewMembers returns the members of a parsed object.
func NewMembers(v Value) Members { return Members{v, new(error)} }

// Err returns the SerializationException for the first member of a wrong type.
func (m Members) Err() error { return *m.err }

// get returns the named member; the last one wins where a name is repeated.
func (m Members) get(name string) (Value, bool) {
	for i, n := range slices.Backward(m.value.Names) {
		if n == name {
			v := m.value.Items[i]
			return v, v.Kind != Null && *m.err == nil
		}
	}
	return Value{}, false
}

// typed returns the member if it has the wanted kind.
func (m Members) typed(name string, want Kind, article string) (Value, bool) {
	v, ok := m.get(name)
	if ok && v.Kind != want {
		*m.err = WrongType(v.Kind, article)
		return v, false
	}
	return v, ok
}

// WrongType words the complaint about a value of kind got where one described
// by wanted ("an Integer", "a Blob", "list", "map", "structure") should stand,
// as the services' Java front end does.
func WrongType(got Kind, wanted string) *Error {
	switch {
	case got == List:
		return Malformed("Start of list found where not expected")
	case got == Object:
		return Malformed("Start of structure or map found where not expected.")
	case wanted == "list" || wanted == "map":
		return Malformed("Expected %s or null", wanted)
	case wanted == "structure":
		return Malformed("Expected null")
	}
	class := map[Kind]string{String: "lang.String", Number: "math.BigDecimal", Bool: "lang.Boolean", Blob: "nio.ByteBuffer"}[got]
	return Malformed("class java.%s can not be converted to %s", class, wanted)
}

// String returns a string member.
func (m Members) String(name string) (string, bool) {
	v, ok := m.typed(name, String, "an String")
	if !ok {
		return "", false
	}
	return string(v.Text), true
}

// Int returns an integer member; a fraction is cut off.
func (m Members) Int(name string) (int64, bool) {
	v, ok := m.typed(name, Number, "an Integer")
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(v.Text), 10, 64); err == nil {
		return n, true
	}
	f, _ := strconv.ParseFloat(string(v.Text), 64)
	return int64(max(math.MinInt32, min(math.MaxInt32, math.Floor(f)))), true
}

// Bool returns a boolean member, false if it is absent.
func (m Members) Bool(name string) bool {
	v, ok := m.typed(name, Bool, "an Boolean")
	return ok && string(v.Text) == "true"
}

// Time returns a timestamp member, whole milliseconds: on the wire it is a
// number of seconds since 1970 with a fraction.
func (m Members) Time(name string) (time.Time, bool) {
	v, ok := m.typed(name, Number, "milliseconds since epoch")
	if !ok {
		return time.Time{}, false
	}
	// A million years either way is as good as for ever, and converts safely.
	seconds, _ := strconv.ParseFloat(string(v.Text), 64)
	seconds = max(-3e13, min(3e13, seconds))
	return time.UnixMilli(int64(math.Round(seconds * 1000))), true
}

// List returns a list of strings.
func (m Members) List(name string) ([]string, bool) {
	v, ok := m.typed(name, List, "list")
	if !ok {
		return nil, false
	}
	list := make([]string, 0, len(v.Items))
	for _, item := range v.Items {
		if item.Kind != String {
			*m.err = WrongType(item.Kind, "an String")
			return nil, false
		}
		list = append(list, string(item.Text))
	}
	return list, true
}

// Strings returns a map of strings.
func (m Members) Strings(name string) (map[string]string, bool) {
	v, ok := m.typed(name, Object, "map")
	if !ok {
		return nil, false
	}
	all := make(map[string]string, len(v.Items))
	for i, item := range v.Items {
		if item.Kind != String {
			*m.err = WrongType(item.Kind, "an String")
			return nil, false
		}
		all[v.Names[i]] = string(item.Text)
	}
	return all, true
}

// Object returns a structure member.
func (m Members) Object(name string) (Members, bool) {
	v, ok := m.typed(name, Object, "structure")
	return Members{v, m.err}, ok
}
