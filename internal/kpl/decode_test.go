package kpl_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
)

// seal wraps a protobuf message, however wrong, with a right magic and digest.
func seal(msg []byte) []byte {
	sum := md5.Sum(msg)
	return append(append([]byte("\xF3\x89\x9A\xC2"), msg...), sum[:]...)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Messages no encoder of ours writes, and that others may.
func TestDecodeForeignMessages(t *testing.T) {
	user := func(key, data string) kpl.User { return kpl.User{Key: []byte(key), Data: []byte(data)} }
	hashed := func(h kload.HashKey) []kpl.User {
		u := user("a", "x")
		u.Hash, u.HasHash = h, true
		return []kpl.User{u}
	}
	tagged := func(tag []byte) []kpl.User {
		u := user("a", "x")
		u.Tag = tag
		return []kpl.User{u}
	}
	const (
		keyA   = "0a0161"
		record = "1a05 0800 1a0178"
	)
	for _, tc := range []struct {
		name, msg string
		want      []kpl.User // nil: a bad aggregate
	}{
		{"tables first", keyA + record, []kpl.User{user("a", "x")}},
		{"tables last", record + keyA, []kpl.User{user("a", "x")}},
		{"hash table last", keyA + "1a07 0800 1000 1a0178" + "120137", hashed(kload.HashKey{Lo: 7})},
		{"zero-padded hash key", "1203303037" + keyA + "1a07 0800 1000 1a0178", hashed(kload.HashKey{Lo: 7})},
		{"hash key of zeros", "12023030" + keyA + "1a07 0800 1000 1a0178", hashed(kload.HashKey{})},
		{"a table entry nobody uses", "0a0162" + keyA + "1a05 0801 1a0178", []kpl.User{user("a", "x")}},
		{"empty key", "0a00" + record, []kpl.User{user("", "x")}},
		{"no records", keyA, []kpl.User{}},
		{"fields of a record in reverse", keyA + "1a05 1a0178 0800", []kpl.User{user("a", "x")}},
		{"the last of repeated fields wins", keyA + "1a0a 0805 1a0179 0800 1a0178", []kpl.User{user("a", "x")}},
		{"index as a padded varint", keyA + "1a06 088000 1a0178", []kpl.User{user("a", "x")}},
		{"unknown varint", "209601" + keyA + record, []kpl.User{user("a", "x")}},
		{"unknown fixed64 and fixed32", "2101020304050607082501020304" + keyA + record, []kpl.User{user("a", "x")}},
		{"unknown bytes in the record", keyA + "1a08 0800 1a0178 2a0199", []kpl.User{user("a", "x")}},
		{"unknown group", "2b 0801 2b 2c 2c" + keyA + record, []kpl.User{user("a", "x")}},
		{"known field, other wire type", "0801" + keyA + record, []kpl.User{user("a", "x")}},
		{"a tag of ours", keyA + "1a0d 0800 1a0178 2206 0a016b 120174", tagged([]byte("t"))},
		{"a tag of ours without value", keyA + "1a0a 0800 1a0178 2203 0a016b", tagged([]byte{})},
		{"a foreign tag", keyA + "1a0d 0800 1a0178 2206 0a016a 120174", tagged(nil)},
		{"ours after a foreign tag", keyA + "1a12 0800 1a0178 2203 0a016a 2206 120174 0a016b", tagged([]byte("t"))},
		{"the first of two tags of ours", keyA + "1a15 0800 1a0178 2206 0a016b 120174 2206 0a016b 120175", tagged([]byte("t"))},

		{"empty message", "", nil},
		{"key index without table", record, nil},
		{"key index past the table", keyA + "1a05 0801 1a0178", nil},
		{"key index of 2^32", keyA + "1a09 088080808010 1a0178", nil},
		{"key index of 2^32-1", keyA + "1a09 08ffffffff0f 1a0178", nil},
		{"hash index without table", keyA + "1a07 0800 1000 1a0178", nil},
		{"hash index past the table", keyA + "120137 1a07 0800 1001 1a0178", nil},
		{"hash index of 2^32-1", keyA + "1a0b 0800 10ffffffff0f 1a0178", nil},
		{"hash key not decimal", keyA + "120178" + record, nil},
		{"hash key empty", keyA + "1200" + record, nil},
		{"record without key", keyA + "1a03 1a0178", nil},
		{"record without data", keyA + "1a02 0800", nil},
		{"tag without key", keyA + "1a0a 0800 1a0178 2203 120174", nil},
		{"cut in a table entry", "0a0261", nil},
		{"cut in a record", keyA + "1a06 0800 1a0178", nil},
		{"data longer than its record", keyA + "1a05 0800 1a0278" + keyA, nil},
		{"tag longer than its record", keyA + "1a07 0800 1a0178 2205", nil},
		{"cut in a varint", keyA + "80", nil},
		{"varint of 11 bytes", "20ffffffffffffffffffff01" + keyA + record, nil},
		{"length of 2^63", "0a80808080808080808001" + keyA + record, nil},
		{"field number 0", "0001" + keyA + record, nil},
		{"wire type 6", "26" + keyA + record, nil},
		{"wire type 7", "27" + keyA + record, nil},
		{"end of no group", "2c" + keyA + record, nil},
		{"end of another group", "2b34" + keyA + record, nil},
		{"group without end", "2b" + keyA + record, nil},
		{"groups too deep", strings.Repeat("2b", 20) + strings.Repeat("2c", 20) + keyA + record, nil},
		{"cut in fixed32", keyA + record + "250102", nil},
		{"cut in fixed64", keyA + record + "2101020304", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d kpl.Decoder
			kind, got := unpack(&d, seal(unhex(t, tc.msg)))
			if wantKind := kindFor(tc.want); kind != wantKind {
				t.Fatalf("decoded as %v, want %v", kind, wantKind)
			}
			if d.Count() != len(tc.want) {
				t.Errorf("Count %d, want %d", d.Count(), len(tc.want))
			}
			if diff := diffUsers(tc.want, got); len(tc.want)+len(got) > 0 && diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
		})
	}
}

func kindFor(users []kpl.User) kpl.Kind {
	if users == nil {
		return kpl.BadAggregate
	}
	return kpl.Aggregate
}

func TestKinds(t *testing.T) {
	good := pack([]kpl.User{{Key: []byte("a"), Data: []byte("x")}})
	for _, tc := range []struct {
		name string
		data []byte
		want kpl.Kind
	}{
		{"nil", nil, kpl.Plain},
		{"text", []byte("hello"), kpl.Plain},
		{"part of the magic", good[:3], kpl.Plain},
		{"magic alone", good[:4], kpl.BadAggregate},
		{"magic and half a digest", good[:12], kpl.BadAggregate},
		{"one byte short", good[:len(good)-1], kpl.BadAggregate},
		{"one byte more", append(slices.Clone(good), 0), kpl.BadAggregate},
		{"magic changed", append([]byte{0xF2}, good[1:]...), kpl.Plain},
		{"whole", good, kpl.Aggregate},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d kpl.Decoder
			kind, users := unpack(&d, tc.data)
			if kind != tc.want || (len(users) == 1) != (tc.want == kpl.Aggregate) {
				t.Errorf("%v with %d users, want %v", kind, len(users), tc.want)
			}
			if got := kpl.IsAggregate(tc.data); got != (tc.want != kpl.Plain) {
				t.Errorf("IsAggregate = %v for a %v record", got, tc.want)
			}
		})
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		var d kpl.Decoder
		if kind := d.Reset(bad); kind == kpl.Aggregate {
			t.Errorf("a flipped bit in byte %d went unnoticed", i)
		}
	}
}

func TestKindNames(t *testing.T) {
	got := fmt.Sprint(kpl.Plain, kpl.Aggregate, kpl.BadAggregate)
	if want := "plain aggregate bad_aggregate"; got != want {
		t.Errorf("kinds are called %q, want %q", got, want)
	}
}

// Nothing of one record may show up in the next.
func TestDecoderIsReusable(t *testing.T) {
	full := newSampler(5).users(100)
	bare := []kpl.User{{Key: []byte("a"), Data: []byte("x")}}
	var d kpl.Decoder
	for range 2 {
		for _, users := range [][]kpl.User{full, bare} {
			kind, got := unpack(&d, pack(users))
			if diff := diffUsers(users, got); kind != kpl.Aggregate || diff != "" {
				t.Errorf("decoded as %v (-want +got):\n%s", kind, diff)
			}
		}
		for _, data := range [][]byte{nil, []byte("plain"), seal(unhex(t, "0a0161 1a05 0801 1a0178"))} {
			if kind, got := unpack(&d, data); kind == kpl.Aggregate || len(got) > 0 || d.Count() != 0 {
				t.Errorf("%v with %d users after an aggregate", kind, len(got))
			}
		}
	}
}

func TestDecodeLendsItsInput(t *testing.T) {
	data := pack([]kpl.User{{Key: []byte("a"), Tag: []byte("t"), Data: []byte("x")}})
	var d kpl.Decoder
	var u kpl.User
	if d.Reset(data) != kpl.Aggregate || !d.Next(&u) {
		t.Fatal("a good aggregate was refused")
	}
	for i := range data {
		data[i] = '!'
	}
	if got := string(u.Key) + string(u.Tag) + string(u.Data); got != "!!!" {
		t.Errorf("user record holds %q: copied, not lent", got)
	}
	if len(u.Data) != cap(u.Data) {
		t.Error("appending to a lent slice would write into the next record")
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	data := pack(newSampler(9).users(500))
	var d kpl.Decoder
	var n int
	allocs := testing.AllocsPerRun(20, func() {
		n = 0
		for u, _ := (kpl.User{}), d.Reset(data); d.Next(&u); {
			n++
		}
	})
	if allocs != 0 || n != 500 {
		t.Errorf("%v allocations for %d users, want 0 for 500", allocs, n)
	}
}

// FuzzDecode takes the input both as it is and as a message with a right digest,
// which a fuzzer would never find by itself.
func FuzzDecode(f *testing.F) {
	for seed := range uint64(10) {
		data := pack(newSampler(seed).users(5))
		f.Add(data)
		f.Add(data[4 : len(data)-md5.Size])
	}
	f.Add([]byte("plain"))
	f.Add([]byte{0x2b, 0x2c})
	f.Fuzz(func(t *testing.T, in []byte) {
		var d kpl.Decoder
		for _, data := range [][]byte{in, seal(in)} {
			kind, users := unpack(&d, data)
			if kind != kpl.Aggregate {
				if len(users) > 0 {
					t.Fatalf("%v with %d users", kind, len(users))
				}
				continue
			}
			checkOracle(t, data, users)
			if len(users) == 0 {
				continue
			}
			again, back := unpack(&d, pack(users))
			if diff := diffUsers(users, back); again != kpl.Aggregate || diff != "" {
				t.Fatalf("re-encoded users decode as %v (-want +got):\n%s", again, diff)
			}
		}
	})
}
