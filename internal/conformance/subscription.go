package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// subscription is a SubscribeToShard under way. Its methods do nothing on nil.
type subscription struct {
	frames chan frame
	cancel context.CancelFunc
}

// frame is one message of an event stream, or its end: EOF or what is wrong
// with it, checksums included.
type frame struct {
	message, kind string // of the headers: event or exception, and which one
	payload       []byte
	err           error
}

// trySubscribe returns a subscription, or the refusal.
func (k *kit) trySubscribe(ctx context.Context, arn string, shard int, start obj) (*subscription, answer) {
	if !k.ok() {
		return nil, answer{}
	}
	body, err := json.Marshal(obj{"ConsumerARN": arn, "ShardId": shardID(shard), "StartingPosition": start})
	if err != nil {
		k.fail("encoding a request: %v", err)
		return nil, answer{}
	}
	ctx, cancel := context.WithCancel(ctx)
	// The service speaks HTTP/2 here; without TLS both are spoken.
	resp, err := k.wire.open(ctx, "SubscribeToShard", body, shape{http2: strings.HasPrefix(k.wire.url, "https:")})
	if err != nil {
		cancel()
		k.fail("SubscribeToShard: want an answer, got %v", err)
		return nil, answer{}
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode != http.StatusOK {
		defer cancel()
		defer resp.Body.Close()
		a.body, a.err = io.ReadAll(resp.Body)
		a.decode()
		return nil, a
	}
	s := &subscription{frames: make(chan frame), cancel: cancel}
	go s.pump(ctx, resp.Body)
	return s, a
}

// subscribe must succeed.
func (k *kit) subscribe(ctx context.Context, arn string, shard int, start obj) *subscription {
	s, a := k.trySubscribe(ctx, arn, shard, start)
	if k.ok() && s == nil {
		k.fail("SubscribeToShard: want 200, got %s", a)
	}
	return s
}

// pump reads frames until the stream or the subscription ends.
func (s *subscription) pump(ctx context.Context, body io.ReadCloser) {
	defer close(s.frames)
	defer body.Close()
	d := eventstream.NewDecoder()
	for {
		m, err := d.Decode(body, nil)
		f := frame{payload: m.Payload, err: err}
		text := func(name string) string {
			if v := m.Headers.Get(name); v != nil {
				return v.String()
			}
			return ""
		}
		f.message = text(":message-type")
		f.kind = text(":event-type") + text(":exception-type")
		select {
		case s.frames <- f:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// end cuts the connection and waits until nothing reads from it.
func (s *subscription) end() {
	if s == nil {
		return
	}
	s.cancel()
	for range s.frames {
		continue
	}
}

// next returns the next frame, within some time.
func (k *kit) next(ctx context.Context, s *subscription, within time.Duration) frame {
	if !k.ok() {
		return frame{}
	}
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case f := <-s.frames:
		return f
	case <-t.C:
		k.fail("want a frame within %v, got none", within)
	case <-ctx.Done():
		k.fail("interrupted")
	}
	return frame{}
}

// started takes the first frame.
func (k *kit) started(ctx context.Context, s *subscription) {
	f := k.next(ctx, s, 20*time.Second)
	k.must(f.err == nil && f.message == "event" && f.kind == "initial-response",
		"first frame: want the event initial-response, got %s", f)
}

// event returns the next event; ok is false when the stream ended cleanly.
func (k *kit) event(ctx context.Context, s *subscription) (e answer, ok bool) {
	f := k.next(ctx, s, 30*time.Second)
	if f.kind == "initial-response" { // a check of its own
		f = k.next(ctx, s, 30*time.Second)
	}
	switch {
	case errors.Is(f.err, io.EOF):
		return e, false
	case f.err != nil || f.message != "event" || f.kind != "SubscribeToShardEvent":
		k.fail("want the event SubscribeToShardEvent, got %s", f)
		return e, false
	}
	e.body = f.payload
	e.decode()
	k.must(e.err == nil && e.MillisBehindLatest != nil && e.members()["Records"] != nil,
		"event: want Records and MillisBehindLatest, got %s", short(string(f.payload)))
	return e, k.ok()
}

func (f frame) String() string {
	if f.err != nil {
		return "the end: " + f.err.Error()
	}
	return f.message + " " + f.kind + " " + short(string(f.payload))
}

// pushed returns at least n records and the last ContinuationSequenceNumber.
func (k *kit) pushed(ctx context.Context, s *subscription, n int) (recs []record, continuation string) {
	for idle := 0; k.ok() && len(recs) < n; idle++ {
		e, ok := k.event(ctx, s)
		if !ok {
			k.fail("want %d records pushed, got the end after %d", n, len(recs))
		}
		if len(e.Records) > 0 {
			idle = 0
		}
		k.must(idle < 10, "want %d records pushed, got %d and then idle events", n, len(recs))
		recs, continuation = append(recs, e.Records...), e.ContinuationSequenceNumber
	}
	return recs, continuation
}

// refusedText judges a refusal that has come.
func (k *kit) refusedText(a answer, code string, parts ...string) {
	if !k.ok() {
		return
	}
	k.must(a.status == http.StatusBadRequest && a.Code == code, "SubscribeToShard: want 400 %s, got %s", code, a)
	for _, p := range parts {
		k.must(strings.Contains(a.Message, p), "SubscribeToShard: want a text with %q, got %s", p, short(a.Message))
	}
}
