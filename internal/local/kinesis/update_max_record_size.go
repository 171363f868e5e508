package kinesis

import "github.com/kload/kload/internal/local/httpapi"

// updateMaxRecordSize is the API action UpdateMaxRecordSize: 1024 to 10240 KiB
// of data and key, at once; the stream is UPDATING for Config.StateDelay.
func (s *Server) updateMaxRecordSize(rq *request) error {
	var t target
	var kib int64
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		kib = required(m, v, "MaxRecordSizeInKiB", minRecordKiB, maxRecordKiB)
		t.readARN(m, v)
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.activeStream(&t)
	if err != nil {
		return err
	}
	st.set(func(set *settings) { set.maxRecord = int(kib) << 10 })
	st.update(s.cfg.StateDelay, rq.now)
	return nil
}
