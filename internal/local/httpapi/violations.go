package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxViolations is how many violations a service lists at most.
const maxViolations = 10

// Violations collects the broken constraints of one request, which a service
// reports together in one ValidationException. The zero value is empty.
//
// Paths are the members' names with a lower-case first letter, list elements
// counted from 1: "records.1.member.partitionKey".
type Violations struct{ list []string }

// Add records that the value at path breaks a rule.
func (v *Violations) Add(path, value, rule string) {
	v.add(path, "'"+value+"'", rule)
}

func (v *Violations) add(path, value, rule string) {
	if !v.Full() {
		v.list = append(v.list, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, path, rule))
	}
}

// Full reports whether further violations would not be listed.
func (v *Violations) Full() bool { return len(v.list) == maxViolations }

// Missing records that a required member is absent.
func (v *Violations) Missing(path string) { v.add(path, "null", "Member must not be null") }

// Length checks a length n against lo and hi; value is what to show.
func (v *Violations) Length(path, value string, n, lo, hi int) {
	if n < lo {
		v.Add(path, value, "Member must have length greater than or equal to "+strconv.Itoa(lo))
	}
	if n > hi {
		v.Add(path, value, "Member must have length less than or equal to "+strconv.Itoa(hi))
	}
}

// Range checks a number against lo and hi.
func (v *Violations) Range(path string, n, lo, hi int64) {
	value := strconv.FormatInt(n, 10)
	if n < lo {
		v.Add(path, value, "Member must have value greater than or equal to "+strconv.FormatInt(lo, 10))
	}
	if n > hi {
		v.Add(path, value, "Member must have value less than or equal to "+strconv.FormatInt(hi, 10))
	}
}

// Pattern records a violation of a regular expression unless ok.
func (v *Violations) Pattern(path, value, pattern string, ok bool) {
	if !ok {
		v.Add(path, value, "Member must satisfy regular expression pattern: "+pattern)
	}
}

// Enum checks that value is one of set.
func (v *Violations) Enum(path, value string, set ...string) {
	if slices.Contains(set, value) {
		return
	}
	v.Add(path, value, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

// Err returns the ValidationException, or nil if nothing was recorded.
func (v *Violations) Err() error {
	if len(v.list) == 0 {
		return nil
	}
	plural := "s"
	if len(v.list) == 1 {
		plural = ""
	}
	return Refuse("ValidationException", "%d validation error%s detected: %s", len(v.list), plural, strings.Join(v.list, "; "))
}
