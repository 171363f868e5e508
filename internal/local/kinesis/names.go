package kinesis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

const (
	namePattern = "[a-zA-Z0-9_.-]+"
	arnPattern  = `arn:aws.*:kinesis:.*:\d{12}:stream/\S+`
	maxName     = 128
	maxARN      = 2048
)

// target is how a request names its stream: by name, by ARN, or by both if they
// agree.
type target struct {
	name, arn       string
	hasName, hasARN bool
}

func (t *target) read(m httpapi.Members) {
	t.name, t.hasName = m.String("StreamName")
	t.arn, t.hasARN = m.String("StreamARN")
}

// check records what is wrong with the naming. A request that names no stream
// misses its name, as before there were ARNs.
func (t *target) check(v *httpapi.Violations) {
	if !t.hasName && !t.hasARN {
		v.Missing("streamName")
	}
	t.checkGiven(v)
}

func (t *target) checkGiven(v *httpapi.Violations) {
	if t.hasName {
		checkName(v, "streamName", t.name)
	}
	if t.hasARN {
		_, _, ok := splitARN(t.arn)
		v.Pattern("streamARN", t.arn, arnPattern, ok)
		v.Length("streamARN", t.arn, len(t.arn), 1, maxARN)
	}
}

// checkName records violations of the rules for stream names and shard ids.
func checkName(v *httpapi.Violations, path, name string) {
	v.Pattern(path, name, namePattern, isName(name))
	v.Length(path, name, len([]rune(name)), 1, maxName)
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// isDecimal reports whether s is a decimal number without leading zeros and of
// at most so many digits, the service's pattern for hash keys and sequence
// numbers.
func isDecimal[T string | []byte](s T, maxDigits int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 1 || len(s) > 1 && len(s) <= maxDigits && s[0] != '0'
}

// splitARN returns the account and the name in a stream ARN.
func splitARN(arn string) (account, name string, ok bool) {
	head, name, found := strings.Cut(arn, ":stream/")
	parts := strings.Split(head, ":")
	if !found || len(parts) != 5 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "kinesis" {
		return "", "", false
	}
	account = parts[4]
	digits := len(account) == 12 && isDecimal("1"+account, 13)
	return account, name, digits && name != "" && !strings.ContainsAny(name, " \t\n\r")
}

// memberPath is a member's name as ValidationException spells it.
func memberPath(member string) string { return strings.ToLower(member[:1]) + member[1:] }

// resolve returns the stream. The Region of an ARN does not matter: there is
// only this server.
func (t *target) resolve(s *Server, now time.Time) (*stream, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return t.resolveLocked(s, now)
}

func (t *target) resolveLocked(s *Server, now time.Time) (*stream, error) {
	name, account := t.name, s.cfg.Account
	if t.hasARN {
		var arnName string
		account, arnName, _ = splitARN(t.arn)
		if t.hasName && arnName != t.name {
			return nil, httpapi.Refuse("InvalidArgumentException",
				"StreamName %s and StreamARN %s do not name the same stream.", t.name, t.arn)
		}
		name = arnName
	}
	return s.lookupLocked(name, account, now)
}

// parseShardID returns the index in a shard id. The service reads the number
// behind the first dash, or the whole id as a number, however many digits.
func parseShardID(id string) (uint32, bool) {
	digits := id
	if parts := strings.Split(id, "-"); len(parts) > 1 && parts[1] != "" {
		digits = parts[1]
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return uint32(n), err == nil && !strings.HasPrefix(digits, "+")
}

// called returns the account and name a request used, for messages.
func (t *target) called(s *Server) (account, name string) {
	if account, name, ok := splitARN(t.arn); ok && t.hasARN {
		return account, name
	}
	return s.cfg.Account, t.name
}

func shardID(index uint32) string { return fmt.Sprintf("shardId-%012d", index) }
