package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// deleteStream is the API action DeleteStream.
//
//   - The stream is gone at once, or DELETING for Config.StateDelay. Puts are
//     refused while it is DELETING, reads still served.
//   - Its memory is free for other streams when it is gone.
//   - A stream with registered consumers is deleted only with
//     EnforceConsumerDeletion, and they with it: their subscriptions end at once
//     with a ResourceNotFoundException in the stream.
func (s *Server) deleteStream(rq *request) error {
	t, enforce, err := rq.readDeleteRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	if !st.deleted.IsZero() {
		return httpapi.Refuse("ResourceInUseException",
			"Stream %s under account %s not ACTIVE, instead in state DELETING", st.name, st.account)
	}
	st.forget(rq.now)
	if len(st.consumers) > 0 && !enforce {
		return httpapi.Refuse("ResourceInUseException",
			"DeleteStream can't delete %s because there are consumers associated with this data stream. To delete %s anyway, "+
				"set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.",
			st.arn, st.name)
	}
	for _, c := range st.consumers {
		c.remove(rq.now)
	}
	st.deleted = rq.now.Add(s.cfg.StateDelay)
	st.touch()
	s.expunge(rq.now)
	return nil
}

func (rq *request) readDeleteRequest() (t target, enforce bool, err error) {
	m, err := rq.members()
	if err != nil {
		return t, false, err
	}
	t.read(m)
	enforce = m.Bool("EnforceConsumerDeletion")
	if err := m.Err(); err != nil {
		return t, false, err
	}
	var v httpapi.Violations
	t.check(&v)
	return t, enforce, v.Err()
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
