package awsclient_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
)

// addressed is a transport that writes down where requests go to and what is in
// them, but for what is random. It counts the answers that are not closed.
type addressed struct {
	log  []string
	open int
}

// Close closes an answer.
func (a *addressed) Close() error {
	a.open--
	return nil
}

func (a *addressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("Amz-Sdk-Invocation-Id")
	if credential, _, ok := strings.Cut(r.Header.Get("Authorization"), ","); ok {
		r.Header.Set("Authorization", credential)
	}
	a.log = append(a.log, fmt.Sprintf("%s, path %s, host %q, %v", r.URL, r.URL.EscapedPath(), r.Host, r.Header))
	a.open++
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Request: r,
		Body: struct {
			io.Reader
			io.Closer
		}{strings.NewReader("{}"), a}, ContentLength: 2,
	}, nil
}

// moving are credentials of another account each time, the first one of none.
type moving struct{ n int }

func (m *moving) Retrieve(context.Context) (aws.Credentials, error) {
	m.n++
	return aws.Credentials{
		AccessKeyID: "K", SecretAccessKey: "S", SessionToken: "T", AccountID: []string{"", "123456789012", "210987654321"}[m.n%3],
	}, nil
}

// own is an endpoint resolver of a program's own.
type own struct{}

func (own) ResolveEndpoint(context.Context, kinesis.EndpointParameters) (e smithyendpoints.Endpoint, err error) {
	e.URI, e.Headers = url.URL{Scheme: "https", Host: "own"}, http.Header{"X-Own": {"1"}}
	auth := &smithyauth.Option{SchemeID: smithyauth.SchemeIDSigV4}
	smithyhttp.SetSigV4SigningName(&auth.SignerProperties, "name")
	smithyhttp.SetSigV4SigningRegion(&auth.SignerProperties, "region")
	smithyauth.SetAuthOptions(&e.Properties, []*smithyauth.Option{auth})
	return e, nil
}

// both makes calls through a client of the SDK and through a caller, which both have
// the settings, at the same time, and returns what each of them sent, or says.
func both(t *testing.T, endpoint string, set func(*kinesis.Options), calls ...func(context.Context, dataAPI) error) (theirs, ours []string) {
	t.Helper()
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	from := c.Over(awsclient.CBOR).Options()
	for i, got := range []*[]string{&theirs, &ours} {
		to := new(addressed)
		caller := awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) {
			o.Protocol, o.Credentials, o.HTTPClient = from.Protocol, new(moving), awsclient.NewIsolating(to, new(atomic.Uint64))
			set(o)
		}))
		for _, call := range calls {
			err := call(t.Context(), []dataAPI{caller.Client, caller}[i])
			to.log = append(to.log, fmt.Sprint(err, chain(err)))
		}
		if *got = to.log; to.open != 0 {
			t.Errorf("%d answers left open", to.open)
		}
	}
	return theirs, ours
}

// TestCallerAddresses crosses endpoints with settings, with accounts that change: a
// caller's requests go where the SDK's go, and what the SDK refuses it refuses.
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
		"no credentials":     func(o *kinesis.Options) { o.Credentials = aws.AnonymousCredentials{} },
		"a resolver":         func(o *kinesis.Options) { o.EndpointResolverV2 = own{} },
		"China":              func(o *kinesis.Options) { o.Region = "cn-north-1" },
		"a region of FIPS":   func(o *kinesis.Options) { o.Region = "us-east-1-fips" },
		"a region with a path": func(o *kinesis.Options) {
			o.Region = "attacker.example/"
		},
		"a region that is no label": func(o *kinesis.Options) { o.Region = "us-east-1-" },
		"no region":                 func(o *kinesis.Options) { o.Region = "" },
	}
	for _, endpoint := range []string{
		"", "http://h", "https://h:443/", "https://h:80/", "https://h:8443/a/b", "http://[::1]:4567", "http://[::1]:80", "http://h:80/a%2Fb/",
		"http://h/?q=1", "https://u:p@h/x", "http://h_x:80", "http://h_x:81", "http://h//x//", "nonsense", "://",
	} {
		for name, set := range settings {
			synctest.Test(t, func(t *testing.T) {
				theirs, ours := both(t, endpoint, set, dataCalls[0], dataCalls[0], dataCalls[0])
				if d := cmp.Diff(theirs, ours); d != "" {
					t.Errorf("%q with %s: -SDK +caller\n%s", endpoint, name, d)
				}
			})
		}
	}
}

// TestCallerInputs makes calls without input, and of streams named by an ARN, which
// says where they go.
func TestCallerInputs(t *testing.T) {
	arn := aws.String("arn:aws:kinesis:us-east-1:333333333333:stream/s")
	entry := []types.PutRecordsRequestEntry{{Data: []byte("d"), PartitionKey: aws.String("k")}}
	var calls []func(context.Context, dataAPI) error
	add := func(f func(ctx context.Context, api dataAPI) (any, error)) {
		calls = append(calls, func(ctx context.Context, api dataAPI) error {
			_, err := f(ctx, api)
			return err
		})
	}
	add(func(ctx context.Context, api dataAPI) (any, error) { return api.GetRecords(ctx, nil) })
	add(func(ctx context.Context, api dataAPI) (any, error) { return api.GetShardIterator(ctx, nil) })
	add(func(ctx context.Context, api dataAPI) (any, error) { return api.PutRecord(ctx, nil) })
	add(func(ctx context.Context, api dataAPI) (any, error) { return api.PutRecords(ctx, nil) })
	add(func(ctx context.Context, api dataAPI) (any, error) {
		return api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i"), StreamARN: arn})
	})
	add(func(ctx context.Context, api dataAPI) (any, error) {
		return api.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{ShardId: aws.String("i"), ShardIteratorType: types.ShardIteratorTypeLatest, StreamARN: arn})
	})
	add(func(ctx context.Context, api dataAPI) (any, error) {
		return api.PutRecord(ctx, &kinesis.PutRecordInput{Data: []byte("d"), PartitionKey: aws.String("k"), StreamARN: arn})
	})
	add(func(ctx context.Context, api dataAPI) (any, error) {
		return api.PutRecords(ctx, &kinesis.PutRecordsInput{Records: entry, StreamARN: arn})
	})
	synctest.Test(t, func(t *testing.T) {
		theirs, ours := both(t, "", func(*kinesis.Options) {}, calls...)
		if d := cmp.Diff(theirs, ours); d != "" || len(ours) != len(calls)+4 {
			t.Errorf("-SDK +caller\n%s", d)
		}
	})
}
