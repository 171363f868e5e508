package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// tagResource is the API action TagResource, for streams and consumers, with the
// rules of AddTagsToStream.
func (s *Server) tagResource(rq *request) error {
	var arn string
	var tags map[string]string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		tags = readTags(m, v, true)
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
	return r.tag(tags, "resource "+arn)
}
