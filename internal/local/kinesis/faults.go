package kinesis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/local/latency"
)

// Operations returns the names of the operations served, sorted.
func Operations() []string { return slices.Sorted(maps.Keys(actions())) }

// Inject puts a fault into force and returns its number. A fault that cannot be
// judged is refused with [kload.ErrInvalid].
func (s *Server) Inject(f faults.Fault) (int, error) {
	for _, issue := range f.Check(Operations()) {
		return 0, kload.WithHint(fmt.Errorf("%w fault: %s: %s", kload.ErrInvalid, issue.Field, issue.Msg), issue.Hint)
	}
	return s.faults.Add(f), nil
}

// Lift ends a fault and returns what it has done.
func (s *Server) Lift(id int) (faults.Effect, error) {
	e, ok := s.faults.Lift(id)
	if !ok {
		return e, fmt.Errorf("%w: no fault %d is in force", kload.ErrInvalid, id)
	}
	return e, nil
}

// Control has f judge the calls of an operation, of all of them for "", until f
// has had a say and does not ask to be kept, or until the returned function is
// called.
//
// A call is judged when it is known to be right and before it has an effect: a
// malformed one is refused for that. Of SubscribeToShard each event is judged too.
func (s *Server) Control(operation string, f faults.Func) (remove func()) {
	return s.faults.Control(operation, f)
}

// errCut says that the connection is to be cut instead of answering.
var errCut = errors.New("cutting the connection on purpose")

// judge has a call judged that would succeed: about is a shard if the call
// concerns a single one.
func (rq *request) judge(st *stream, about *shardLog) error {
	if !rq.server.faults.Active() {
		return nil
	}
	c := faults.Call{Operation: rq.operation, Stream: st.name}
	if about != nil {
		c.Shard = about.id
	}
	return rq.sentence(c)
}

// judgePut is judge for a put whose records are routed.
func (rq *request) judgePut(st *stream) error {
	if !rq.server.faults.Active() {
		return nil
	}
	var about *shardLog
	if rq.operation == "PutRecord" {
		about = st.layout.Load().locate(rq.put.entries[0].hash)
	}
	return rq.judge(st, about)
}

// judgeControl is judge for an operation of the control plane, of which only the
// stream is known.
func (rq *request) judgeControl() error {
	s := rq.server
	if !s.faults.Active() || latency.Class(rq.operation) != "control" {
		return nil
	}
	return rq.sentence(faults.Call{Operation: rq.operation, Stream: s.streamNamed(rq)})
}

func (rq *request) sentence(c faults.Call) error {
	v := rq.server.faults.Judge(c)
	rq.verdict = v
	rq.due = rq.due.Add(v.Delay)
	switch {
	case v.Cut == faults.BeforeCommit:
		return errCut
	case v.Error != "":
		return rq.server.refusal(v.Error, c, rq.now)
	}
	return nil
}

// refusal words an injected error like one of the service's own.
func (s *Server) refusal(code string, c faults.Call, now time.Time) *httpapi.Error {
	e := &httpapi.Error{Status: faults.Status(code), Code: code}
	account := s.cfg.Account
	switch shard := orDefault(c.Shard, shardID(0)); code {
	case "ProvisionedThroughputExceededException":
		e.Message = fmt.Sprintf("Rate exceeded for shard %s in stream %s under account %s.", shard, c.Stream, account)
		if latency.Class(c.Operation) == "get" {
			e.Message = fmt.Sprintf("Rate exceeded for Shard - %s/%s/%s", account, c.Stream, shard)
		}
	case "LimitExceededException":
		e.Message = fmt.Sprintf("Rate exceeded for stream %s under account %s.", c.Stream, account)
	case "ExpiredIteratorException":
		e.Message = expired(now.Add(-s.cfg.IteratorTTL-time.Second), now, s.cfg.IteratorTTL)
	case "InternalFailure":
		e.Message = "Internal Service Failure"
	default:
		e.Message = code + " was injected into the embedded target."
	}
	return e
}

func orDefault(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

// spoil marks the records of a put that are refused one by one. They are not
// stored, whatever their shard's budget allows.
func (rq *request) spoil(st *stream) {
	l := st.layout.Load()
	for i := range rq.put.entries {
		e := &rq.put.entries[i]
		switch rq.verdict.Record(l.locate(e.hash).id) {
		case "":
		case "ProvisionedThroughputExceededException":
			e.spoiled = fateThrottled
		default:
			e.spoiled = fateFailed
		}
	}
}

// sever closes the connection of a call without a word. On HTTP/2 it resets the
// stream, and waits until that is done: an answer would be made up otherwise.
func sever(ctx context.Context, c *http.ResponseController) {
	if conn, _, err := c.Hijack(); err == nil {
		conn.Close()
		return
	}
	if c.SetWriteDeadline(time.Unix(1, 0)) == nil {
		<-ctx.Done()
	}
}

// tear sends half of an answer whose length was announced, and severs.
func tear(ctx context.Context, w http.ResponseWriter, body []byte) {
	c := http.NewResponseController(w)
	_, _ = w.Write(body[:len(body)/2]) // the client may be gone; that is its business
	_ = c.Flush()
	sever(ctx, c)
}
