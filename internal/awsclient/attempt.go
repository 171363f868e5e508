package awsclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyauth "github.com/aws/smithy-go/auth"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kload/kload/internal/awscbor/protocol"
	"github.com/kload/kload/internal/sigv4"
)

// attempt makes the one attempt of a call: it asks for credentials, addresses and
// signs the request. It does what these of the SDK's finalizers do for a client
// that does not retry: Retry, ResolveAuthScheme, GetIdentity, ResolveEndpointV2,
// ComputePayloadHash and Signing. It is for one call at a time.
type attempt struct {
	caller *Caller
	signer sigv4.Signer
}

// ID names the middleware.
func (*attempt) ID() string { return "kload.Attempt" }

// HandleFinalize is of [middleware.FinalizeMiddleware].
func (a *attempt) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	if err := ctx.Err(); err != nil {
		return out, metadata, err
	}
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("unknown transport type %T", in.Request)
	}
	if err := a.prepare(ctx, req); err != nil {
		return out, metadata, err
	}
	out, metadata, err = next.HandleFinalize(ctx, in)
	// A clock that is wrong spoils this call at most: the next one is signed for the
	// service's.
	if skew, ok := awsmiddleware.GetAttemptSkew(metadata); ok && !a.caller.options.DisableClockSkewCorrection {
		a.caller.skew.Store(int64(skew))
	}
	return out, metadata, err
}

func (a *attempt) prepare(ctx context.Context, req *smithyhttp.Request) error {
	creds, err := a.caller.options.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("get identity: get credentials: %w", err)
	}
	to, err := a.caller.endpointFor(ctx, creds.AccountID)
	if err != nil {
		return fmt.Errorf("failed to resolve service endpoint, %w", err)
	}
	to.address(req.Request)
	req.Header["Amz-Sdk-Request"] = []string{"attempt=1; max=1"}
	hash, err := payloadHash(ctx, req)
	if err != nil {
		return fmt.Errorf("failed to compute payload hash, %w", err)
	}
	a.signer.Sign(req.Request, sigv4.Key{ID: creds.AccessKeyID, Secret: creds.SecretAccessKey, Token: creds.SessionToken},
		hash, to.region, to.service, time.Now().Add(time.Duration(a.caller.skew.Load())))
	return nil
}

// payloadHash returns the digest of the request's body, which is in memory.
func payloadHash(ctx context.Context, req *smithyhttp.Request) (string, error) {
	if b := protocol.BodyOf(ctx); b != nil {
		return b.Digest(), nil
	}
	h := sha256.New()
	if stream := req.GetStream(); stream != nil {
		if _, err := io.Copy(h, stream); err != nil {
			return "", err
		}
		if err := req.RewindStream(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// endpoint is where requests with credentials of an account go, and for what they
// are signed.
type endpoint struct {
	account         string
	url             url.URL
	host            string // for the header, "" for the URL's
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
		return nil, err
	}
	e := &endpoint{account: account, url: resolved.URI, headers: resolved.Headers, region: c.options.Region, service: "kinesis"}
	if port := e.url.Port(); port != "" && port == map[string]string{"http": "80", "https": "443"}[e.url.Scheme] {
		e.host = strings.TrimSuffix(e.url.Host, ":"+port)
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
	req.URL.Scheme, req.URL.Host = e.url.Scheme, e.url.Host
	req.URL.Path = smithyhttp.JoinPath(e.url.Path, req.URL.Path)
	req.URL.RawPath = smithyhttp.JoinPath(e.url.RawPath, req.URL.RawPath)
	if e.host != "" {
		req.Host = e.host
	}
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
