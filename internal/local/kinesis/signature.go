package kinesis

import (
	"errors"
	"net/http"

	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/sigv4"
)

// authenticate checks a call's signature where the server has keys. What cannot
// be parsed is refused as such first, as the service does.
func (s *Server) authenticate(rq *request, r *http.Request) error {
	if s.cfg.Verifier == nil {
		return nil
	}
	_, err := s.cfg.Verifier.VerifyBody(r, rq.body, rq.now)
	refusal, refused := errors.AsType[*sigv4.Error](err)
	if !refused {
		return err
	}
	if err := rq.check(rq.body); err != nil {
		return err
	}
	return httpapi.Refuse(signatureCode(refusal.Reason), "%s%s", refusal.Message, workedOut(refusal))
}

func signatureCode(why sigv4.Reason) string {
	switch why {
	case sigv4.Missing:
		return "MissingAuthenticationTokenException"
	case sigv4.Malformed:
		return "IncompleteSignatureException"
	case sigv4.UnknownKey, sigv4.BadToken:
		return "UnrecognizedClientException"
	}
	return "InvalidSignatureException"
}

// workedOut shows what the service shows to those who write signers.
func workedOut(e *sigv4.Error) string {
	if e.Reason != sigv4.Mismatch {
		return ""
	}
	return "\n\nThe Canonical String for this request should have been\n'" + e.CanonicalRequest +
		"'\n\nThe String-to-Sign should have been\n'" + e.StringToSign + "'\n"
}
