package s3

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// response is the answer as the protocol layer writes it, put right on its way
// out: with our headers in place of its own where the two differ, and with our
// fault instead of all that it says about an error of ours.
type response struct {
	http.ResponseWriter
	id      string            // of the request
	headers map[string]string // replace those of the protocol layer
	fault   *fault            // what to answer instead, once it is known
	status  int               // 0 until the header is written
	bytes   int64
	broken  bool // the body cannot be completed; the server will cut the connection
}

// WriteHeader is that of http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.fault != nil || w.status != 0 {
		return
	}
	w.status = status
	h := w.Header()
	w.replace(w.headers)
	if _, typed := h["Content-Type"]; !typed && status != http.StatusNoContent && h.Get("Content-Length") != "0" {
		h.Set("Content-Type", "application/xml")
	}
	w.ResponseWriter.WriteHeader(status)
}

// replace puts headers in place of those of the protocol layer, some of which
// promise what is not offered: access from other origins, and versions. Names
// that begin with x-amz- are sent in lower case, as by S3: clients make the names
// of metadata of them.
func (w *response) replace(headers map[string]string) {
	h := w.Header()
	h.Del("Access-Control-Allow-Origin")
	h.Del("X-Amz-Delete-Marker")
	h.Set("Server", "kload")
	for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2"} {
		h.Del(name)
		h[strings.ToLower(name)] = []string{w.id}
	}
	for name, value := range headers {
		if h.Del(name); strings.HasPrefix(name, "X-Amz-") {
			name = strings.ToLower(name)
		}
		h[name] = []string{value}
	}
}

// Write is that of http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.fault != nil || w.broken {
		return len(p), nil
	}
	w.WriteHeader(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel send files.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.fault != nil {
		return 0, errors.New("the answer is an error already")
	}
	w.WriteHeader(http.StatusOK)
	if c, ok := src.(*contents); ok {
		var err error
		if src, err = c.limited(); err != nil {
			w.broken = true
			return 0, err
		}
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	w.broken = err != nil
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
