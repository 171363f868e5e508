package httpapi

// Value is a parsed request or a part of one. Strings, numbers and literals
// have their Text; lists have Items; objects have Items and, in parallel, Names.
type Value struct {
	Kind  Kind
	Text  []byte
	Names []string
	Items []Value
}

// Parse reads a whole JSON text, which must be an object. The values point into
// body, which it may overwrite.
func Parse(body []byte) (Value, error) {
	l := NewLexer(body)
	if l.Peek() != Object {
		l.syntax("Expected an object")
	}
	v := l.value(maxDepth)
	return v, l.Finish()
}

// Check reports whether body is a JSON text, as an error that says where it
// stops being one. It consumes body.
func Check(body []byte) error {
	l := NewLexer(body)
	l.Skip()
	return l.Finish()
}

func (l *Lexer) value(depth int) Value {
	v := Value{Kind: l.Peek()}
	if depth == 0 {
		l.syntax("Nesting too deep")
	}
	if l.err != nil {
		return v
	}
	switch v.Kind {
	case Object:
		for l.Open('{'); l.Next('}'); {
			v.Names = append(v.Names, string(l.Key()))
			v.Items = append(v.Items, l.value(depth-1))
		}
	case List:
		for l.Open('['); l.Next(']'); {
			v.Items = append(v.Items, l.value(depth-1))
		}
	case String:
		v.Text = l.Text()
	default:
		v.Text = l.Literal()
	}
	return v
}
