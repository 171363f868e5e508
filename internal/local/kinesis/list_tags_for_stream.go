package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// listTagsForStream is the API action ListTagsForStream: tags by key, at most 50
// per answer; Limit lowers the number, ExclusiveStartTagKey continues.
func (s *Server) listTagsForStream(rq *request) error {
	var t target
	var after string
	limit := int64(maxTags)
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		var resumed bool
		if after, resumed = m.String("ExclusiveStartTagKey"); resumed {
			v.Length("exclusiveStartTagKey", after, len([]rune(after)), 1, maxTagKey)
		}
		if n, limited := m.Int("Limit"); limited {
			v.Range("limit", n, 1, maxTags)
			limit = n
		}
		t.check(v)
	}); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	tags, more := st.tagList(after, int(limit))
	return rq.reply(map[string]any{"Tags": tags, "HasMoreTags": more})
}
