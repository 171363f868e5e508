package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signer signs requests as clients of AWS do. From one request to the next it
// keeps what does not change: the key that is derived from the credentials for a
// day, and which headers are signed. The zero value is ready; it is not safe for
// concurrent use.
type Signer struct {
	secret, scope string // what mac is for
	mac           hash.Hash
	signed        string // the latest list of headers
	second        int64  // the latest time, and
	when          string // as it is written

	names []string // scratch: the headers that are signed
	text  []byte   // scratch
	sum   [sha256.Size]byte
}

// unsigned are the headers that proxies and transports may change.
func unsigned(name string) bool {
	switch name {
	case "Authorization", "User-Agent", "X-Amzn-Trace-Id", "Expect", "Transfer-Encoding", "Content-Length":
		return true
	}
	return false
}

// Sign sets the headers X-Amz-Date, X-Amz-Security-Token where the key has a token,
// and Authorization. The payload's hash is the hexadecimal SHA-256 of the body. The
// request's query is empty and the names of its headers are canonical.
func (s *Signer) Sign(r *http.Request, key Key, payloadHash, region, service string, at time.Time) {
	if second := at.Unix(); second != s.second || s.when == "" {
		s.second, s.when = second, at.UTC().Format(timeFormat)
	}
	r.Header["X-Amz-Date"] = []string{s.when}
	if key.Token != "" {
		r.Header["X-Amz-Security-Token"] = []string{key.Token}
	}
	s.derive(key.Secret, s.when[:8], region, service)
	s.canonical(r, payloadHash)
	s.sum = sha256.Sum256(s.text)

	s.text = append(s.text[:0], algorithm+"\n"...)
	s.text = append(append(s.text, s.when...), '\n')
	s.text = append(append(s.text, s.scope...), '\n')
	s.text = hex.AppendEncode(s.text, s.sum[:])
	s.mac.Reset()
	s.mac.Write(s.text)

	s.text = append(append(s.text[:0], algorithm+" Credential="...), key.ID...)
	s.text = append(append(s.text, '/'), s.scope...)
	s.text = append(append(s.text, ", SignedHeaders="...), s.signed...)
	s.text = append(s.text, ", Signature="...)
	s.text = hex.AppendEncode(s.text, s.mac.Sum(s.sum[:0]))
	r.Header["Authorization"] = []string{string(s.text)}
}

// derive makes mac the one for the secret and the scope.
func (s *Signer) derive(secret, day, region, service string) {
	s.text = append(append(s.text[:0], day...), '/')
	s.text = append(append(s.text, region...), '/')
	s.text = append(append(s.text, service...), "/"+terminator...)
	if s.mac != nil && s.secret == secret && s.scope == string(s.text) {
		return
	}
	s.secret, s.scope = secret, string(s.text)
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(s.scope, "/") {
		key = mac(key, part)
	}
	s.mac = hmac.New(sha256.New, key)
}

// canonical writes the canonical request to s.text, and the names of the headers in
// it to s.signed.
func (s *Signer) canonical(r *http.Request, payloadHash string) {
	s.names = append(s.names[:0], "Host")
	if r.ContentLength > 0 {
		s.names = append(s.names, "Content-Length")
	}
	for name := range r.Header {
		if !unsigned(name) {
			s.names = append(s.names, name)
		}
	}
	slices.Sort(s.names) // as their lower-case forms do: all of them are canonical
	s.text = append(append(s.text[:0], r.Method...), '\n')
	path := r.URL.Path
	if path != "/" {
		path = escape(cmp.Or(r.URL.EscapedPath(), "/"), true)
	}
	s.text = append(append(s.text, path...), "\n\n"...)
	for _, name := range s.names {
		s.text = append(appendLower(s.text, name), ':')
		s.text = append(s.appendValue(s.text, r, name), '\n')
	}
	s.text = append(s.text, '\n')
	from := len(s.text)
	for i, name := range s.names {
		if i > 0 {
			s.text = append(s.text, ';')
		}
		s.text = appendLower(s.text, name)
	}
	if s.signed != string(s.text[from:]) {
		s.signed = string(s.text[from:])
	}
	s.text = append(append(s.text, '\n'), payloadHash...)
}

func (*Signer) appendValue(text []byte, r *http.Request, name string) []byte {
	switch name {
	case "Host":
		if r.Host != "" {
			return append(text, r.Host...)
		}
		return append(text, r.URL.Host...)
	case "Content-Length":
		return strconv.AppendInt(text, r.ContentLength, 10)
	}
	for i, v := range r.Header[name] {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, squeeze(v)...)
	}
	return text
}

func appendLower(text []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		text = append(text, c)
	}
	return text
}
