package httpapi

import (
	"bytes"
	"unicode/utf8"
)

// Kind is the type of a value on the wire.
type Kind uint8

// The kinds of values. End stands for the end of the text and for anything that
// cannot start a value.
const (
	End Kind = iota
	Null
	Bool
	Number
	String
	List
	Object
)

// maxDepth bounds nesting, so that a hostile body cannot exhaust the stack.
const maxDepth = 256

// Lexer reads one JSON text from a buffer without copying: strings are slices
// of the buffer, and escaped strings are unescaped where they stand. The buffer
// is therefore consumed by reading. After the first error all methods return
// zero values; check Err at the end. A Lexer is used from one goroutine.
//
// It is stricter than encoding/json in one point: strings must be valid UTF-8.
//
//	for l.Open('{'); l.Next('}'); {
//		switch string(l.Key()) {
//		case "Name":
//			name = l.Text()
//		default:
//			l.Skip()
//		}
//	}
type Lexer struct {
	buf   []byte
	pos   int
	fresh bool // the last token opened an object or list
	err   error
}

// NewLexer returns a lexer on buf.
func NewLexer(buf []byte) Lexer { return Lexer{buf: buf} }

// Err returns the first error: a SerializationException.
func (l *Lexer) Err() error { return l.err }

// Fail records err unless there is an earlier one.
func (l *Lexer) Fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *Lexer) syntax(what string) {
	if l.err == nil {
		l.err = Malformed("%s at offset %d", what, l.pos)
	}
}

// Peek returns the kind of the next value.
func (l *Lexer) Peek() Kind {
	switch c := l.space(); {
	case c == '{':
		return Object
	case c == '[':
		return List
	case c == '"':
		return String
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || c >= '0' && c <= '9':
		return Number
	}
	return End
}

// space skips white space and returns the byte after it, 0 at the end or after
// an error.
func (l *Lexer) space() byte {
	if l.err != nil {
		return 0
	}
	for ; l.pos < len(l.buf); l.pos++ {
		switch c := l.buf[l.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// Open reads the opening '{' or '['.
func (l *Lexer) Open(c byte) {
	if l.space() != c {
		l.syntax("Unexpected character")
		return
	}
	l.pos++
	l.fresh = true
}

// Next reports whether another member or element follows, and reads the comma
// before it or the closing '}' or ']'.
func (l *Lexer) Next(closing byte) bool {
	fresh := l.fresh
	l.fresh = false
	switch c := l.space(); {
	case l.err != nil:
		return false
	case c == closing:
		l.pos++
		return false
	case fresh:
		return true
	case c == ',':
		l.pos++
		return true
	}
	l.syntax("Unexpected character")
	return false
}

// Key reads a member's name and the colon after it.
func (l *Lexer) Key() []byte {
	key := l.Text()
	if l.space() != ':' {
		l.syntax("Unexpected character")
		return nil
	}
	l.pos++
	return key
}

// Text reads a string.
func (l *Lexer) Text() []byte {
	s := l.raw()
	if l.err != nil {
		return nil
	}
	ascii := true
	for _, c := range s {
		if c < 0x20 {
			l.syntax("Control character in a string")
			return nil
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(s) {
		l.syntax("Invalid UTF-8 in a string")
		return nil
	}
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	s, ok := unescape(s)
	if !ok {
		l.syntax("Invalid escape before the string's end")
	}
	return s
}

// Base64Text reads a string that the caller is about to check byte by byte
// itself: only escapes are resolved here.
func (l *Lexer) Base64Text() []byte {
	s := l.raw()
	if l.err != nil || bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	l.pos -= len(s) + 2
	return l.Text()
}

// raw reads a string up to its closing quote and leaves it as it stands.
func (l *Lexer) raw() []byte {
	if l.space() != '"' {
		l.syntax("Expected a string")
		return nil
	}
	start := l.pos + 1
	for at := start; ; {
		i := bytes.IndexByte(l.buf[at:], '"')
		if i < 0 {
			l.syntax("Unclosed string")
			return nil
		}
		at += i + 1
		if !escaped(l.buf[start : at-1]) {
			l.pos = at
			return l.buf[start : at-1]
		}
	}
}

// escaped reports whether a quote after s is part of the string.
func escaped(s []byte) bool {
	n := len(s)
	for n > 0 && s[n-1] == '\\' {
		n--
	}
	return (len(s)-n)%2 == 1
}

// Literal reads null, true or false, or a number, as written.
func (l *Lexer) Literal() []byte {
	l.space()
	start := l.pos
	for l.pos < len(l.buf) && isWord(l.buf[l.pos]) {
		l.pos++
	}
	word := l.buf[start:l.pos]
	switch string(word) {
	case "null", "true", "false":
	default:
		if !isNumber(word) {
			l.pos = start
			l.syntax("Unexpected character")
			return nil
		}
	}
	return word
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// isNumber checks JSON's grammar of numbers (RFC 8259, section 6).
func isNumber(s []byte) bool {
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	n := digits(s)
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	if s = s[n:]; len(s) > 0 && s[0] == '.' {
		if n = digits(s[1:]); n == 0 {
			return false
		}
		s = s[1+n:]
	}
	if len(s) > 0 && s[0]|0x20 == 'e' {
		s = s[1:]
		if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		n = digits(s)
		return n > 0 && n == len(s)
	}
	return len(s) == 0
}

func digits(s []byte) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Skip reads a value of any kind and drops it.
func (l *Lexer) Skip() { l.skip(maxDepth) }

func (l *Lexer) skip(depth int) {
	kind := l.Peek()
	if depth == 0 {
		l.syntax("Nesting too deep")
	}
	if l.err != nil {
		return
	}
	switch kind {
	case Object:
		for l.Open('{'); l.Next('}'); {
			l.Key()
			l.skip(depth - 1)
		}
	case List:
		for l.Open('['); l.Next(']'); {
			l.skip(depth - 1)
		}
	case String:
		l.Text()
	default:
		l.Literal()
	}
}

// Finish checks that nothing but white space is left, and returns Err.
func (l *Lexer) Finish() error {
	if l.space(); l.err == nil && l.pos < len(l.buf) {
		l.syntax("Unexpected character after the value")
	}
	return l.err
}
