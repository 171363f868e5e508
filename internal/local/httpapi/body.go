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

// step is how much memory a body is given beyond what has arrived of it: a
// client that announces much and sends little costs little.
const step = 256 << 10

// ReadBody reads the request's body into dst[:0], growing it as needed, and
// returns it. A body over MaxBody is refused with status 413 before it is read
// whole.
func ReadBody(dst []byte, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return dst[:0], tooLarge()
	}
	dst = dst[:0]
	for {
		room := max(step, len(dst))
		if r.ContentLength >= 0 {
			room = max(1, min(room, int(r.ContentLength)-len(dst)+1)) // one for the end to be seen
		}
		if cap(dst)-len(dst) < room {
			dst = slices.Grow(dst, room)
		}
		// A body in chunks fills what it is given before it returns.
		n, err := r.Body.Read(dst[len(dst):min(cap(dst), MaxBody+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > MaxBody:
			return dst[:0], tooLarge()
		case errors.Is(err, io.EOF) && int64(len(dst)) < r.ContentLength:
			return dst[:0], brokenBody(io.ErrUnexpectedEOF)
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
