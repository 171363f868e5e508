package sigv4

import "fmt"

// Reason is why a request is refused.
type Reason int

// The reasons, with the codes that AWS JSON services and S3 give for them.
const (
	// Missing: the request is not signed. MissingAuthenticationTokenException;
	// AccessDenied.
	Missing Reason = iota + 1
	// Malformed: the signature lacks something or cannot be parsed.
	// IncompleteSignatureException; AuthorizationHeaderMalformed or
	// AuthorizationQueryParametersError.
	Malformed
	// TwoSignatures: there is one in the header and one in the query.
	// InvalidSignatureException; InvalidArgument.
	TwoSignatures
	// UnknownKey: nobody has this access key. UnrecognizedClientException;
	// InvalidAccessKeyId.
	UnknownKey
	// BadToken: the session token is missing or not the key's.
	// UnrecognizedClientException; InvalidToken.
	BadToken
	// WrongScope: signed for another region, service or day.
	// InvalidSignatureException; AuthorizationHeaderMalformed.
	WrongScope
	// Skewed: signed too long ago, or in the future. InvalidSignatureException;
	// RequestTimeTooSkewed.
	Skewed
	// Expired: a presigned request is used after its life.
	// InvalidSignatureException; AccessDenied with "Request has expired".
	Expired
	// UnsignedHeaders: headers that matter are not covered by the signature.
	// InvalidSignatureException; AccessDenied.
	UnsignedHeaders
	// MissingPayloadHash: X-Amz-Content-Sha256 is missing or makes no sense.
	// InvalidSignatureException; MissingContentSHA256 or InvalidArgument.
	MissingPayloadHash
	// WrongPayload: the body is not the one that was signed.
	// InvalidSignatureException; XAmzContentSHA256Mismatch.
	WrongPayload
	// Mismatch: the signature is not the one worked out here.
	// InvalidSignatureException; SignatureDoesNotMatch.
	Mismatch
)

const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

// Error is why a request is refused. It holds no secret.
type Error struct {
	Reason  Reason
	Message string // as AWS JSON services word it
	// CanonicalRequest and StringToSign are what the server worked out, for
	// Mismatch only: services show them to those who write signers.
	CanonicalRequest, StringToSign string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func refuse(why Reason, format string, args ...any) *Error {
	return &Error{Reason: why, Message: fmt.Sprintf(format, args...)}
}
