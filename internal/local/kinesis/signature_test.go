package kinesis_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"

	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/sigv4"
)

// TestSignature has the unmodified SDK sign for a server with keys.
func TestSignature(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{Verifier: sigv4.New(sigv4.Key{ID: "id", Secret: "right"})})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s)
	defer ts.Close()
	tests := []struct{ name, id, secret, token, region, code, says string }{
		{"right", "id", "right", "", "us-east-1", "", ""},
		{"wrong secret", "id", "wrong", "", "us-east-1", "InvalidSignatureException", "The Canonical String for this request should have been\n'POST\n/\n\n"},
		{"unknown key", "other", "right", "", "us-east-1", "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"token", "id", "right", "token", "us-east-1", "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"another region", "id", "right", "", "us-west-2", "InvalidSignatureException", "Credential should be scoped to a valid region, not 'us-west-2'."},
	}
	for _, tc := range tests {
		c := sdk.New(sdk.Options{
			Region: tc.region, BaseEndpoint: &ts.URL, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(tc.id, tc.secret, tc.token),
		})
		_, err := c.ListStreams(t.Context(), &sdk.ListStreamsInput{Limit: aws.Int32(1)})
		refusal, refused := errors.AsType[smithy.APIError](err)
		switch {
		case tc.code == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.code != "" && (!refused || refusal.ErrorCode() != tc.code || !strings.Contains(refusal.ErrorMessage(), tc.says)):
			t.Errorf("%s: %v, want %s: %s", tc.name, err, tc.code, tc.says)
		}
	}
	if st := s.Stats(); st.Requests["ListStreams"] != 5 || st.Errors["ListStreams"] != 4 {
		t.Errorf("counted %v, errors %v", st.Requests, st.Errors)
	}
}
