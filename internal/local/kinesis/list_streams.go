package kinesis

import (
	"maps"
	"slices"

	"github.com/kload/kload/internal/local/httpapi"
)

const maxStreamsListed = 100

// listStreams is the API action ListStreams.
//
//   - Names in order, at most 100 per answer, with summaries beside them.
//     ExclusiveStartStreamName or NextToken (300 s) continues.
//   - The rate of 5 calls per second is not enforced.
func (s *Server) listStreams(rq *request) error {
	after, limit, err := rq.readListRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.expunge(rq.now)
	s.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	names, summaries, more := []string{}, []any{}, false
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		if name <= after {
			continue
		}
		if more = len(names) == limit; more {
			break
		}
		st := s.streams[name]
		names = append(names, name)
		summaries = append(summaries, map[string]any{
			"StreamName": name, "StreamARN": st.arn, "StreamStatus": st.status(rq.now),
			"StreamModeDetails":       map[string]any{"StreamMode": st.settings.Load().mode},
			"StreamCreationTimestamp": st.created.Unix(),
		})
	}
	answer := map[string]any{"StreamNames": names, "StreamSummaries": summaries, "HasMoreStreams": more}
	if more {
		answer["NextToken"] = s.sealToken(pageToken{
			Action: "ListStreams", After: names[len(names)-1], Issued: rq.now.UnixMilli(),
		})
	}
	return rq.reply(answer)
}

func (rq *request) readListRequest() (after string, limit int, err error) {
	m, err := rq.members()
	if err != nil {
		return "", 0, err
	}
	var v httpapi.Violations
	n, limited := m.Int("Limit")
	after, resumed := m.String("ExclusiveStartStreamName")
	token, hasToken := m.String("NextToken")
	if err := m.Err(); err != nil {
		return "", 0, err
	}
	if limited {
		v.Range("limit", n, 1, maxListed)
	} else {
		n = maxStreamsListed
	}
	if resumed {
		checkName(&v, "exclusiveStartStreamName", after)
	}
	if hasToken {
		v.Length("nextToken", token, len(token), 1, 1<<20)
	}
	if err := v.Err(); err != nil {
		return "", 0, err
	}
	if hasToken {
		t, err := rq.server.openToken("ListStreams", token, rq.now)
		if err != nil {
			return "", 0, err
		}
		after = t.After
	}
	return after, int(min(n, maxStreamsListed)), nil
}
