package protocol

import (
	"errors"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// NotSpoken reports whether the error of a call means that the service, or what
// stands before it, did not understand CBOR, so that the same call may succeed in
// JSON. A request that is wrong in itself can look the same: ask with one that is
// known to be right.
func NotSpoken(err error) bool {
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) || re.HTTPStatusCode() < 400 || re.HTTPStatusCode() > 499 {
		return false
	}
	if re.HTTPStatusCode() == http.StatusUnsupportedMediaType {
		return true
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return true // XML, the answer to an unknown media type
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "SerializationException", "UnknownOperationException", unknownError:
		return true
	}
	return false
}
