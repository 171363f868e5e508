package httpapi

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape resolves JSON escapes in place: no escape is shorter than what it
// stands for. Half a surrogate pair becomes U+FFFD, as in encoding/json.
func unescape(s []byte) ([]byte, bool) {
	w := bytes.IndexByte(s, '\\')
	for r := w; r < len(s); {
		if s[r] != '\\' {
			s[w] = s[r]
			w, r = w+1, r+1
			continue
		}
		if r+1 == len(s) {
			return nil, false
		}
		if s[r+1] == 'u' {
			c, n := unicodeEscape(s[r:])
			if n == 0 {
				return nil, false
			}
			w += utf8.EncodeRune(s[w:w+utf8.RuneLen(c)], c)
			r += n
			continue
		}
		i := bytes.IndexByte([]byte(`"\/bfnrt`), s[r+1])
		if i < 0 {
			return nil, false
		}
		s[w] = "\"\\/\b\f\n\r\t"[i]
		w, r = w+1, r+2
	}
	return s[:w], true
}

// unicodeEscape reads \uXXXX, or two of them that form a surrogate pair, and
// returns the rune and how many bytes it took, 0 if it is malformed.
func unicodeEscape(s []byte) (rune, int) {
	c, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(c) {
		return c, 6
	}
	if low, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var v rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
