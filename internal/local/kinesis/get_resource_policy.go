package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// getResourcePolicy is the API action GetResourcePolicy. Without a policy the
// answer is "{}".
func (s *Server) getResourcePolicy(rq *request) error {
	var arn string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		arn = readResourceARN(m, v)
	}); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.findResource(rq, arn)
	if err != nil {
		return err
	}
	policy := r.policy
	if policy == "" {
		policy = "{}"
	}
	return rq.reply(map[string]any{"Policy": policy})
}
