package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// listTagsForResource is the API action ListTagsForResource, for streams and
// consumers: all tags, by key.
func (s *Server) listTagsForResource(rq *request) error {
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
	tags, _ := r.tagList("", maxTags)
	return rq.reply(map[string]any{"Tags": tags})
}
