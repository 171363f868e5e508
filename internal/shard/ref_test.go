package shard_test

import (
	"testing"

	"github.com/kload/kload/internal/shard"
)

func TestRef(t *testing.T) {
	for text, want := range map[string]shard.Ref{
		"hottest": shard.Hottest, "coldest": shard.Coldest, "shardId-000000000001": "shardId-000000000001", "0": "shardId-000000000000",
		"12": "shardId-000000000012", "": "", "shardId-": "", "warmest": "", "-1": "", "1.5": "", "4294967296": "",
	} {
		var r shard.Ref
		if err := r.UnmarshalText([]byte(text)); (err == nil) != (want != "") || r != want || err == nil && r.Relative() != (text == "hottest" || text == "coldest") {
			t.Errorf("%q: %q, %v", text, r, err)
		}
	}
}
