package kinesis_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload/internal/local/kinesis"
)

func TestStreams(t *testing.T) {
	cfg := kinesis.Config{Limits: kinesis.Limits{WriteRecords: 3, ReadCalls: 1}}
	bubble(t, cfg, func(t *testing.T, s *kinesis.Server, c *sdk.Client) {
		if err := s.CreateStream("s", 2); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateStream("quiet", 1); err != nil {
			t.Fatal(err)
		}
		entry := types.PutRecordsRequestEntry{PartitionKey: aws.String("key"), Data: []byte("1234567"), ExplicitHashKey: aws.String("0")}
		if _, err := c.PutRecords(t.Context(), &sdk.PutRecordsInput{
			StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{entry, entry, entry, entry},
		}); err != nil {
			t.Fatal(err)
		}
		it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		read(t.Context(), t, c, it)
		if _, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it}); err == nil {
			t.Error("a second GetRecords was not throttled")
		}
		if _, err := c.MergeShards(t.Context(), &sdk.MergeShardsInput{
			StreamName: aws.String("s"), ShardToMerge: aws.String("shardId-000000000000"), AdjacentShardToMerge: aws.String("shardId-000000000001"),
		}); err != nil {
			t.Fatal(err)
		}
		want := []kinesis.StreamStats{
			{Name: "quiet", Status: "ACTIVE", Mode: "PROVISIONED", Shards: []kinesis.ShardStats{{ID: "shardId-000000000000", Open: true}}},
			{Name: "s", Status: "ACTIVE", Mode: "PROVISIONED", Shards: []kinesis.ShardStats{
				{
					ID: "shardId-000000000000", StoredRecords: 3, StoredBytes: 30,
					Tally: kinesis.Tally{RecordsIn: 3, BytesIn: 30, RecordsOut: 3, BytesOut: 30, ThrottledWrites: 1, ThrottledReads: 1},
				},
				{ID: "shardId-000000000001"},
				{ID: "shardId-000000000002", Open: true},
			}},
		}
		if diff := cmp.Diff(want, s.Streams(time.Now()), cmpopts.IgnoreFields(kinesis.StreamStats{}, "Created")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		// What is closed is gone after the retention period.
		<-time.After(25 * time.Hour)
		if got := s.Streams(time.Now())[1].Shards; len(got) != 1 || got[0].ID != "shardId-000000000002" {
			t.Errorf("after retention: %+v", got)
		}
	})
}

func TestCreateStream(t *testing.T) {
	s, err := kinesis.New(kinesis.Config{StateDelay: time.Hour, ShardQuota: 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} { // more than may be CREATING
		if err := s.CreateStream(name, 2); err != nil {
			t.Fatal(err)
		}
	}
	for _, st := range s.Streams(time.Now()) {
		if st.Status != "ACTIVE" || len(st.Shards) != 2 {
			t.Errorf("%+v", st)
		}
	}
	for _, bad := range []struct {
		name   string
		shards int
	}{{"a", 1}, {"", 1}, {"no/slash", 1}, {"none", 0}, {"many", 9}} {
		if err := s.CreateStream(bad.name, bad.shards); err == nil {
			t.Errorf("%q with %d shards was made", bad.name, bad.shards)
		}
	}
}
