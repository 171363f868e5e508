package kinesis

import (
	"maps"
	"slices"

	"github.com/kload/kload/internal/local/httpapi"
)

const maxConsumersListed = 100

// listStreamConsumers is the API action ListStreamConsumers.
//
//   - By name, at most 100 per answer; MaxResults lowers the number. NextToken is
//     valid for 300 s.
func (s *Server) listStreamConsumers(rq *request) error {
	t, after, limit, err := rq.readConsumersRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return err
	}
	st.forget(rq.now)
	list, last, more := []any{}, "", false
	for _, name := range slices.Sorted(maps.Keys(st.consumers)) {
		if name <= after {
			continue
		}
		if more = len(list) == limit; more {
			break
		}
		last = name
		list = append(list, st.consumers[name].describe(rq.now))
	}
	answer := map[string]any{"Consumers": list}
	if more {
		answer["NextToken"] = s.sealToken(pageToken{
			Action: "ListStreamConsumers", Stream: st.name, After: last, Issued: rq.now.UnixMilli(),
		})
	}
	return rq.reply(answer)
}

func (rq *request) readConsumersRequest() (t target, after string, limit int, err error) {
	m, err := rq.members()
	if err != nil {
		return t, "", 0, err
	}
	t.arn, t.hasARN = m.String("StreamARN")
	token, hasToken := m.String("NextToken")
	n, limited := m.Int("MaxResults")
	if err := m.Err(); err != nil {
		return t, "", 0, err
	}
	var v httpapi.Violations
	if limited {
		v.Range("maxResults", n, 1, maxListed)
	} else {
		n = maxConsumersListed
	}
	if hasToken {
		v.Length("nextToken", token, len(token), 1, 1<<20)
	}
	if !t.hasARN {
		v.Missing("streamARN")
	}
	t.checkGiven(&v)
	if err := v.Err(); err != nil {
		return t, "", 0, err
	}
	if hasToken {
		page, err := rq.server.openToken("ListStreamConsumers", token, rq.now)
		if err != nil {
			return t, "", 0, err
		}
		after = page.After
	}
	return t, after, int(min(n, maxConsumersListed)), nil
}
