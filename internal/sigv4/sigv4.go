// Package sigv4 verifies AWS Signature Version 4 on incoming requests, as an
// AWS-compatible server needs it: in the Authorization header or, presigned, in
// the query, for any service, with the payload signed, unsigned or signed chunk
// by chunk.
//
// What is wrong with a request is told as a [Reason]; services word it each in
// their own way, with codes and formats of their own.
//
// The algorithm is the one of "Create a signed AWS API request" in the IAM User
// Guide; S3's forms of it are in the S3 API Reference under "Authenticating
// Requests (AWS Signature Version 4)". Paths are taken as they were sent, as
// all the SDKs do: dot segments are not resolved. Signature Version 4A is
// refused.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"

	// MaxSkew is how far a signature's time may be from the server's clock: 15
	// minutes either way.
	MaxSkew = 15 * time.Minute
	// MaxExpiry is the longest life of a presigned request.
	MaxExpiry = 7 * 24 * time.Hour

	// Unsigned is the payload hash of requests whose body is not signed.
	Unsigned = "UNSIGNED-PAYLOAD"
)

// Key is a key pair that requests may be signed with.
type Key struct {
	ID     string // access key
	Secret string
	Token  string // session token of temporary credentials, "" for none
}

// Verifier knows key pairs. It is immutable and safe for concurrent use.
type Verifier struct {
	keys            map[string]Key
	region, service string
}

// New returns a verifier that takes signatures made with any of the keys, for
// any region and service.
func New(keys ...Key) *Verifier {
	v := &Verifier{keys: make(map[string]Key, len(keys))}
	for _, k := range keys {
		v.keys[k.ID] = k
	}
	return v
}

// For returns a copy that takes signatures for one region and service only. An
// empty string stands for any.
func (v *Verifier) For(region, service string) *Verifier {
	return &Verifier{keys: v.keys, region: region, service: service}
}

// Identity says who signed a request and for what.
type Identity struct {
	AccessKey       string
	Region, Service string
	Time            time.Time // at which it was signed
	Presigned       bool
	// PayloadHash is what the signature covers of the body: the hexadecimal SHA-256
	// of it, [Unsigned], or one of the STREAMING- words of S3.
	PayloadHash string

	scope     string
	signature string
	key       []byte
}

// Verify checks the signature of a request. It does not read the body, whose
// hash it takes from X-Amz-Content-Sha256, as S3 does: read the body through
// [Identity.Body], which compares. A presigned request without that header has
// an unsigned payload. Errors are of type [*Error].
func (v *Verifier) Verify(r *http.Request, now time.Time) (Identity, error) {
	return v.verify(r, now, "")
}

// VerifyBody is Verify for services whose clients do not state the body's hash:
// it checks signature and body at once.
func (v *Verifier) VerifyBody(r *http.Request, body []byte, now time.Time) (Identity, error) {
	sum := sha256.Sum256(body)
	return v.verify(r, now, hex.EncodeToString(sum[:]))
}

// verify takes the hash of the body, "" where it is not known.
func (v *Verifier) verify(r *http.Request, now time.Time, bodyHash string) (Identity, error) {
	query, err := splitQuery(r.URL.RawQuery)
	if err != nil {
		return Identity{}, err
	}
	c, err := read(r, query)
	if err != nil {
		return Identity{}, err
	}
	key, err := v.admit(c, now)
	if err != nil {
		return Identity{}, err
	}
	if err := c.complete(r); err != nil {
		return Identity{}, err
	}
	if c.payload, err = payloadHash(r, query, c.presigned, bodyHash); err != nil {
		return Identity{}, err
	}
	id := Identity{
		AccessKey: c.accessKey, Region: c.region, Service: c.service, Time: c.time, Presigned: c.presigned,
		PayloadHash: c.payload, scope: c.scope(), key: signingKey(key.Secret, c),
	}
	canonical := c.canonicalRequest(r, query)
	toSign := algorithm + "\n" + c.time.Format(timeFormat) + "\n" + id.scope + "\n" + digest(canonical)
	id.signature = hex.EncodeToString(mac(id.key, toSign))
	if !hmac.Equal([]byte(id.signature), []byte(c.signature)) {
		return Identity{}, &Error{Reason: Mismatch, Message: mismatch, CanonicalRequest: canonical, StringToSign: toSign}
	}
	return id, nil
}

// admit checks who signs, when and for what, before any signature is worked out.
func (v *Verifier) admit(c *credential, now time.Time) (Key, error) {
	if err := c.current(now); err != nil {
		return Key{}, err
	}
	if err := v.scoped(c); err != nil {
		return Key{}, err
	}
	key, known := v.keys[c.accessKey]
	if !known {
		return Key{}, refuse(UnknownKey, "The security token included in the request is invalid.")
	}
	if !hmac.Equal([]byte(key.Token), []byte(c.token)) {
		return Key{}, refuse(BadToken, "The security token included in the request is invalid.")
	}
	return key, nil
}

func (v *Verifier) scoped(c *credential) error {
	switch day := c.time.Format("20060102"); {
	case c.terminator != terminator:
		return refuse(WrongScope, "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", c.terminator)
	case v.region != "" && c.region != v.region:
		return refuse(WrongScope, "Credential should be scoped to a valid region, not '%s'.", c.region)
	case v.service != "" && c.service != v.service:
		return refuse(WrongScope, "Credential should be scoped to correct service: '%s'.", v.service)
	case c.date != day:
		return refuse(WrongScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			c.date, day, c.time.Format(timeFormat))
	}
	return nil
}

func signingKey(secret string, c *credential) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.date, c.region, c.service, terminator} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
