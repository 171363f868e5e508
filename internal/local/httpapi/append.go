package httpapi

import "encoding/json"

// AppendString appends s, valid UTF-8, as a JSON string. Text without anything
// to escape, the usual case, is copied.
func AppendString(dst, s []byte) []byte {
	for _, c := range s {
		if c < 0x20 || c == '"' || c == '\\' {
			return appendEscaped(dst, s)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

func appendEscaped(dst, s []byte) []byte {
	text, err := json.Marshal(string(s))
	if err != nil { // strings always encode
		return append(dst, `""`...)
	}
	return append(dst, text...)
}
