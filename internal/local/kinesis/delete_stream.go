package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// deleteStream is the API action DeleteStream.
//
//   - The stream is gone at once, or DELETING for Config.StateDelay. Puts are
//     refused while it is DELETING, reads still served.
//   - Its memory is free for other streams when it is gone.
//   - EnforceConsumerDeletion is ignored: there are no registered consumers yet.
func (s *Server) deleteStream(rq *request) error {
	t, err := rq.readTarget()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	if !st.deleted.IsZero() {
		return httpapi.Refuse("ResourceInUseException",
			"Stream %s under account %s not ACTIVE, instead in state DELETING", st.name, st.account)
	}
	st.deleted = rq.now.Add(s.cfg.StateDelay)
	s.expunge(rq.now)
	return nil
}

// readTarget reads a request that does no more than name a stream.
func (rq *request) readTarget() (t target, err error) {
	m, err := rq.members()
	if err != nil {
		return t, err
	}
	t.read(m)
	if err := m.Err(); err != nil {
		return t, err
	}
	var v httpapi.Violations
	t.check(&v)
	return t, v.Err()
}
