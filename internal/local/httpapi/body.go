package httpapi

import (
	"errors"
	"io"
	"net/http"
	"slices"
)

// MaxBody is the largest request body that is read, 16 MiB: room for the 10 MiB
// a PutRecords may carry once base64 has made it a third longer.
const MaxBody = 16 << 20

// ReadBody reads the request's body into dst[:0], growing it as needed, and
// returns it. A body over MaxBody is refused with status 413 before it is read
// whole.
func ReadBody(dst []byte, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return dst[:0], tooLarge()
	}
	dst = dst[:0]
	if r.ContentLength >= 0 {
		dst = slices.Grow(dst, int(r.ContentLength))[:r.ContentLength]
		_, err := io.ReadFull(r.Body, dst)
		return dst, brokenBody(err)
	}
	for {
		dst = slices.Grow(dst, 4096)
		n, err := r.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > MaxBody:
			return dst[:0], tooLarge()
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst[:0], brokenBody(err)
		}
	}
}

func tooLarge() *Error {
	return &Error{
		Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException",
		Message: "Request body is larger than 16 MiB.",
	}
}

func brokenBody(err error) error {
	if err == nil {
		return nil
	}
	return Malformed("The request body ended early: %v", err)
}
