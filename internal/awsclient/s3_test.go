package awsclient_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
)

// TestS3Options says what a client of S3 takes from where.
func TestS3Options(t *testing.T) {
	tests := []struct {
		name     string
		env      map[string]string
		options  awsclient.Options
		region   string
		endpoint string
		unsigned bool
	}{
		{"a bare host", nil, awsclient.Options{}, "us-east-1", "", true},
		{"a region of its own", map[string]string{"AWS_REGION": "eu-west-1"}, awsclient.Options{}, "eu-west-1", "", true},
		{"a region that is given", map[string]string{"AWS_REGION": "eu-west-1"}, awsclient.Options{Region: "eu-north-1"}, "eu-north-1", "", true},
		{"credentials", map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}, awsclient.Options{}, "us-east-1", "", false},
		{
			"an endpoint of the environment",
			map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"},
			awsclient.Options{},
			"us-east-1", "http://127.0.0.1:1", true,
		},
		{
			"local",
			map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"},
			awsclient.Options{Local: true, Endpoint: "http://127.0.0.1:2"},
			"us-east-1", "http://127.0.0.1:2", false,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			bareHost(t)
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			c, err := awsclient.NewS3(t.Context(), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			o := c.API.Options()
			if o.Region != tc.region || c.Endpoint != tc.endpoint || c.Unsigned != tc.unsigned || o.UsePathStyle != (tc.endpoint != "") {
				t.Errorf("region %s, endpoint %s, unsigned %v, path style %v", o.Region, c.Endpoint, c.Unsigned, o.UsePathStyle)
			}
		})
	}
	bareHost(t)
	_, err := awsclient.NewS3(t.Context(), awsclient.Options{Profile: "nobody"})
	if h, ok := errors.AsType[*kload.HintError](err); !ok || !errors.Is(err, kload.ErrUnreachable) || !strings.Contains(h.Hint, "AWS_PROFILE") {
		t.Errorf("an unknown profile: %v", err)
	}
}
