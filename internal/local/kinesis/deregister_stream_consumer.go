package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// deregisterStreamConsumer is the API action DeregisterStreamConsumer.
//
//   - The consumer is gone at once, or DELETING for Config.StateDelay.
//   - Its subscriptions end at once with a ResourceNotFoundException in the
//     stream.
func (s *Server) deregisterStreamConsumer(rq *request) error {
	t, err := rq.readConsumerTarget()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	c, err := t.resolve(s, rq.now)
	if err != nil {
		return err
	}
	if !c.deleted.IsZero() {
		return httpapi.Refuse("ResourceInUseException", "%s", c.notActive())
	}
	c.remove(rq.now)
	c.stream.touch()
	c.stream.forget(rq.now)
	return nil
}
