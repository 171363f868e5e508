package sigv4_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/sigv4"
)

// TestSign signs as the SDK does, with one signer, whose derived key must not
// outlive what it is for; and what it signs is verified.
func TestSign(t *testing.T) {
	day := time.Date(2026, 3, 1, 23, 59, 59, 5, time.FixedZone("", 3600))
	key, other := sigv4.Key{ID: "AKID", Secret: "s1"}, sigv4.Key{ID: "AKID", Secret: "s2", Token: "tok/en=="}
	var s sigv4.Signer
	for _, tc := range []struct {
		name, url, region, service string
		key                        sigv4.Key
		at                         time.Time
		headers                    http.Header
		body                       string
	}{
		{"plain", "https://kinesis.eu-west-1.amazonaws.com/", "eu-west-1", "kinesis", key, day, http.Header{"X-Amz-Target": {"K.GetRecords"}, "Content-Type": {"a/b"}}, "body"},
		{"another secret, with a token", "https://kinesis.eu-west-1.amazonaws.com/", "eu-west-1", "kinesis", other, day, nil, "body"},
		{"the next day", "https://kinesis.eu-west-1.amazonaws.com/", "eu-west-1", "kinesis", other, day.Add(2 * time.Hour), nil, ""},
		{"another region", "http://127.0.0.1:4567/", "us-east-1", "kinesis", other, day, nil, "body"},
		{"another service", "http://127.0.0.1:4567/", "us-east-1", "dynamodb", key, day, nil, "body"},
		{"a path to be escaped", "http://[::1]:4567/a%20b/c+d/", "us-east-1", "kinesis", key, day, nil, "body"},
		{"headers that are not signed, spaces, two values", "http://h/", "us-east-1", "kinesis", key, day, http.Header{
			"User-Agent": {"x"}, "X-Amzn-Trace-Id": {"Root=1"}, "Amz-Sdk-Request": {" attempt=1;  max=1 "}, "X-Amz-Meta": {"a", "b"}, "Amz-Sdk": {"1"},
		}, "body"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := url.Parse(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte(tc.body))
			hash := hex.EncodeToString(sum[:])
			ours := &http.Request{Method: http.MethodPost, URL: u, Header: tc.headers.Clone(), ContentLength: int64(len(tc.body)), Host: u.Host}
			if ours.Header == nil {
				ours.Header = http.Header{}
			}
			theirs := ours.Clone(t.Context())
			creds := aws.Credentials{AccessKeyID: tc.key.ID, SecretAccessKey: tc.key.Secret, SessionToken: tc.key.Token}
			if err := v4.NewSigner().SignHTTP(t.Context(), creds, theirs, hash, tc.service, tc.region, tc.at); err != nil {
				t.Fatal(err)
			}
			s.Sign(ours, tc.key, hash, tc.region, tc.service, tc.at)
			if d := cmp.Diff(theirs.Header, ours.Header); d != "" {
				t.Errorf("-SDK +ours\n%s", d)
			}
			if strings.HasPrefix(tc.name, "headers") {
				return // the transport, too, would trim them first
			}
			if _, err := sigv4.New(tc.key).VerifyBody(ours, []byte(tc.body), tc.at); err != nil {
				t.Error(err)
			}
		})
	}
}
