package kinesis

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/httpapi"
)

const (
	maxEventRecords = 10000
	maxEventBytes   = 1 << 20
	idleEvent       = 5 * time.Second // between events without records; the service's own is not published
	lastWord        = time.Second     // for a client that does not read to take what ends its stream
)

// subscription is one answer to SubscribeToShard under way. It belongs to the
// goroutine that serves the call; others may wake and cut it. It keeps a
// position and no records: a reader that takes its time costs one event.
type subscription struct {
	consumer *consumer
	shard    *shardLog
	lane     *lane
	next     uint64 // counter of the next record to push
	until    time.Time
	spans    []span
	frames   int  // events begun
	torn     bool // its beginning is to break off

	wake chan struct{} // holds a token when there may be records
	stop chan struct{} // closed by cut

	mu     sync.Mutex
	conn   *http.ResponseController // nil when the call has returned
	reason *httpapi.Error           // why it was cut, nil for a plain end
	isCut  bool
}

// cut ends the subscription from outside, with an exception in the stream
// unless reason is nil. Only the first cut counts.
func (sub *subscription) cut(reason *httpapi.Error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.isCut {
		return
	}
	sub.isCut, sub.reason = true, reason
	close(sub.stop)
	if sub.conn != nil { // it may be waiting for a client that does not read
		_ = sub.conn.SetWriteDeadline(time.Now().Add(lastWord))
	}
}

// leave gives up the lane and the shard.
func (sub *subscription) leave() {
	sub.mu.Lock()
	sub.conn = nil
	sub.mu.Unlock()
	sub.consumer.mu.Lock()
	if sub.lane.holder == sub {
		sub.lane.holder = nil
	}
	sub.consumer.mu.Unlock()
	sub.shard.mu.Lock()
	delete(sub.shard.watchers, sub)
	sub.shard.mu.Unlock()
}

// EndSubscriptions ends every SubscribeToShard under way and any further one:
// an HTTP server that shuts down gracefully would wait minutes for them.
func (s *Server) EndSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		close(s.leaving)
	}
	s.draining = true
	for _, st := range s.streams {
		for _, c := range st.consumers {
			c.mu.Lock()
			for _, l := range c.lanes {
				if l.holder != nil {
					l.holder.cut(nil)
				}
			}
			c.mu.Unlock()
		}
	}
}

// push serves a subscription until it ends or the client goes.
func (s *Server) push(w http.ResponseWriter, r *http.Request, sub *subscription) {
	defer sub.leave()
	sub.watch()
	// The server's timeouts are for calls with an end in sight.
	_ = sub.conn.SetReadDeadline(time.Time{})
	_ = sub.conn.SetWriteDeadline(sub.until.Add(lastWord))
	h := w.Header()
	h["Content-Type"] = []string{eventStreamType}
	if r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"} // its deadlines are not for calls to come
	}
	w.WriteHeader(http.StatusOK)
	out := &flusher{w, sub.conn}
	greeting := endFrame(append(beginEvent(nil, "initial-response"), "{}"...))
	if sub.torn {
		tear(r.Context(), w, greeting)
		return
	}
	if _, err := out.Write(greeting); err != nil {
		return
	}
	sub.run(r.Context(), out)
}

// flusher sends what is written at once.
type flusher struct {
	w    io.Writer
	conn *http.ResponseController
}

func (f *flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.conn.Flush()
	}
	return n, err
}

func (sub *subscription) watch() {
	sh := sub.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.watchers == nil {
		sh.watchers = map[*subscription]struct{}{}
	}
	sh.watchers[sub] = struct{}{}
}

// run pushes events until the subscription ends.
func (sub *subscription) run(ctx context.Context, out io.Writer) {
	timer := time.NewTimer(idleEvent)
	defer timer.Stop()
	told := time.Now() // when the last event was sent
	for {
		now := time.Now()
		e := sub.look(now, now.Sub(told) >= idleEvent)
		if e.due {
			told = now
			if !sub.pass(ctx, out, e) {
				return
			}
		}
		if e.last || e.refusal != nil {
			sub.refuse(out, e.refusal)
			return
		}
		wait, wake := e.wait, sub.wake
		if wait > 0 {
			wake = nil // over its budget, or not to be seen yet: records have to wait
		} else if e.got.behind == 0 {
			wait = told.Add(idleEvent).Sub(now)
		}
		timer.Reset(max(1, min(wait, sub.until.Sub(now)))) // 1: see Tests in CONTRIBUTING.md
		select {
		case <-wake:
		case <-timer.C:
		case <-sub.stop:
			sub.mu.Lock()
			reason := sub.reason
			sub.mu.Unlock()
			sub.refuse(out, reason)
			return
		case <-ctx.Done():
			return
		}
		if !time.Now().Before(sub.until) {
			return
		}
	}
}

// event is what a look at the shard found.
type event struct {
	got     answer
	at      time.Time
	due     bool
	last    bool          // the shard has ended
	wait    time.Duration // until the budget allows more
	refusal *httpapi.Error
}

// look takes from the shard what one event may hold.
func (sub *subscription) look(now time.Time, idle bool) (e event) {
	sh := sub.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		e.refusal = httpapi.Refuse("ResourceNotFoundException", "Stream %s under account %s not found.", sh.stream.name, sh.stream.account)
		return e
	}
	e.at = sh.enter(now)
	if e.wait = sub.lane.bytes.debt(e.at); e.wait > 0 {
		return e
	}
	e.got = answer{next: max(sub.next, sh.oldest(e.at))}
	sub.spans, _ = sh.collect(sub.spans[:0], &e.got, maxEventRecords, maxEventBytes, e.at)
	sub.lane.bytes.charge(e.at, e.got.bytes)
	sub.next = e.got.next
	e.last = e.got.heirs != nil
	e.due = e.got.records > 0 || e.last || idle
	if e.got.behind == 0 && sub.next < sh.next {
		e.wait = sh.unseen(sub.next, e.at)
	}
	return e
}

// pass sends an event, unless something is to go wrong with it. It reports
// whether the subscription goes on.
func (sub *subscription) pass(ctx context.Context, out io.Writer, e event) bool {
	sub.frames++
	s := sub.consumer.stream.server
	c := faults.Call{Operation: "SubscribeToShard", Stream: sub.shard.stream.name, Shard: sub.shard.id, Frame: faults.Frame(sub.frames)}
	v := s.faults.Judge(c)
	if v.Delay > 0 && !s.hold(ctx, e.at.Add(v.Delay)) || v.Error != "" || v.Cut == faults.BeforeCommit {
		for i := range sub.spans {
			sub.spans[i].slab.release()
		}
		if v.Error != "" {
			sub.refuse(out, s.refusal(v.Error, c, e.at))
		} else {
			sever(ctx, sub.conn)
		}
		return false
	}
	err := sub.send(out, e, v.Cut == faults.MidBody)
	if err == nil && v.Cut != "" {
		sever(ctx, sub.conn)
	}
	return err == nil && v.Cut == ""
}

// send writes an event, half of it if it is to be torn. The records are copied and their slabs let go of before
// the client is waited for.
func (sub *subscription) send(out io.Writer, e event, torn bool) error {
	s := sub.consumer.stream.server
	buf, _ := s.frames.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	const perRecord = 256 // names, numbers and a short key
	b := slices.Grow((*buf)[:0], base64.StdEncoding.EncodedLen(e.got.bytes)+e.got.records*perRecord+1024)
	b = append(beginEvent(b, "SubscribeToShardEvent"), `{"Records":`...)
	b = sub.shard.appendSpans(b, sub.spans)
	s.confirmed(e.got.heirs)
	if !e.last {
		b = append(b, `,"ContinuationSequenceNumber":"`...)
		b = sub.continuation(e).append(b)
		b = append(b, '"')
	}
	b = append(b, `,"MillisBehindLatest":`...)
	b = strconv.AppendInt(b, e.got.behind, 10)
	b = append(appendChildren(b, e.got.heirs), '}')
	b = endFrame(b)
	if torn {
		b = b[:len(b)/2]
	}
	_, err := out.Write(b)
	if err == nil && !torn {
		s.counters.recordsOut.Add(uint64(e.got.records))
		s.counters.bytesOut.Add(uint64(e.got.bytes))
	}
	if cap(b) <= 4*maxEventBytes {
		*buf = b
		s.frames.Put(buf)
	}
	return err
}

// continuation is the number of the last record pushed or, without records, one
// behind everything that has arrived.
func (sub *subscription) continuation(e event) sequence {
	arrived := e.at.Add(time.Second)
	if e.got.records > 0 {
		arrived = time.UnixMilli(e.got.last)
	}
	return sub.shard.sequence(e.got.next-1, arrived)
}

// refuse writes an exception, if there is a reason for one.
func (sub *subscription) refuse(out io.Writer, reason *httpapi.Error) {
	if reason == nil {
		return
	}
	b := append(beginException(nil, reason.Code), `{"message":`...)
	b = append(httpapi.AppendString(b, []byte(reason.Message)), '}')
	_, _ = out.Write(endFrame(b)) // the client may be gone; that is its business
}
