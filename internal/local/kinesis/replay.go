package kinesis

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/journal"
)

// replay makes the server what its log says: the state at the newest segment's
// head, the records that the older ones hold of it, and what followed.
func (s *Server) replay(log *journal.Log) error {
	head := log.Head()
	if head == nil {
		return nil
	}
	var state savedState
	if err := decodeState(head, &state); err != nil {
		return err
	}
	s.key = state.Key
	r := replayer{server: s, streams: map[uint64]*stream{}, head: state}
	r.change(state)
	if err := log.Replay(r.entry); err != nil {
		return err
	}
	s.expunge(time.Now())
	s.settle()
	return nil
}

func decodeState(text []byte, state *savedState) error {
	if err := json.Unmarshal(text, state); err != nil {
		return fmt.Errorf("decoding the state of the streams: %w", err)
	}
	for i := range state.Streams {
		if !state.Streams[i].valid() {
			return fmt.Errorf("the shards of stream %q: %w", state.Streams[i].Name, errEntry)
		}
	}
	return nil
}

// replayer rebuilds a server that nobody uses yet.
type replayer struct {
	server  *Server
	streams map[uint64]*stream // by number
	head    savedState
}

func (r *replayer) entry(e journal.Entry) error {
	switch {
	case e.Head && e.Newest:
		return r.complete()
	case e.Head: // superseded by the newest
		return nil
	case len(e.Data) == 0:
		return errEntry
	}
	switch kind, body := e.Data[0], e.Data[1:]; kind {
	case recordsEntry:
		return readRecords(body, func(h recordsHead, key, data []byte, flags uint16) error {
			return r.record(e.Segment, h, key, data, flags)
		})
	case changeEntry:
		if !e.Newest {
			return nil
		}
		var state savedState
		if err := decodeState(body, &state); err != nil {
			return err
		}
		r.change(state)
		return nil
	}
	return errEntry
}

// change applies the state of the account and of some streams.
func (r *replayer) change(state savedState) {
	s := r.server
	s.commitment = commitment{started: state.Commitment.Started, ended: state.Commitment.Ended}
	s.numbers = max(s.numbers, state.Numbers)
	for _, saved := range state.Streams {
		st := r.streams[saved.Number]
		if st == nil {
			st = s.emptyStream(saved.Name, saved.Number, saved.Created)
			r.streams[saved.Number] = st
		}
		st.load(saved)
		switch old := s.streams[saved.Name]; {
		case old != nil && old.number > st.number:
			s.discard(st)
			continue
		case old != nil && old != st:
			s.discard(old)
		}
		s.streams[saved.Name] = st
	}
}

// complete checks that the older segments held what the newest one counts on.
func (r *replayer) complete() error {
	for _, saved := range r.head.Streams {
		for i, want := range saved.Shards {
			sh := r.streams[saved.Number].layout.Load().shards[i]
			if sh.next != want.Next {
				return missing(sh, want.Next)
			}
		}
	}
	return nil
}

func missing(sh *shardLog, next uint64) error {
	return fmt.Errorf("records %d to %d of %s in stream %s are missing: %w", sh.next, next-1, sh.id, sh.stream.name, errEntry)
}

// record adds a record again, unless it belongs to what is gone.
func (r *replayer) record(segment uint64, h recordsHead, key, data []byte, flags uint16) error {
	st := r.streams[h.stream]
	if st == nil {
		return nil
	}
	shards := st.layout.Load().shards
	if h.shard >= uint64(len(shards)) {
		return errEntry
	}
	sh := shards[h.shard]
	switch {
	case h.counter < sh.next || sh.closed:
		return nil
	case h.counter > sh.next:
		return missing(sh, h.counter)
	}
	arrived := time.UnixMilli(h.arrived)
	if _, ok := sh.add(key, data, sh.enter(arrived), flags); !ok {
		return kload.WithHint(fmt.Errorf("a record of %d bytes in stream %s: %w", len(key)+len(data), st.name, errStoreTooSmall),
			"give the embedded target as much memory for records as it had")
	}
	sh.settled = sh.next
	sh.hold(segment)
	return nil
}
