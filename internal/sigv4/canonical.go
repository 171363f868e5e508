package sigv4

import (
	"cmp"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parameter is one of the query, decoded.
type parameter struct{ name, value string }

// splitQuery is url.ParseQuery with the parameters' order and number kept.
func splitQuery(raw string) ([]parameter, error) {
	var out []parameter
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, refuse(Malformed, "The query string cannot be decoded: '%s'.", pair)
		}
		out = append(out, parameter{n, value})
	}
	return out, nil
}

func find(query []parameter, name string) (string, bool) {
	for _, p := range query {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// payloadHash returns what stands for the body in the signature. Where the
// body's own hash is known it decides, and a stated one must agree.
func payloadHash(r *http.Request, query []parameter, presigned bool, body string) (string, error) {
	stated := r.Header.Get("X-Amz-Content-Sha256")
	if stated == "" {
		stated, _ = find(query, "X-Amz-Content-Sha256")
	}
	switch {
	case stated == "" && body != "":
		return body, nil
	case stated == "" && presigned:
		return Unsigned, nil
	case stated == "":
		return "", refuse(MissingPayloadHash, "Missing required header for this request: x-amz-content-sha256")
	case stated == Unsigned || strings.HasPrefix(stated, "STREAMING-"):
		return stated, nil
	case len(stated) != 64 || !isHex(stated):
		return "", refuse(MissingPayloadHash,
			"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.")
	case body != "" && !strings.EqualFold(stated, body):
		return "", refuse(WrongPayload, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return stated, nil
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}

func (c *credential) canonicalRequest(r *http.Request, query []parameter) string {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(c.canonicalPath(r.URL))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(query))
	b.WriteByte('\n')
	for _, name := range c.signed {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(c.signed, ";"))
	b.WriteByte('\n')
	b.WriteString(c.payload)
	return b.String()
}

// canonicalPath returns the path escaped once more than it was sent; S3 alone
// escapes once in all.
func (c *credential) canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if strings.HasPrefix(c.service, "s3") {
		path = u.Path
	}
	return escape(cmp.Or(path, "/"), true)
}

func canonicalQuery(query []parameter) string {
	escaped := make([]parameter, 0, len(query))
	for _, p := range query {
		if p.name != "X-Amz-Signature" {
			escaped = append(escaped, parameter{escape(p.name, false), escape(p.value, false)})
		}
	}
	slices.SortFunc(escaped, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range escaped {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// hostNames returns the names under which the host may be signed: clients that
// speak HTTP/2, such as the SDK for JavaScript, call it by its pseudo-header.
func hostNames() []string { return []string{"host", ":authority"} }

// canonicalHeader returns a header's values, trimmed, with single spaces, and
// with commas between them.
func canonicalHeader(r *http.Request, name string) string {
	if slices.Contains(hostNames(), name) {
		return squeeze(r.Host)
	}
	values := r.Header.Values(name)
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		return strconv.FormatInt(r.ContentLength, 10)
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = squeeze(v)
	}
	return strings.Join(out, ",")
}

func squeeze(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// escape percent-encodes all but the unreserved characters of RFC 3986 and, in
// a path, slashes.
func escape(s string, path bool) string {
	const upper = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && path:
			b = append(b, c)
		default:
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return string(b)
}
