package awsclient_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
)

// addressed is a transport that writes down where a request goes to and what is in
// it, but for what is random.
type addressed struct{ last string }

func (a *addressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("Amz-Sdk-Invocation-Id")
	credential, _, _ := strings.Cut(r.Header.Get("Authorization"), ",")
	r.Header.Set("Authorization", credential)
	a.last = fmt.Sprintf("%s, path %s, host %q, %v", r.URL, r.URL.EscapedPath(), r.Host, r.Header)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte("{}"))), ContentLength: 2,
	}, nil
}

// account is credentials that name one.
type account string

func (a account) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "K", SecretAccessKey: "S", SessionToken: "T", AccountID: string(a)}, nil
}

// TestCallerAddresses crosses endpoints with settings and accounts: a caller's
// requests go where the SDK's go, and what the SDK refuses it refuses.
func TestCallerAddresses(t *testing.T) {
	settings := map[string]func(*kinesis.Options){
		"nothing": func(*kinesis.Options) {},
		"FIPS":    func(o *kinesis.Options) { o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled },
		"dual-stack": func(o *kinesis.Options) {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		},
		"no HTTPS":           func(o *kinesis.Options) { o.EndpointOptions.DisableHTTPS = true },
		"accounts preferred": func(o *kinesis.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModePreferred },
		"accounts disabled":  func(o *kinesis.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModeDisabled },
		"accounts required":  func(o *kinesis.Options) { o.AccountIDEndpointMode = aws.AccountIDEndpointModeRequired },
		"China":              func(o *kinesis.Options) { o.Region = "cn-north-1" },
		"a region of FIPS":   func(o *kinesis.Options) { o.Region = "us-east-1-fips" },
		"a region with a path": func(o *kinesis.Options) {
			o.Region = "attacker.example/"
		},
		"a region that is no label": func(o *kinesis.Options) { o.Region = "us-east-1-" },
		"no region":                 func(o *kinesis.Options) { o.Region = "" },
	}
	for _, url := range []string{
		"", "http://h", "https://h:443/", "https://h:80/", "https://h:8443/a/b", "http://[::1]:4567", "http://[::1]:80", "http://h:80/a%2Fb/",
		"http://h/?q=1", "https://u:p@h/x", "http://h_x:80", "http://h_x:81", "http://h//x//", "nonsense", "://",
	} {
		for name, set := range settings {
			for _, of := range []account{"", "123456789012"} {
				synctest.Test(t, func(t *testing.T) { // at the same time
					c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: url})
					if err != nil {
						t.Fatal(err)
					}
					from, to := c.Over(awsclient.CBOR).Options(), new(addressed)
					caller := awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) {
						o.Protocol, o.Credentials, o.HTTPClient = from.Protocol, of, awsclient.NewIsolating(to, new(atomic.Uint64))
						set(o)
					}))
					var got [2]string
					for i, api := range []dataAPI{caller.Client, caller} {
						_, err := getRecords(t.Context(), api, "i")
						got[i] = fmt.Sprint(to.last, err, chain(err))
						to.last = ""
					}
					if d := cmp.Diff(got[0], got[1]); d != "" {
						t.Errorf("%q with %s, account %q: -SDK +caller\n%s", url, name, of, d)
					}
				})
			}
		}
	}
}
