package s3

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// maxKey is S3's limit on the length of a key in UTF-8.
	maxKey = 1024
	// maxName is how long a file name may be on common file systems.
	maxName = 255
	// escapeMark begins the names of files and folders that are not called as
	// their segment of the key.
	escapeMark = ".kload~"
	// aside ends the name of an object's file where a folder has taken the name
	// that it should have.
	aside = "~"
)

var bucketName = regexp.MustCompile(`^[a-z0-9](\.?[a-z0-9-])*[a-z0-9]$`)

// validBucket reports whether name can be a bucket's. Such names are also safe
// as names of folders.
func validBucket(name string) bool {
	return len(name) >= 3 && len(name) <= 63 && bucketName.MatchString(name)
}

// plain reports whether a segment of a key can be a file name as it is.
func plain(segment string) bool {
	return segment != "" && segment != "." && segment != ".." &&
		!strings.HasPrefix(segment, escapeMark) && !strings.ContainsAny(segment, `\:`)
}

// fileName returns the name of the folder, or of the file, of a segment.
func fileName(segment string) string {
	if plain(segment) {
		return segment
	}
	return escapeMark + escapeSegment(segment)
}

// asideName returns the name of an object's file beside a folder of that name.
func asideName(segment string) string { return escapeMark + escapeSegment(segment) + aside }

// segmentOf is the inverse of fileName and asideName. Names that neither would
// give are not ok: what has them is not an object's.
func segmentOf(name string) (segment string, isAside, ok bool) {
	rest, escaped := strings.CutPrefix(name, escapeMark)
	if !escaped {
		return name, false, plain(name) && validText(name)
	}
	rest, isAside = strings.CutSuffix(rest, aside)
	segment, ok = unescapeSegment(rest)
	if !ok || !validText(segment) {
		return "", false, false
	}
	if isAside {
		return segment, true, asideName(segment) == name
	}
	return segment, false, fileName(segment) == name
}

const hexDigits = "0123456789ABCDEF"

// escapeSegment writes the characters that mean something to file systems, or to
// this encoding, as %XX.
func escapeSegment(s string) string {
	var b strings.Builder
	dots := strings.Trim(s, ".") == ""
	for i := range len(s) {
		switch c := s[i]; {
		case c == '%', c == '~', c == '\\', c == ':', c == '.' && dots:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unescapeSegment(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}

// validText reports whether s can be part of a key: UTF-8 that XML can carry.
func validText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// location is where the file of an object may be, relative to the root: at path,
// or at aside where path is a folder.
type location struct{ bucket, key, dir, path, aside string }

// locate returns where an object is kept. Whatever the key, that is in the
// bucket's folder.
func locate(bucket, key string) (location, error) {
	switch {
	case !validBucket(bucket):
		return location{}, badRequest("InvalidBucketName", "The specified bucket is not valid.")
	case key == "" || !validText(key):
		return location{}, badRequest("InvalidURI", "Keys must be UTF-8 without control characters.")
	case len(key) > maxKey:
		return location{}, badRequest("KeyTooLongError", "Your key is too long")
	}
	segments := strings.Split(key, "/")
	for i, s := range segments {
		if segments[i] = fileName(s); len(segments[i]) > maxName {
			return location{}, badRequest("KeyTooLongError",
				"A part of the key between slashes is too long for a file name: %d bytes.", len(segments[i]))
		}
	}
	dir := strings.Join(append([]string{bucket}, segments[:len(segments)-1]...), "/")
	leaf := key[strings.LastIndexByte(key, '/')+1:]
	return location{bucket, key, dir, dir + "/" + fileName(leaf), dir + "/" + asideName(leaf)}, nil
}
