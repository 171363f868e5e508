package protocol

import (
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/kload/kload/internal/awscbor"
)

// unknownError is the code and message of an answer that states none, as in the
// JSON protocol.
const unknownError = "UnknownError"

// maxSnapshot bounds how much of a body that cannot be read an error keeps.
const maxSnapshot = 1024

// errorInfo is what an error answer says in general.
type errorInfo struct{ kind, code, message string }

// decodeError makes the error that an answer describes: one of the service's
// types if it is known, a [smithy.GenericAPIError] if not.
func decodeError(types *smithy.TypeRegistry, header string, body []byte) error {
	info, err := readErrorInfo(body)
	if err != nil {
		return &smithy.DeserializationError{
			Err: fmt.Errorf("failed to decode response body, %w", err), Snapshot: append([]byte{}, body[:min(len(body), maxSnapshot)]...),
		}
	}
	code, message := unknownError, unknownError
	for _, c := range []string{info.code, info.kind, header} { // the last one wins
		if c != "" {
			code = c
		}
	}
	if info.message != "" {
		message = info.message
	}
	code = bareCode(code)
	typed, ok := types.DeserializableError(code)
	if !ok {
		return &smithy.GenericAPIError{Code: code, Message: message}
	}
	if len(body) > 0 {
		d := deserializer{Decoder: awscbor.NewDecoder(body), copies: true}
		if err := typed.Deserialize(&d); err != nil {
			return &smithy.DeserializationError{Err: err}
		}
	}
	return typed
}

func readErrorInfo(body []byte) (info errorInfo, err error) {
	if len(body) == 0 {
		return info, nil
	}
	d := awscbor.NewDecoder(body)
	for n := d.Map(); d.Next(&n); {
		name := string(d.Text())
		if d.Peek() != awscbor.Text {
			d.Skip()
			continue
		}
		text := string(d.Text())
		switch {
		case name == "__type":
			info.kind = text
		case strings.EqualFold(name, "code"):
			info.code = text
		case strings.EqualFold(name, "message"):
			info.message = text
		}
	}
	return info, d.Finish()
}

// bareCode strips a namespace before the code and a URI behind it.
func bareCode(code string) string {
	code, _, _ = strings.Cut(code, ":")
	if _, after, ok := strings.Cut(code, "#"); ok {
		return after
	}
	return code
}
