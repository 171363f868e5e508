package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// deleteResourcePolicy is the API action DeleteResourcePolicy. There must be a
// policy.
func (s *Server) deleteResourcePolicy(rq *request) error {
	var arn string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		arn = readResourceARN(m, v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	r, err := s.findResource(rq, arn)
	if err != nil {
		return err
	}
	if r.policy == "" {
		return httpapi.Refuse("ResourceNotFoundException", "No resource policy found for resource ARN %s.", arn)
	}
	r.attach("")
	return nil
}
