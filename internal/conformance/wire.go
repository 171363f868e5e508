package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

const (
	jsonType = "application/x-amz-json-1.1"
	cborType = "application/x-amz-cbor-1.1"
	target   = "Kinesis_20131202."

	perCall = time.Minute
)

// wire speaks to the endpoint without an SDK in between. It is safe for
// concurrent use.
type wire struct {
	url, region string
	creds       aws.CredentialsProvider
	http1       *http.Client
	http2       *http.Client
}

func newWire(ctx context.Context, o kinesis.Options, dial func(context.Context, string, string) (net.Conn, error)) (*wire, error) {
	w := &wire{region: o.Region, creds: o.Credentials}
	params := kinesis.EndpointParameters{Region: aws.String(o.Region), Endpoint: o.BaseEndpoint}
	ep, err := o.EndpointResolverV2.ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("finding the endpoint: %w", err)
	}
	w.url = strings.TrimSuffix(ep.URI.String(), "/")
	w.http1 = newHTTP(dial, false)
	w.http2 = newHTTP(dial, true)
	return w, nil
}

func newHTTP(dial func(context.Context, string, string) (net.Conn, error), h2 bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	p.SetUnencryptedHTTP2(h2)
	proxy := http.ProxyFromEnvironment
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	} else {
		proxy = nil
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, Protocols: p, MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second, // some servers close after 5
			TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, Proxy: proxy,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w *wire) close() {
	w.http1.CloseIdleConnections()
	w.http2.CloseIdleConnections()
}

// shape is how a request differs from an ordinary one.
type shape struct {
	method, path, media, region string
	unsigned, http2, foreign    bool // foreign: signed with credentials nobody knows
}

// post makes a call in JSON.
func (w *wire) post(ctx context.Context, op string, in obj) answer {
	body, err := json.Marshal(in)
	if err != nil {
		return answer{err: err}
	}
	return w.send(ctx, op, body, shape{})
}

// send makes a call of any shape and reads the answer whole.
func (w *wire) send(ctx context.Context, op string, body []byte, s shape) answer {
	ctx, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	resp, err := w.open(ctx, op, body, s)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, a.err = io.ReadAll(resp.Body); a.err == nil {
		a.decode()
	}
	return a
}

// open makes a call and leaves the body to be read.
func (w *wire) open(ctx context.Context, op string, body []byte, s shape) (*http.Response, error) {
	method, media := s.method, s.media
	if method == "" {
		method = http.MethodPost
	}
	if media == "" {
		media = jsonType
	}
	req, err := http.NewRequestWithContext(ctx, method, w.url+"/"+s.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if op != "" {
		req.Header.Set("X-Amz-Target", target+op)
		req.Header.Set("Content-Type", media)
	}
	if err := w.sign(ctx, req, body, s); err != nil {
		return nil, err
	}
	client := w.http1
	if s.http2 {
		client = w.http2
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sending %s: %w", op, err)
	}
	return resp, nil
}

func (w *wire) sign(ctx context.Context, req *http.Request, body []byte, s shape) error {
	if s.unsigned {
		return nil
	}
	creds, err := w.creds.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("finding credentials: %w", err)
	}
	if s.foreign {
		creds = aws.Credentials{AccessKeyID: "AKIDFOREIGN", SecretAccessKey: "foreign"}
	}
	region := w.region
	if s.region != "" {
		region = s.region
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), "kinesis", region, time.Now()); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return nil
}
