package kinesis

import (
	"maps"
	"slices"
	"strings"

	"github.com/kload/kload/internal/local/httpapi"
)

// read has f take what it wants from the request. Wrong types outrank what f
// found wrong.
func (rq *request) read(f func(httpapi.Members, *httpapi.Violations)) error {
	m, err := rq.members()
	if err != nil {
		return err
	}
	var v httpapi.Violations
	f(m, &v)
	if err := m.Err(); err != nil {
		return err
	}
	return v.Err()
}

// readARN reads a StreamARN that the request must have.
func (t *target) readARN(m httpapi.Members, v *httpapi.Violations) {
	if t.arn, t.hasARN = m.String("StreamARN"); !t.hasARN {
		v.Missing("streamARN")
	}
	t.checkGiven(v)
}

// required reads an integer that the request must have.
func required(m httpapi.Members, v *httpapi.Violations, name string, lo, hi int64) int64 {
	n, ok := m.Int(name)
	if ok {
		v.Range(memberPath(name), n, lo, hi)
	} else {
		v.Missing(memberPath(name))
	}
	return n
}

// resource is what streams and consumers can be given alike. The server's lock
// guards it.
type resource struct {
	owner  *stream // whose state it belongs to
	tags   map[string]string
	policy string // "" for none
}

// findResource returns what a ResourceARN names. s.mu is held.
func (s *Server) findResource(rq *request, arn string) (*resource, error) {
	if _, _, ok := splitConsumerARN(arn); ok {
		t := consumerTarget{arn: arn, hasARN: true}
		c, err := t.resolve(s, rq.now)
		if err != nil {
			return nil, err
		}
		return &c.resource, nil
	}
	t := target{arn: arn, hasARN: true}
	st, err := t.resolveLocked(s, rq.now)
	if err != nil {
		return nil, err
	}
	return &st.resource, nil
}

// readResourceARN reads a ResourceARN, which the request must have.
func readResourceARN(m httpapi.Members, v *httpapi.Violations) string {
	arn, ok := m.String("ResourceARN")
	if !ok {
		v.Missing("resourceARN")
		return ""
	}
	_, _, valid := splitARN(arn)
	v.Pattern("resourceARN", arn, resourcePattern, valid)
	v.Length("resourceARN", arn, len(arn), 1, maxARN)
	return arn
}

const resourcePattern = `arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`

const (
	maxTags     = 50 // of a resource
	maxTagKey   = 128
	maxTagValue = 256
)

// readTags reads tags to set, which the request must have if wanted says so.
func readTags(m httpapi.Members, v *httpapi.Violations, wanted bool) map[string]string {
	tags, ok := m.Strings("Tags")
	if !ok {
		if wanted {
			v.Missing("tags")
		}
		return nil
	}
	if wanted && len(tags) == 0 {
		v.Add("tags", "{}", "Member must have length greater than or equal to 1")
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if n := len([]rune(key)); n < 1 || n > maxTagKey {
			v.Add("tags", "{"+key+"="+tags[key]+"}", "Map keys must satisfy constraint: "+
				"[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]")
		}
		if len([]rune(tags[key])) > maxTagValue {
			v.Add("tags", "{"+key+"="+tags[key]+"}", "Map value must satisfy constraint: "+
				"[Member must have length less than or equal to 256, Member must have length greater than or equal to 0]")
		}
	}
	return tags
}

// readTagKeys reads the keys of tags to remove.
func readTagKeys(m httpapi.Members, v *httpapi.Violations) []string {
	keys, ok := m.List("TagKeys")
	switch {
	case !ok:
		v.Missing("tagKeys")
	case len(keys) < 1 || len(keys) > maxTags:
		v.Length("tagKeys", "["+joined(keys)+"]", len(keys), 1, maxTags)
	}
	return keys
}

func joined(list []string) string { return strings.Join(list, ", ") }

// tag adds tags or replaces their values; what names the resource in messages.
func (r *resource) tag(tags map[string]string, what string) error {
	all := maps.Clone(tags)
	for key, value := range r.tags {
		if _, replaced := all[key]; !replaced {
			all[key] = value
		}
	}
	if len(all) > maxTags {
		return httpapi.Refuse("InvalidArgumentException",
			"Failed to add tags to %s because a given stream cannot have more than %d tags associated with it.", what, maxTags)
	}
	r.tags = all
	r.owner.touch()
	return nil
}

func (r *resource) untag(keys []string) {
	for _, key := range keys { // unknown ones are as good as removed
		delete(r.tags, key)
	}
	r.owner.touch()
}

// attach sets the policy, "" for none.
func (r *resource) attach(policy string) {
	r.policy = policy
	r.owner.touch()
}

// tagList returns tags by key, from behind after on and at most limit of them.
func (r *resource) tagList(after string, limit int) (list []any, more bool) {
	list = []any{}
	for _, key := range slices.Sorted(maps.Keys(r.tags)) {
		if key <= after {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, map[string]string{"Key": key, "Value": r.tags[key]})
	}
	return list, false
}
