package kinesis

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/httpapi"
)

const (
	contentType  = "application/x-amz-json-1.1"
	targetPrefix = "Kinesis_20131202."
)

// request is one call with the memory it works in, which is reused by later
// calls: bodies are large and alike.
type request struct {
	encoding
	server *Server
	now    time.Time
	body   []byte
	out    []byte // the answer's body
	put    putScratch
	spans  []span
	lsn    int64 // of what the call has changed, 0 for nothing

	operation string
	due       time.Time // of the answer
	verdict   faults.Verdict

	w            http.ResponseWriter
	subscription *subscription // what goes on after the answer's beginning
}

// reply appends v as JSON to the answer. Control-plane actions use it.
func (rq *request) reply(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	rq.out = append(rq.out, text...)
	return nil
}

// members parses the body.
func (rq *request) members() (httpapi.Members, error) {
	v, err := rq.parse(rq.body)
	return httpapi.NewMembers(v), err
}

// ServeHTTP answers one call. It judges in the service's order: method, content
// type, syntax, operation, credentials, then the action's own checks: types,
// constraints, meaning.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.ids.Stamp(w.Header())
	if off := s.faults.Offset(); off != 0 {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}
	target := r.Header.Get("X-Amz-Target")
	coding, known := encodingOf(r)
	if !s.reachable(w, r, target, known) {
		return
	}
	if sub := s.answer(w, r, target, coding); sub != nil {
		s.push(w, r, sub)
	}
}

// answer writes the answer, unless it is a subscription, which is returned: that
// goes on for long and must not keep a request's memory.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, target string, coding encoding) *subscription {
	rq, ok := s.requests.Get().(*request)
	if !ok {
		return nil
	}
	rq.w, rq.subscription = w, nil
	rq.due, rq.verdict = time.Time{}, faults.Verdict{}
	defer func() {
		rq.w = nil
		s.requests.Put(rq)
	}()
	rq.out, rq.encoding = rq.out[:0], coding
	err := s.serve(rq, r, target)
	switch {
	case !s.hold(r.Context(), rq.due), errors.Is(err, errCut), rq.verdict.Cut == faults.AfterCommit:
		if rq.subscription != nil {
			rq.subscription.leave()
		}
		sever(r.Context(), http.NewResponseController(w))
		return nil
	case err == nil && rq.subscription != nil:
		rq.subscription.torn = rq.verdict.Cut == faults.MidBody
		return rq.subscription
	}
	status := rq.finish(err)
	h := w.Header()
	h["Content-Type"] = []string{coding.media()}
	h["Content-Length"] = []string{strconv.Itoa(len(rq.out))}
	w.WriteHeader(status)
	if rq.verdict.Cut == faults.MidBody {
		tear(r.Context(), w, rq.out)
		return nil
	}
	_, _ = w.Write(rq.out) // the client may be gone; that is its business
	return nil
}

// reachable answers what the service's front end refuses before it looks at the
// operation, and reports whether the call may go on.
func (s *Server) reachable(w http.ResponseWriter, r *http.Request, target string, known bool) bool {
	switch {
	case r.Method == http.MethodPost && known:
		return true
	case r.Method == http.MethodPost && target != "":
		httpapi.XMLError(w, http.StatusNotFound, "UnknownOperationException", "")
	default:
		httpapi.XMLError(w, http.StatusForbidden, "AccessDeniedException",
			"Unable to determine service/operation name to be authorized")
	}
	return false
}

func (s *Server) serve(rq *request, r *http.Request, target string) (err error) {
	if rq.body, err = httpapi.ReadBody(rq.body, r); err != nil {
		return err
	}
	name, ours := strings.CutPrefix(target, targetPrefix)
	action, known := s.actions[name]
	if !ours || !known {
		if err := rq.check(rq.body); err != nil {
			return err
		}
		return httpapi.Refuse("UnknownOperationException", "")
	}
	action.count.Add(1)
	rq.now = time.Now()
	rq.operation, rq.due = name, rq.now.Add(action.takes.Next())
	if err := s.perform(action, rq, r); err != nil {
		action.errors.Add(1)
		return err
	}
	return nil
}

// perform does what a known operation does, once it may.
func (s *Server) perform(a *action, rq *request, r *http.Request) error {
	if err := s.authenticate(rq, r); err != nil {
		return err
	}
	if err := s.pace(rq.operation, a, rq); err != nil {
		return err
	}
	if err := rq.judgeControl(); err != nil {
		return err
	}
	rq.lsn = 0
	if err := a.handle(s, rq); err != nil {
		return err
	}
	if a.rate > 0 {
		return s.confirm(rq)
	}
	return nil
}

// asError makes any error an answer. What is not a refusal is the server's own
// fault and is not explained to the client.
func asError(err error) *httpapi.Error {
	if refusal, ok := errors.AsType[*httpapi.Error](err); ok {
		return refusal
	}
	return &httpapi.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "Internal Service Failure"}
}
