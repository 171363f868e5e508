package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is a refusal as an AWS JSON service words it. It is safe for concurrent
// use once made.
type Error struct {
	Status  int    // HTTP status
	Code    string // __type on the wire, such as "ResourceNotFoundException"
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Refuse returns a client fault: status 400, as AWS uses for all of them,
// throttling included.
func Refuse(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Malformed returns a SerializationException: the request cannot be understood.
func Malformed(format string, args ...any) *Error {
	return Refuse("SerializationException", format, args...)
}

// AppendJSON appends the error as a JSON body. Only SerializationException
// spells its message with a capital, as the services do.
func (e *Error) AppendJSON(dst []byte) []byte {
	name := "message"
	if e.Code == "SerializationException" {
		name = "Message"
	}
	text, err := json.Marshal(e.Message)
	if err != nil { // strings always encode
		text = []byte(`""`)
	}
	dst = fmt.Appendf(dst, `{"__type":%q,%q:`, e.Code, name)
	dst = append(dst, text...)
	return append(dst, '}')
}

// XMLError is how a service answers what never reaches its JSON front end: other
// methods than POST and unknown content types.
func XMLError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if message == "" {
		fmt.Fprintf(w, "<%s/>\n", code)
		return
	}
	fmt.Fprintf(w, "<%s>\n  <Message>%s</Message>\n</%s>\n", code, message, code)
}
