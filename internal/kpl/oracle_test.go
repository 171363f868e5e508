package kpl_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"
	"github.com/awslabs/kinesis-aggregation/go/v2/records"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// oracleUsers decodes data with awslabs' protobuf types, explicit hash keys and
// tags included.
func oracleUsers(t *testing.T, data []byte) []kpl.User {
	t.Helper()
	var agg records.AggregatedRecord
	if err := agg.XXX_Unmarshal(data[4 : len(data)-16]); err != nil {
		t.Fatalf("protobuf refuses what we take for an aggregate: %v", err)
	}
	var users []kpl.User
	for i, r := range agg.Records {
		u := kpl.User{Key: []byte(agg.PartitionKeyTable[r.GetPartitionKeyIndex()]), Data: r.Data, Sub: int64(i)}
		if r.ExplicitHashKeyIndex != nil {
			dec := agg.ExplicitHashKeyTable[*r.ExplicitHashKeyIndex]
			for len(dec) > 1 && dec[0] == '0' {
				dec = dec[1:]
			}
			h, err := shard.ParseHash(dec)
			if err != nil {
				t.Fatal(err)
			}
			u.Hash, u.HasHash = h, true
		}
		for _, tag := range r.Tags {
			if tag.GetKey() == kpl.TagKey {
				u.Tag = []byte(tag.GetValue())
				break
			}
		}
		users = append(users, u)
	}
	return users
}

func checkOracle(t *testing.T, data []byte, users []kpl.User) {
	t.Helper()
	if diff := diffUsers(oracleUsers(t, data), users); diff != "" {
		t.Fatalf("users (-protobuf +ours):\n%s", diff)
	}
}

func TestProtobufReadsOurs(t *testing.T) {
	for seed := range uint64(100) {
		users := newSampler(seed).users(1 + int(seed)*7)
		checkOracle(t, pack(users), users)
	}
}

// The other direction: the canonical encoder puts all tables before all records.
func TestWeReadProtobufs(t *testing.T) {
	var d kpl.Decoder
	for seed := range uint64(50) {
		users := newSampler(seed).users(1 + int(seed)*7)
		ours := pack(users)
		var agg records.AggregatedRecord
		if err := agg.XXX_Unmarshal(ours[4 : len(ours)-16]); err != nil {
			t.Fatal(err)
		}
		msg, err := agg.XXX_Marshal(nil, true)
		if err != nil {
			t.Fatal(err)
		}
		kind, got := unpack(&d, seal(msg))
		if diff := diffUsers(users, got); kind != kpl.Aggregate || diff != "" {
			t.Fatalf("seed %d: decoded as %v (-want +got):\n%s", seed, kind, diff)
		}
	}
}

func TestDeaggregatorReadsOurs(t *testing.T) {
	type pair struct{ Key, Data string }
	for seed := range uint64(100) {
		users := newSampler(seed).users(1 + int(seed)*5)
		got, err := deaggregator.DeaggregateRecords([]types.Record{{Data: pack(users)}})
		if err != nil {
			t.Fatal(err)
		}
		var wantPairs, gotPairs []pair
		for _, u := range users {
			wantPairs = append(wantPairs, pair{string(u.Key), string(u.Data)})
		}
		for _, r := range got {
			gotPairs = append(gotPairs, pair{*r.PartitionKey, string(r.Data)})
		}
		if diff := cmp.Diff(wantPairs, gotPairs); diff != "" {
			t.Fatalf("seed %d (-want +deaggregator):\n%s", seed, diff)
		}
	}
}
