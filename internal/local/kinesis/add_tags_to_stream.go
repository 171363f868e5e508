package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// addTagsToStream is the API action AddTagsToStream.
//
//   - A stream has at most 50 tags; keys have 1 to 128 characters, values up to
//     256. A tag that exists gets the new value.
func (s *Server) addTagsToStream(rq *request) error {
	var t target
	var tags map[string]string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		tags = readTags(m, v, true)
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
	return st.tag(tags, "stream "+st.name+" under account "+st.account)
}
