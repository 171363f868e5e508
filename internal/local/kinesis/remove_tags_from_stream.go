package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// removeTagsFromStream is the API action RemoveTagsFromStream. Keys that the
// stream does not have are ignored.
func (s *Server) removeTagsFromStream(rq *request) error {
	var t target
	var keys []string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		keys = readTagKeys(m, v)
		t.check(v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	st.untag(keys)
	return nil
}
