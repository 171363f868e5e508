package jsonfield

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// walk goes through the members of an object, whose first one starts at or
// after i, until it meets the name.
func walk(obj []byte, i int, name string) (value []byte, isString, ok bool) {
	for i = skipSpace(obj, i); i < len(obj) && obj[i] == '"'; {
		keyEnd := stringEnd(obj, i)
		if keyEnd < 0 {
			return nil, false, false
		}
		key := obj[i+1 : keyEnd-1]
		i = skipSpace(obj, keyEnd)
		if i == len(obj) || obj[i] != ':' {
			return nil, false, false
		}
		i = skipSpace(obj, i+1)
		if sameName(key, name) {
			return valueAt(obj, i)
		}
		if i = skipValue(obj, i); i < 0 {
			return nil, false, false
		}
		if i = skipSpace(obj, i); i == len(obj) || obj[i] != ',' {
			return nil, false, false
		}
		i = skipSpace(obj, i+1)
	}
	return nil, false, false
}

// Members calls visit for each member of obj in order, with its text (a slice of
// obj, from the quote before the name to the end of the value) and the raw text of
// its name, see [Named]. It reports whether obj is an object that could be read to
// its end; what is inside the values is not checked.
func Members(obj []byte, visit func(member, name []byte)) bool {
	open, end := bounds(obj)
	if open < 0 {
		return false
	}
	obj = obj[:end]
	i := skipSpace(obj, open+1)
	if i == end-1 {
		return true // empty
	}
	for i < end && obj[i] == '"' {
		start, keyEnd := i, stringEnd(obj, i)
		if keyEnd < 0 {
			return false
		}
		if i = skipSpace(obj, keyEnd); i == len(obj) || obj[i] != ':' {
			return false
		}
		if i = skipValue(obj, skipSpace(obj, i+1)); i < 0 {
			return false
		}
		visit(obj[start:i], obj[start+1:keyEnd-1])
		if i = skipSpace(obj, i); i == end-1 {
			return true
		}
		if i >= end || obj[i] != ',' {
			return false
		}
		i = skipSpace(obj, i+1)
	}
	return false
}

// Named reports whether the raw text of a member's name reads as the decoded
// name.
func Named(raw []byte, name string) bool { return sameName(raw, name) }

// valueAt returns the value that starts at i, if a comma or closing brace
// follows it.
func valueAt(obj []byte, i int) (value []byte, isString, ok bool) {
	end := skipValue(obj, i)
	if end < 0 {
		return nil, false, false
	}
	if next := skipSpace(obj, end); next == len(obj) || obj[next] != ',' && obj[next] != '}' {
		return nil, false, false
	}
	if obj[i] == '"' {
		return obj[i+1 : end-1], true, true
	}
	return obj[i:end], false, true
}

// skipValue returns the index after the value that starts at i, or -1.
func skipValue(obj []byte, i int) int {
	if i >= len(obj) {
		return -1
	}
	switch obj[i] {
	case '"':
		return stringEnd(obj, i)
	case '{', '[':
		return nestedEnd(obj, i)
	}
	end := i
	for end < len(obj) && isScalar(obj[end]) {
		end++
	}
	switch c := obj[i]; {
	case c == '-', c >= '0' && c <= '9':
		return end
	case string(obj[i:end]) == "true", string(obj[i:end]) == "false", string(obj[i:end]) == "null":
		return end
	}
	return -1
}

// nestedEnd returns the index after the object or array that starts at i, or
// -1. It counts brackets without telling the two kinds apart.
func nestedEnd(obj []byte, i int) int {
	for depth := 0; i < len(obj); i++ {
		switch obj[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			end := stringEnd(obj, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		}
	}
	return -1
}

// stringEnd returns the index after the string whose opening quote is at i, or
// -1.
func stringEnd(obj []byte, i int) int {
	for i++; i < len(obj); {
		n := bytes.IndexByte(obj[i:], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		for i < end {
			escape := bytes.IndexByte(obj[i:end], '\\')
			if escape < 0 {
				return end + 1
			}
			i += escape + 2
		}
		if i == end {
			return end + 1
		}
	}
	return -1
}

func skipSpace(obj []byte, i int) int {
	for i < len(obj) && isSpace(obj[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func isScalar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// sameName compares the raw text of a key with a decoded name, as if the key
// had been decoded: escapes resolved, broken UTF-8 and lone surrogates replaced
// by U+FFFD.
func sameName(key []byte, name string) bool {
	if string(key) == name {
		return utf8.Valid(key) && bytes.IndexByte(key, '\\') < 0
	}
	if bytes.IndexByte(key, '\\') < 0 && !strings.Contains(name, "\uFFFD") {
		return false
	}
	var buf [utf8.UTFMax]byte
	for len(key) > 0 {
		r, n := nextRune(key)
		if n == 0 {
			return false
		}
		decoded := utf8.AppendRune(buf[:0], r)
		if !strings.HasPrefix(name, string(decoded)) {
			return false
		}
		key, name = key[n:], name[len(decoded):]
	}
	return name == ""
}

// nextRune decodes the first character of the text of a JSON string and the
// number of bytes it takes; 0 for a broken escape.
func nextRune(s []byte) (rune, int) {
	if s[0] != '\\' {
		return utf8.DecodeRune(s)
	}
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, s[1])
		if i < 0 {
			return 0, 0
		}
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads an escape of the form \uXXXX.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
