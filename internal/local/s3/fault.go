package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"

	"github.com/kload/kload/internal/sigv4"
)

// fault is an error as S3 states it: a status and, in XML, a code and a message.
type fault struct {
	status        int
	code, message string
}

// Error returns code and message.
func (f *fault) Error() string { return f.code + ": " + f.message }

func refuse(status int, code, format string, args ...any) error {
	return &fault{status, code, fmt.Sprintf(format, args...)}
}

func badRequest(code, format string, args ...any) error {
	return refuse(http.StatusBadRequest, code, format, args...)
}

func notImplemented(what string) error {
	return refuse(http.StatusNotImplemented, "NotImplemented", "This endpoint does not implement %s.", what)
}

func noSuchKey() error {
	return refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
}

func noSuchBucket() error {
	return refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
}

func noSuchUpload() error {
	return refuse(http.StatusNotFound, "NoSuchUpload",
		"The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}

func preconditionFailed() error {
	return refuse(http.StatusPreconditionFailed, "PreconditionFailed",
		"At least one of the pre-conditions you specified did not hold")
}

func incompleteBody(got, want int64) error {
	return badRequest("IncompleteBody", "The request body ended after %d of %d bytes.", got, want)
}

// asFault returns err as S3 would state it. What is not an answer of our own is
// the fault of the disk.
func asFault(err error) *fault {
	var f *fault
	var signature *sigv4.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &signature):
		return signatureFault(signature)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return &fault{http.StatusInsufficientStorage, "InsufficientStorage", "The disk is full or over quota: " + err.Error()}
	case escapes(err):
		return &fault{http.StatusForbidden, "AccessDenied", "The key leads through a symbolic link out of the folder that is served."}
	case errors.Is(err, syscall.ENAMETOOLONG):
		return &fault{http.StatusBadRequest, "KeyTooLongError", "A part of the key between slashes is too long for a file name."}
	case errors.Is(err, fs.ErrNotExist):
		return &fault{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	}
	return &fault{http.StatusInternalServerError, "InternalError", err.Error()}
}

// escapes reports whether os.Root refused to follow a link. Its error has no name.
func escapes(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && strings.Contains(at.Err.Error(), "escapes")
}

// signatureFault words a refused signature as S3 does.
func signatureFault(e *sigv4.Error) *fault {
	forbidden := func(code, message string) *fault { return &fault{http.StatusForbidden, code, message} }
	invalid := func(code string) *fault { return &fault{http.StatusBadRequest, code, e.Message} }
	switch e.Reason {
	case sigv4.Missing:
		return forbidden("AccessDenied", "Access Denied")
	case sigv4.Expired:
		return forbidden("AccessDenied", "Request has expired")
	case sigv4.UnsignedHeaders:
		return forbidden("AccessDenied", "There were headers present in the request which were not signed")
	case sigv4.UnknownKey:
		return forbidden("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	case sigv4.Skewed:
		return forbidden("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	case sigv4.Mismatch:
		return forbidden("SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	case sigv4.BadToken:
		return invalid("InvalidToken")
	case sigv4.TwoSignatures, sigv4.MissingPayloadHash:
		return invalid("InvalidArgument")
	case sigv4.WrongPayload:
		return invalid("XAmzContentSHA256Mismatch")
	}
	return invalid("AuthorizationHeaderMalformed")
}

// write sends the fault. An answer to HEAD, and Not Modified, have no body.
func (f *fault) write(w http.ResponseWriter, r *http.Request, requestID string) {
	if f.status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(f.status)
		return
	}
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: f.code, Message: f.message, Resource: r.URL.Path, RequestID: requestID})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // the client may be gone
}
