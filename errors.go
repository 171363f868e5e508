package kload

import "errors"

// Sentinels on which callers decide. They arrive wrapped with the operation.
var (
	// ErrClosed: the ingress, reader or sink was closed before.
	ErrClosed = errors.New("already closed")
	// ErrUnreachable: the target could not be reached or refused to serve
	// (network, credentials, permissions, missing stream).
	ErrUnreachable = errors.New("target unreachable or refused")
	// ErrInvalid: the scenario or the command line cannot be carried out.
	ErrInvalid = errors.New("invalid")
)

// HintError is an error with advice on what to do about it. The command line
// prints the hint under the message.
type HintError struct {
	Err  error
	Hint string
}

// Error returns the message without the hint.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error the hint belongs to.
func (e *HintError) Unwrap() error { return e.Err }

// WithHint attaches advice to err; without advice err stays as it is, and so
// does a nil err.
func WithHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &HintError{Err: err, Hint: hint}
}
