package awsclient_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
)

func TestNewExplainsWhatIsMissing(t *testing.T) {
	tests := []struct {
		name    string
		env     map[string]string
		options awsclient.Options
		hint    string
	}{
		{"no region", nil, awsclient.Options{}, "target.region"},
		{"no credentials", nil, awsclient.Options{Region: "eu-west-1"}, "aws sso login"},
		{"no credentials, region from the environment", map[string]string{"AWS_REGION": "eu-west-1"}, awsclient.Options{}, "aws sso login"},
		{"no such profile", nil, awsclient.Options{Region: "eu-west-1", Profile: "nobody"}, "target.profile"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			bareHost(t)
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			_, err := awsclient.New(t.Context(), tc.options)
			if !errors.Is(err, kload.ErrUnreachable) {
				t.Fatalf("%v, want an unreachable target", err)
			}
			if h, ok := errors.AsType[*kload.HintError](err); !ok || !strings.Contains(h.Hint, tc.hint) {
				t.Errorf("%v lacks a hint about %q", err, tc.hint)
			}
		})
	}
}

// TestHost compares the host that the client states with the one it dials.
func TestHost(t *testing.T) {
	tests := []struct {
		name    string
		env     map[string]string
		options awsclient.Options
		want    string // dialed
	}{
		{"the service", nil, awsclient.Options{Region: "eu-west-1"}, "kinesis.eu-west-1.amazonaws.com:443"},
		{
			"credentials that name their account",
			map[string]string{"AWS_ACCOUNT_ID": "123456789012"},
			awsclient.Options{Region: "eu-west-1"},
			"123456789012.data-kinesis.eu-west-1.amazonaws.com:443",
		},
		{
			"account switched off",
			map[string]string{"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"},
			awsclient.Options{Region: "eu-west-1"},
			"kinesis.eu-west-1.amazonaws.com:443",
		},
		{"FIPS", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, awsclient.Options{Region: "us-east-1"}, "kinesis-fips.us-east-1.amazonaws.com:443"},
		{"endpoint", nil, awsclient.Options{Region: "eu-west-1", Endpoint: "http://here.invalid:4567"}, "here.invalid:4567"},
		{
			"endpoint of the environment",
			map[string]string{"AWS_ENDPOINT_URL_KINESIS": "http://there.invalid:4567"},
			awsclient.Options{Region: "eu-west-1"},
			"there.invalid:4567",
		},
		{
			"local ignores the environment",
			map[string]string{
				"AWS_ENDPOINT_URL": "http://there.invalid:4567", "HTTP_PROXY": "http://proxy.invalid:1", "AWS_ACCOUNT_ID": "123456789012",
			},
			awsclient.Options{Local: true, Endpoint: "http://target.invalid:1234"},
			"target.invalid:1234",
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			bareHost(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "id")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			var dialed []string
			tc.options.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
				dialed = append(dialed, addr)
				return nil, &net.OpError{Op: "dial", Err: errors.New("not here")}
			}
			c, err := awsclient.New(t.Context(), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := put(t, c, "x"); err == nil {
				t.Error("the call went through")
			}
			stated := strings.TrimPrefix(c.Host, "http://")
			if !strings.Contains(stated, ":") {
				stated += ":443"
			}
			if len(dialed) != 1 || dialed[0] != tc.want || stated != tc.want {
				t.Errorf("dialed %q, stated %q, want %q", dialed, c.Host, tc.want)
			}
		})
	}
}

// TestNobodySetsStreamID reads the product's source: a request with a StreamId
// goes to the real service whatever endpoint is configured.
func TestNobodySetsStreamID(t *testing.T) {
	use := regexp.MustCompile(`\bStreamId\s*[:=]`)
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if use.Match(text) {
			t.Errorf("%s sets StreamId", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const name = "StreamId"
	if !use.MatchString("PutRecordsInput{"+name+": x}") || !use.MatchString("in."+name+" = x") {
		t.Error("the search finds nothing")
	}
}
