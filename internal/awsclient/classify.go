package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Class says what a failed call means for the records it carried.
type Class uint8

// The classes of failure.
const (
	// Throttled: refused for its rate; nothing was stored, try again later.
	Throttled Class = iota + 1
	// NotSent: no connection was made; nothing was stored, try again later.
	NotSent
	// Ambiguous: a timeout, a cut connection or a server error; the service may
	// have stored the records. Try again, knowing that it may duplicate.
	Ambiguous
	// Fatal: the service refuses and will go on refusing.
	Fatal
	// Cancelled: the caller gave up; what was sent may have been stored.
	Cancelled
)

// Classify returns the class of a call's error and a short code for counters:
// the service's error code where it gave one.
func Classify(err error) (Class, string) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return ClassifyCode(api.ErrorCode(), status(err)), api.ErrorCode()
	}
	var op *net.OpError
	var send *smithyhttp.RequestSendError
	got := status(err)
	switch {
	case errors.As(err, &op) && op.Op == "dial": // before timeouts: dialing has its own
		return NotSent, "ConnectionRefused"
	case errors.Is(err, context.Canceled):
		return Cancelled, "Cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return Ambiguous, "Timeout"
	case errors.As(err, &send), got >= 200 && got < 300: // no answer, or half of one
		return Ambiguous, "ConnectionLost"
	case got >= 500: // without an error code: a gateway on the way
		return Ambiguous, fmt.Sprintf("HTTP%d", got)
	case got > 0:
		return Fatal, fmt.Sprintf("HTTP%d", got)
	}
	return Fatal, "ClientError" // never sent: not signed, not serialized
}

// ClassifyCode sorts the service's error codes, of calls and of the entries of
// PutRecords, which have status 0; anything it calls a client fault and
// that is not about rate is final.
func ClassifyCode(code string, status int) Class {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	_, retryable := retry.DefaultRetryableErrorCodes[code]
	switch {
	case throttled, code == "KMSThrottlingException":
		return Throttled
	case retryable, status >= 500, code == "InternalFailure", code == "InternalFailureException", code == "ServiceUnavailable":
		return Ambiguous
	}
	return Fatal
}

func status(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		return re.Response.StatusCode
	}
	return 0
}

// Explain wraps a control call's error with what was attempted and with advice.
// Failures to reach or to be served become [kload.ErrUnreachable].
func Explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	class, code := Classify(err)
	switch code {
	case "ResourceNotFoundException":
		return unreachable(wrapped, "create the stream first, or set stream.create: true")
	case "ResourceInUseException":
		return unreachable(wrapped, "the name is taken: choose another stream.name, or set stream.create: false to use the stream that is there")
	case "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException", "IncompleteSignatureException":
		return unreachable(wrapped, "the credentials were not accepted: check the key pair, the profile and target.region; 'aws sts get-caller-identity' shows whose they are")
	case "AccessDeniedException":
		return unreachable(wrapped, "the credentials are not allowed to do this: check the identity with 'aws sts get-caller-identity' and its Kinesis permissions")
	case "ExpiredTokenException":
		return unreachable(wrapped, "the credentials have expired: renew them, such as by 'aws sso login', or use a profile that is renewed by itself")
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired":
		return unreachable(wrapped, "the stream is encrypted: check that its KMS key is enabled and that the credentials may use it")
	case "LimitExceededException":
		return unreachable(wrapped, "an account limit is reached: delete unused streams, lower stream.shards, or try again in a minute")
	}
	if class == NotSent || class == Ambiguous || status(err) == http.StatusForbidden {
		return unreachable(wrapped, "check the network, target.region and target.endpoint")
	}
	return wrapped
}
