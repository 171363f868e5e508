package conf

import (
	"iter"
	"reflect"
	"slices"
)

// Map is a map from names to values that keeps the order of the file. Names
// consist of letters, digits, "_" and "-" and start with a letter. The zero
// value is empty.
type Map[T any] struct {
	names  []string
	values map[string]T
}

// Names returns the names in file order.
func (m Map[T]) Names() []string { return slices.Clone(m.names) }

// Len returns the number of entries.
func (m Map[T]) Len() int { return len(m.names) }

// Get returns the value called name.
func (m Map[T]) Get(name string) (T, bool) {
	v, ok := m.values[name]
	return v, ok
}

// All iterates over names and values in file order.
func (m Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, name := range m.names {
			if !yield(name, m.values[name]) {
				return
			}
		}
	}
}

// Put adds a value at the end, or replaces the one of that name in its place.
func (m *Map[T]) Put(name string, value T) {
	if m.values == nil {
		m.values = map[string]T{}
	}
	if _, ok := m.values[name]; !ok {
		m.names = append(m.names, name)
	}
	m.values[name] = value
}

// Equal reports whether both maps hold deeply equal values under the same names
// in the same order.
func (m Map[T]) Equal(o Map[T]) bool {
	return slices.Equal(m.names, o.names) && reflect.DeepEqual(m.values, o.values)
}

// anyMap is a *Map[T] of any T.
type anyMap interface {
	Names() []string
	elem() reflect.Type
	put(name string, value reflect.Value)
	get(name string) reflect.Value
}

func (m *Map[T]) elem() reflect.Type { return reflect.TypeFor[T]() }

func (m *Map[T]) put(name string, value reflect.Value) {
	var v T
	reflect.ValueOf(&v).Elem().Set(value)
	m.Put(name, v)
}

func (m *Map[T]) get(name string) reflect.Value {
	v := m.values[name]
	return reflect.ValueOf(&v).Elem()
}
