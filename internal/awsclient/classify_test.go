package awsclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/memnet"
)

// TestClassifyServiceErrors takes every error code of the service through the
// real SDK.
func TestClassifyServiceErrors(t *testing.T) {
	const unreachable, plain = true, false
	tests := []struct {
		status      int
		codes       string
		want        awsclient.Class
		unreachable bool // once explained
		hint        string
	}{
		{400, "ProvisionedThroughputExceededException ThrottlingException Throttling RequestLimitExceeded KMSThrottlingException", awsclient.Throttled, plain, ""},
		{503, "SlowDown", awsclient.Throttled, plain, ""},
		{400, "LimitExceededException", awsclient.Throttled, unreachable, "account limit"},
		{500, "InternalFailure InternalServerError", awsclient.Ambiguous, unreachable, "network"},
		{503, "ServiceUnavailable", awsclient.Ambiguous, unreachable, "network"},
		{400, "RequestTimeout RequestTimeoutException", awsclient.Ambiguous, unreachable, "network"},
		{400, "ResourceNotFoundException", awsclient.Fatal, unreachable, "create the stream"},
		{400, "ResourceInUseException", awsclient.Fatal, unreachable, "stream.name"},
		{
			400, "UnrecognizedClientException InvalidSignatureException MissingAuthenticationTokenException IncompleteSignatureException",
			awsclient.Fatal, unreachable, "key pair",
		},
		{400, "AccessDeniedException", awsclient.Fatal, unreachable, "permissions"},
		{400, "ExpiredTokenException", awsclient.Fatal, unreachable, "have expired"},
		{
			400, "KMSAccessDeniedException KMSDisabledException KMSInvalidStateException KMSNotFoundException KMSOptInRequired",
			awsclient.Fatal, unreachable, "KMS key",
		},
		{
			400, "ExpiredIteratorException ExpiredNextTokenException InvalidArgumentException ValidationException SerializationException " +
				"DryRunOperationException UnknownOperationException", awsclient.Fatal, plain, "",
		},
	}
	for _, tc := range tests {
		for code := range strings.FieldsSeq(tc.codes) {
			t.Run(code, func(t *testing.T) {
				against(t, refusal(tc.status, code), func(t *testing.T, c *awsclient.Client) {
					_, err := put(t, c, "x")
					check(t, err, tc.want, code)
					checkExplained(t, err, tc.unreachable, tc.hint)
				})
			})
		}
	}
	if awsclient.Explain(nil, "doing nothing") != nil {
		t.Error("success was explained")
	}
}

func check(t *testing.T, err error, want awsclient.Class, code string) {
	t.Helper()
	if class, got := awsclient.Classify(err); class != want || got != code {
		t.Errorf("class %d, code %s; want %d, %s: %v", class, got, want, code, err)
	}
}

func checkExplained(t *testing.T, err error, unreachable bool, hint string) {
	t.Helper()
	explained := awsclient.Explain(err, "putting records")
	if got := errors.Is(explained, kload.ErrUnreachable); got != unreachable {
		t.Errorf("unreachable: %v, want %v: %v", got, unreachable, explained)
	}
	if !errors.Is(explained, err) || !strings.Contains(explained.Error(), "putting records: ") {
		t.Errorf("%v does not say what failed", explained)
	}
	got := ""
	if h, ok := errors.AsType[*kload.HintError](explained); ok {
		got = h.Hint
	}
	if (got == "") != (hint == "") || !strings.Contains(got, hint) {
		t.Errorf("hint %q, want one about %q", got, hint)
	}
}

// TestClassifyBareAnswers has something other than the service answer.
func TestClassifyBareAnswers(t *testing.T) {
	const xml = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
	tests := []struct {
		name        string
		serve       http.HandlerFunc
		want        awsclient.Class
		code        string
		unreachable bool
	}{
		{"XML 403", answer(403, "application/xml", xml, nil), awsclient.Fatal, "HTTP403", true},
		{"too large", answer(413, "text/html", "<html>413</html>", nil), awsclient.Fatal, "HTTP413", false},
		{"unknown operation", answer(404, "application/xml", "<UnknownOperationException/>\n", nil), awsclient.Fatal, "HTTP404", false},
		{"gateway", answer(502, "text/html", "<html>502</html>", nil), awsclient.Ambiguous, "HTTP502", true},
		{"half an answer", cut("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 100\r\n\r\n{\"Failed"), awsclient.Ambiguous, "ConnectionLost", true},
		{"half a header", cut("HTTP/1.1 200 OK\r\nContent-"), awsclient.Ambiguous, "ConnectionLost", true},
		{"no answer", cut(""), awsclient.Ambiguous, "ConnectionLost", true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			against(t, tc.serve, func(t *testing.T, c *awsclient.Client) {
				_, err := put(t, c, "x")
				check(t, err, tc.want, tc.code)
				hint := ""
				if tc.unreachable {
					hint = "network"
				}
				checkExplained(t, err, tc.unreachable, hint)
				if c.Attempts() != 1 {
					t.Errorf("%d attempts", c.Attempts())
				}
			})
		})
	}
}

// cut writes raw bytes instead of an answer and closes the connection.
func cut(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		buf := bufio.NewWriter(conn)
		_, _ = buf.WriteString(raw)
		_ = buf.Flush()
		conn.Close()
	}
}

func TestClassifyCallerGaveUp(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
		<-r.Context().Done()
	}
	against(t, hang, func(t *testing.T, c *awsclient.Client) {
		in := &kinesis.GetRecordsInput{ShardIterator: new("x")}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Data.GetRecords(ctx, in)
		check(t, err, awsclient.Ambiguous, "Timeout")
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = c.Data.GetRecords(ctx, in)
		check(t, err, awsclient.Cancelled, "Cancelled")
		checkExplained(t, err, false, "")
	})
}

func TestClassifyNothingWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		l.Close()
		c := newClient(t, l)
		_, err := put(t, c, "x")
		check(t, err, awsclient.NotSent, "ConnectionRefused")
		checkExplained(t, err, true, "network")
		_, err = c.Data.GetRecords(t.Context(), &kinesis.GetRecordsInput{})
		check(t, err, awsclient.Fatal, "ClientError") // required member missing
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := ln.Addr().String()
	ln.Close()
	slow := &net.Dialer{Timeout: time.Nanosecond}
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"refused":      nil,
		"dialing slow": slow.DialContext,
	} {
		c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: "http://" + free, Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		_, err = put(t, c, "x")
		if class, _ := awsclient.Classify(err); class != awsclient.NotSent {
			t.Errorf("%s: class %d: %v", name, class, err)
		}
	}
	if class, code := awsclient.Classify(fmt.Errorf("wrapped: %w", context.Canceled)); class != awsclient.Cancelled || code != "Cancelled" {
		t.Errorf("a bare cancellation is %d, %s", class, code)
	}
}
