package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// untagResource is the API action UntagResource, for streams and consumers. Keys
// that the resource does not have are ignored.
func (s *Server) untagResource(rq *request) error {
	var arn string
	var keys []string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		keys = readTagKeys(m, v)
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
	r.untag(keys)
	return nil
}
