package handler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
)

// maker makes new payloads. Those of one batch share memory that is made for them,
// so that whoever holds the batch holds them too.
type maker struct {
	payload *program // the whole payload, nil for none
	set     []setter
	remove  []string

	out    []byte
	made   []made // one for each record
	done   []bool // the fields set in this payload
	encode bytes.Buffer
}

// setter is a field to set.
type setter struct {
	name   string
	quoted []byte // with the colon
	value  *program
}

// made is the place of a new payload in out; without one the record keeps its own.
type made struct {
	from, to int
	is       bool
}

// add takes an expression of a setting below transform.
func (m *maker) add(setting string, p *program) {
	name, isField := strings.CutPrefix(setting, "transform.set.")
	if !isField {
		m.payload = p
		return
	}
	quoted, _ := json.Marshal(name) // text always can be
	m.set = append(m.set, setter{name, append(quoted, ':'), p})
	m.done = append(m.done, false)
}

func (m *maker) none() bool { return m.payload == nil && len(m.set) == 0 && len(m.remove) == 0 }

// begin forgets the batch before. Its payloads live on without the maker.
func (m *maker) begin() {
	if !m.none() {
		m.out, m.made = make([]byte, 0, cap(m.out)), m.made[:0]
	}
}

// keep leaves a record its payload.
func (m *maker) keep() {
	if !m.none() {
		m.made = append(m.made, made{})
	}
}

// make makes the payload of a record that the expressions look at.
func (m *maker) make(u *kload.Delivery) (err error) {
	if m.none() {
		return nil
	}
	from := len(m.out)
	if m.payload != nil {
		err = m.whole()
	} else {
		err = m.edit(u.Data)
	}
	if err != nil {
		m.out = m.out[:from]
		return err
	}
	m.made = append(m.made, made{from, len(m.out), true})
	return nil
}

// commit gives the records their new payloads.
func (m *maker) commit(users []kload.Delivery) {
	if m.none() {
		return
	}
	for i, p := range m.made {
		if p.is {
			users[i].Data = m.out[p.from:p.to:p.to]
		}
	}
}

func (m *maker) whole() error {
	v, err := m.payload.run()
	if err != nil {
		return err
	}
	if s, ok := v.(string); ok {
		m.out = append(m.out, s...)
		return nil
	}
	return m.json(v)
}

// edit copies the members of an object, those aside that are removed or set. A set
// field stays in its place, a new one comes last.
func (m *maker) edit(obj []byte) error {
	m.out = append(m.out, '{')
	var failed error
	clear(m.done)
	whole := jsonfield.Members(obj, func(member, name []byte) {
		if m.removes(name) || failed != nil {
			return
		}
		for i := range m.set {
			if jsonfield.Named(name, m.set[i].name) {
				if !m.done[i] {
					m.done[i], failed = true, m.member(i)
				}
				return
			}
		}
		m.out = append(append(m.out, member...), ',')
	})
	if !whole {
		return errNotJSON
	}
	for i := range m.set {
		if failed == nil && !m.done[i] {
			failed = m.member(i)
		}
	}
	m.out = append(bytes.TrimSuffix(m.out, []byte{','}), '}')
	return failed
}

func (m *maker) removes(name []byte) bool {
	for _, r := range m.remove {
		if jsonfield.Named(name, r) {
			return true
		}
	}
	return false
}

func (m *maker) member(i int) error {
	m.out = append(m.out, m.set[i].quoted...)
	v, err := m.set[i].value.run()
	if err == nil {
		err = m.json(v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.set[i].name, err)
	}
	m.out = append(m.out, ',')
	return nil
}

// json appends a value as JSON, in which < > & stay themselves.
func (m *maker) json(v any) error {
	m.encode.Reset()
	e := json.NewEncoder(&m.encode)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the value as JSON: %w", err)
	}
	m.out = append(m.out, bytes.TrimSuffix(m.encode.Bytes(), []byte{'\n'})...)
	return nil
}
