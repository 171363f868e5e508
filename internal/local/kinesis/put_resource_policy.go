package kinesis

import (
	"encoding/json"

	"github.com/kload/kload/internal/local/httpapi"
)

// putResourcePolicy is the API action PutResourcePolicy, for streams and
// consumers. The policy is kept as it is and enforced by nobody; it must be
// JSON.
func (s *Server) putResourcePolicy(rq *request) error {
	var arn, policy string
	if err := rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		arn = readResourceARN(m, v)
		var ok bool
		if policy, ok = m.String("Policy"); !ok {
			v.Missing("policy")
		}
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	r, err := s.findResource(rq, arn)
	if err != nil {
		return err
	}
	if !json.Valid([]byte(policy)) {
		return httpapi.Refuse("InvalidArgumentException", "The policy for %s is not valid JSON.", arn)
	}
	r.attach(policy)
	return nil
}
