package awsclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// TestCallerKnowsTheStack lists the middlewares of a call. For those of Initialize a
// caller runs them; what the others do, it does itself or has learnt: see what is new
// there when this fails with a new version of the SDK.
func TestCallerKnowsTheStack(t *testing.T) {
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	stop := errors.New("stop")
	_, err = getRecords(t.Context(), c.Over(awsclient.CBOR).Client, "i", func(o *kinesis.Options) {
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			got = [][]string{s.Serialize.List(), s.Build.List(), s.Finalize.List(), s.Deserialize.List()}
			return stop
		})
	})
	want := [][]string{
		{"setOperationInput", "ResolveEndpoint", "OperationSerializer"},
		{"ClientRequestID", "UserAgent", "RecursionDetection"},
		{
			"kload.DigestBody", "InterceptBeforeRetryLoop", "Retry", "InterceptAttempt", "ResolveAuthScheme", "GetIdentity", "ResolveEndpointV2",
			"disableHTTPS", "ComputePayloadHash", "setLegacyContextSigningOptions", "Signing",
		},
		{"AddRawResponseToMetadata", "ResponseErrorWrapper", "RequestIDRetriever", "OperationDeserializer", "RecordResponseTiming", "RequestResponseLogger"},
	}
	if d := cmp.Diff(want, got); d != "" || !errors.Is(err, stop) {
		t.Errorf("%v, -want +got\n%s", err, d)
	}
}

// chain names the types of the errors that an error wraps.
func chain(err error) (names []string) {
	for ; err != nil; err = errors.Unwrap(err) {
		names = append(names, fmt.Sprintf("%T", err))
	}
	return names
}

func halfCut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "\xbf")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // from then on the context knows of the connection
	<-r.Context().Done()
}

func halfSilent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "100")
	_ = http.NewResponseController(w).Flush()
	silent(w, r)
}

// TestCallerAnswers gets all kinds of answers, through a client of the SDK and
// through a caller, in both wires: outputs are equal, errors in words, in the types
// they consist of and in their class. Then the caller works again.
func TestCallerAnswers(t *testing.T) {
	const json, missing, late = "application/x-amz-json-1.1", "-", time.Hour
	behind := awscbor.AppendInt(awscbor.AppendText(awscbor.AppendMap(nil, 1), "MillisBehindLatest"), 5)
	for _, tc := range []struct {
		name     string
		after    time.Duration // the context is cancelled, 0 for never; from late on, at a deadline
		iterator string
		handler  http.HandlerFunc
		code     string // "" for success
	}{
		{"an answer in CBOR", 0, "i", answer(200, awscbor.Media, string(behind), nil), "*"},
		{"an answer in JSON", 0, "i", answer(200, json, `{"MillisBehindLatest":5,"Records":[{"Data":"aGk="}]}`, nil), ""},
		{"another status of success", 0, "i", answer(201, json, `{"MillisBehindLatest":5}`, nil), ""},
		{"nothing", 0, "i", answer(200, awscbor.Media, "", nil), ""},
		{"nothing, of no type", 0, "i", answer(200, "", "", nil), ""},
		{"no content", 0, "i", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ""},
		{"a page", 0, "i", answer(200, "text/html", "<html>", nil), "ConnectionLost"},
		{"expired", 0, "i", refusal(400, "ExpiredIteratorException"), "ExpiredIteratorException"},
		{"throttled", 0, "i", refusal(400, "ProvisionedThroughputExceededException"), "ProvisionedThroughputExceededException"},
		{"forbidden", 0, "i", refusal(403, "InvalidSignatureException"), "InvalidSignatureException"},
		{"internal", 0, "i", refusal(500, "InternalFailure"), "InternalFailure"},
		{"a page of a failure", 0, "i", answer(500, "text/html", "<html>", nil), "HTTP500"},
		{"a gateway", 0, "i", answer(502, "text/html", "<html>", nil), "HTTP502"},
		{"redirected", 0, "i", answer(307, "text/html", "<a>", nil), "HTTP307"},
		{"not CBOR", 0, "i", answer(200, awscbor.Media, "\xff", nil), "ConnectionLost"},
		{"cut", 0, "i", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ConnectionLost"},
		{"cut in the answer", 0, "i", halfCut, "ConnectionLost"},
		{"cancelled before", -1, "i", nil, "Cancelled"},
		{"cancelled while waiting", time.Second, "i", silent, "Cancelled"},
		{"cancelled while reading", time.Second, "i", halfSilent, "Cancelled"},
		{"late before", late, "i", nil, "Timeout"},
		{"late while waiting", late + time.Second, "i", silent, "Timeout"},
		{"late while reading", late + time.Second, "i", halfSilent, "Timeout"},
		{"invalid", 0, missing, nil, "ClientError"},
	} {
		for _, wire := range []awsclient.Wire{awsclient.CBOR, awsclient.JSON} {
			t.Run(tc.name+" "+string(wire), func(t *testing.T) {
				handler := tc.handler
				against(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Amzn-Requestid", "the-request")
					handler(w, r)
				}, func(t *testing.T, c *awsclient.Client) {
					in := &kinesis.GetRecordsInput{ShardIterator: aws.String(tc.iterator)}
					if tc.iterator == missing {
						in.ShardIterator = nil
					}
					call := func(api dataAPI) (*kinesis.GetRecordsOutput, error) {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						switch {
						case tc.after >= late:
							ctx, cancel = context.WithTimeout(ctx, tc.after-late)
							defer cancel()
						case tc.after < 0:
							cancel()
						case tc.after > 0:
							defer time.AfterFunc(tc.after, cancel).Stop()
						}
						return api.GetRecords(ctx, in)
					}
					caller := c.Over(wire)
					read, theirs := call(caller.Client)
					attempts := c.Attempts()
					out, ours := call(caller)
					if d := cmp.Diff(read, out, cmpopts.IgnoreTypes(middleware.Metadata{}),
						cmpopts.IgnoreUnexported(kinesis.GetRecordsOutput{}, types.Record{})); d != "" {
						t.Errorf("-SDK +caller\n%s", d)
					}
					if d := cmp.Diff(chain(theirs), chain(ours)); d != "" || fmt.Sprint(ours) != fmt.Sprint(theirs) || c.Attempts() != 2*attempts {
						t.Errorf("%v\nSDK: %v\n%s%d attempts, %d in all", ours, theirs, d, attempts, c.Attempts())
					}
					if ours != nil && theirs != nil {
						class, code := awsclient.Classify(ours)
						if theirClass, theirCode := awsclient.Classify(theirs); class != theirClass || code != theirCode || tc.code != "*" && code != tc.code {
							t.Errorf("%d %s, SDK: %d %s, want %s", class, code, theirClass, theirCode, tc.code)
						}
					} else if tc.code != "" && tc.code != "*" {
						t.Errorf("no error, want %s", tc.code)
					}
					handler = answer(200, json, "{}", nil)
					if _, err := getRecords(t.Context(), caller, "i"); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestCallerReuses keeps the connection, whatever is answered and however much of it.
func TestCallerReuses(t *testing.T) {
	const json = "application/x-amz-json-1.1"
	behind, empty := strings.Repeat(" ", 300<<10), string(awscbor.AppendMap(nil, 0))
	for name, handler := range map[string]http.HandlerFunc{
		"CBOR": answer(200, awscbor.Media, empty, nil), "CBOR and more": answer(200, awscbor.Media, empty+behind, nil),
		"JSON": answer(200, json, "{}", nil), "JSON and more": answer(200, json, "{}"+behind, nil),
		"a page": answer(200, "text/html", behind, nil), "elsewhere": answer(307, "text/html", behind, nil),
		"a refusal in CBOR": answer(400, awscbor.Media, behind, nil), "a failure in JSON": answer(500, json, `{"__type":"x"}`+behind, nil),
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
	} {
		synctest.Test(t, func(t *testing.T) {
			l, stop := memnet.Serve(handler)
			defer stop()
			dials := 0
			c, err := awsclient.New(t.Context(), awsclient.Options{
				Local: true, Endpoint: "http://kinesis.local", Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					dials++
					return l.Dial(ctx, network, addr)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, wire := range []awsclient.Wire{awsclient.CBOR, awsclient.JSON} {
				for range 2 {
					_, _ = getRecords(t.Context(), c.Over(wire), "i") // some fail, as they should
					synctest.Wait()
				}
			}
			if dials != 1 || c.Attempts() != 4 {
				t.Errorf("%s: %d connections for %d requests", name, dials, c.Attempts())
			}
		})
	}
}

// TestCallersErrors names the operation that was refused as the SDK does.
func TestCallersErrors(t *testing.T) {
	against(t, refusal(400, "ResourceNotFoundException"), func(t *testing.T, c *awsclient.Client) {
		caller := c.Over(awsclient.CBOR)
		for _, call := range dataCalls {
			theirs, ours := call(t.Context(), caller.Client), call(t.Context(), caller)
			if d := cmp.Diff(chain(theirs), chain(ours)); d != "" || ours == nil || ours.Error() != theirs.Error() {
				t.Errorf("%v\nSDK: %v\n%s", ours, theirs, d)
			}
		}
	})
}

// rotating are credentials that are others each time.
type rotating struct{ n *atomic.Int64 }

func (r rotating) Retrieve(context.Context) (aws.Credentials, error) {
	n := strconv.FormatInt(r.n.Add(1), 10)
	creds := aws.Credentials{AccessKeyID: "K" + n, SecretAccessKey: "S" + n, AccountID: "00000000000" + n}
	if n != "2" {
		creds.SessionToken = "T" + n
	}
	if n == "4" {
		return aws.Credentials{}, errors.New("no more")
	}
	return creds, nil
}

// TestCallerRotates signs each call with the credentials of the moment.
func TestCallerRotates(t *testing.T) {
	keys := sigv4.New(sigv4.Key{ID: "K1", Secret: "S1", Token: "T1"}, sigv4.Key{ID: "K2", Secret: "S2"}, sigv4.Key{ID: "K3", Secret: "S3", Token: "T3"})
	var got []request
	against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id, err := keys.VerifyBody(r, body, time.Now())
		if err != nil {
			t.Error(err)
		}
		got = append(got, request{id.AccessKey, http.Header{"Token": r.Header["X-Amz-Security-Token"]}, string(body)})
		answer(200, "application/x-amz-json-1.1", "{}", nil)(w, r)
	}, func(t *testing.T, c *awsclient.Client) {
		for _, wire := range []awsclient.Wire{awsclient.CBOR, awsclient.JSON} {
			got = nil
			from, r := c.Over(wire).Options(), rotating{new(atomic.Int64)}
			caller := awsclient.NewCaller(kinesis.New(from, func(o *kinesis.Options) { o.Protocol, o.Credentials = from.Protocol, r }))
			var last []string
			for _, api := range []dataAPI{caller.Client, caller} {
				r.n.Store(0)
				for i := range 4 {
					if _, err := getRecords(t.Context(), api, "i"); err != nil && i < 3 {
						t.Fatal(err)
					} else if i == 3 {
						last = append(last, fmt.Sprint(err))
					}
				}
			}
			if len(got) != 6 || last[0] != last[1] {
				t.Fatalf("%d requests, %q", len(got), last)
			}
			if d := cmp.Diff(got[:3], got[3:]); d != "" || got[5].Path != "K3" {
				t.Errorf("%s: -SDK +caller\n%s", wire, d)
			}
		}
	})
}

// TestCallerInLambda tells the service of the invocation that it works for, which
// is another one each time.
func TestCallerInLambda(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
	got := ""
	against(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Amzn-Trace-Id")
		echo(w, r)
	}, func(t *testing.T, c *awsclient.Client) {
		for _, trace := range []string{"Root=1", "Root=2"} {
			t.Setenv("_X_AMZN_TRACE_ID", trace)
			if _, err := getRecords(t.Context(), c.Over(awsclient.CBOR), "i"); err != nil || got != trace {
				t.Errorf("%v, trace %q, want %q", err, got, trace)
			}
		}
	})
}
