package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"
)

const (
	checksumPrefix = "X-Amz-Checksum-"
	fullObject     = "FULL_OBJECT"
	composite      = "COMPOSITE"
	// crc64NVME is the reflected polynomial of CRC-64/NVME.
	crc64NVME = 0x9a6c9329ac4bc9b5
)

// checksum is one that a client gave for an object, or asked for, and that was
// verified or worked out here.
type checksum struct {
	Algorithm string `json:"algorithm"` // as in the header, in capitals: CRC32, SHA256
	Value     string `json:"value"`     // base64; of a composite one with "-" and the number of parts
	Type      string `json:"type"`      // FULL_OBJECT or COMPOSITE
}

// headers adds the checksum to an answer.
func (c *checksum) headers(to map[string]string) {
	if c != nil && c.Value != "" {
		to[http.CanonicalHeaderKey(checksumPrefix+c.Algorithm)] = c.Value
		to[checksumPrefix+"Type"] = c.Type
	}
}

// newHash returns the hash of a checksum algorithm.
func newHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE(), nil
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli)), nil
	case "CRC64NVME":
		return crc64.New(crc64.MakeTable(crc64NVME)), nil
	case "SHA1":
		return sha1.New(), nil
	case "SHA256":
		return sha256.New(), nil
	case "SHA512":
		return sha512.New(), nil
	case "MD5":
		return md5.New(), nil
	}
	return nil, notImplemented("the checksum algorithm " + strconv.Quote(algorithm))
}

// givenChecksum returns the checksum that headers or trailers state, nil where
// they state none.
func givenChecksum(headers http.Header) (*checksum, error) {
	var out *checksum
	for name, values := range headers {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		algorithm = strings.ToUpper(algorithm)
		if !ok || algorithm == "TYPE" || algorithm == "MODE" || algorithm == "ALGORITHM" {
			continue
		}
		h, err := newHash(algorithm)
		if err != nil {
			return nil, err
		}
		if out != nil || len(values) != 1 {
			return nil, badRequest("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if raw, err := base64.StdEncoding.DecodeString(values[0]); err != nil || len(raw) != h.Size() {
			return nil, badRequest("InvalidRequest", "Value for %s header is invalid.", strings.ToLower(name))
		}
		out = &checksum{algorithm, values[0], fullObject}
	}
	return out, nil
}

func base64Sum(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

// compose returns the composite checksum of parts: that of the bytes of theirs.
func compose(algorithm string, parts []part) (*checksum, error) {
	h, err := newHash(algorithm)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p.checksum)
		if err != nil {
			return nil, err
		}
		h.Write(raw)
	}
	return &checksum{algorithm, base64Sum(h) + "-" + strconv.Itoa(len(parts)), composite}, nil
}
