package shard

import (
	"fmt"
	"strconv"
	"strings"
)

// Ref is a shard as users name it: by its id, by the number in its id, which
// becomes the id, or as the [Hottest] or [Coldest].
type Ref string

// Shards by what they took of late.
const (
	Hottest Ref = "hottest"
	Coldest Ref = "coldest"
)

const idPrefix = "shardId-"

// Relative reports whether what is meant depends on what shards took of late.
func (r Ref) Relative() bool { return r == Hottest || r == Coldest }

// MarshalText returns the reference.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r), nil }

// UnmarshalText reads one of the forms.
func (r *Ref) UnmarshalText(text []byte) error {
	s := string(text)
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err == nil:
		s = fmt.Sprintf("%s%012d", idPrefix, n)
	case s != string(Hottest) && s != string(Coldest) && (len(s) == len(idPrefix) || !strings.HasPrefix(s, idPrefix)):
		return fmt.Errorf("bad shard %q: write hottest, coldest, an id such as shardId-000000000001, or its number", s)
	}
	*r = Ref(s)
	return nil
}

// Pattern returns the regular expression of the written forms.
func (Ref) Pattern() string { return `^(hottest|coldest|shardId-.+|[0-9]+)$` }
