package awsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// endpoint is where requests with credentials of an account go, and for what they
// are signed.
type endpoint struct {
	account         string
	url             *url.URL // shared by the requests
	host            string   // for the header, "" for the URL's
	headers         http.Header
	region, service string
}

// endpointFor returns the endpoint, which is resolved anew when the account
// changes.
func (c *Caller) endpointFor(ctx context.Context, account string) (*endpoint, error) {
	if e := c.endpoint.Load(); e != nil && e.account == account {
		return e, nil
	}
	resolved, err := c.options.EndpointResolverV2.ResolveEndpoint(ctx, endpointParameters(&c.options, account))
	if err != nil {
		return nil, fmt.Errorf("failed to resolve service endpoint, %w", err)
	}
	e := &endpoint{account: account, headers: resolved.Headers, region: c.options.Region, service: "kinesis"}
	e.url = &url.URL{
		Scheme: resolved.URI.Scheme, Host: resolved.URI.Host,
		Path: smithyhttp.JoinPath(resolved.URI.Path, "/"), RawPath: smithyhttp.JoinPath(resolved.URI.RawPath, ""),
	}
	if port := e.url.Port(); port != "" && port == map[string]string{"http": "80", "https": "443"}[e.url.Scheme] {
		e.host = e.url.Hostname()
	}
	if err := smithyhttp.ValidateEndpointHost(e.host); err != nil {
		return nil, err
	}
	auth, _ := smithyauth.GetAuthOptions(&resolved.Properties)
	for _, o := range auth {
		if name, ok := smithyhttp.GetSigV4SigningName(&o.SignerProperties); ok {
			e.service = name
		}
		if region, ok := smithyhttp.GetSigV4SigningRegion(&o.SignerProperties); ok {
			e.region = region
		}
	}
	c.endpoint.Store(e)
	return e, nil
}

// address sends a request to the endpoint.
func (e *endpoint) address(req *http.Request) {
	req.URL, req.Host = e.url, e.host
	for name := range e.headers {
		req.Header.Set(name, e.headers.Get(name))
	}
}

// endpointParameters are those of data calls.
func endpointParameters(o *kinesis.Options, account string) kinesis.EndpointParameters {
	params := kinesis.EndpointParameters{
		Region:                aws.String(o.Region),
		UseDualStack:          aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		UseFIPS:               aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		Endpoint:              o.BaseEndpoint,
		AccountIdEndpointMode: aws.String(string(o.AccountIDEndpointMode)),
		OperationType:         aws.String("data"),
	}
	if account != "" && o.AccountIDEndpointMode != aws.AccountIDEndpointModeDisabled {
		params.AccountId = aws.String(account) // part of the host name
	}
	return params
}
