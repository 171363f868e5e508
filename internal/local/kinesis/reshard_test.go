package kinesis_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/shard"
)

const (
	topHash = "340282366920938463463374607431768211455"
	half    = "170141183460469231731687303715884105728"
)

// listed is a shard as ListShards has it, short.
type listed struct {
	ID             string
	Start, End     string
	Parent, Second string
	Open           bool
}

func listAll(ctx context.Context, t *testing.T, c *sdk.Client, filter *types.ShardFilter) (shards []listed) {
	t.Helper()
	in := &sdk.ListShardsInput{StreamName: aws.String("s"), ShardFilter: filter, MaxResults: aws.Int32(3)}
	for {
		out, err := c.ListShards(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range out.Shards {
			shards = append(shards, listed{
				strings.TrimLeft(strings.TrimPrefix(*s.ShardId, "shardId-"), "0") + "#", *s.HashKeyRange.StartingHashKey, *s.HashKeyRange.EndingHashKey,
				tail(s.ParentShardId), tail(s.AdjacentParentShardId), s.SequenceNumberRange.EndingSequenceNumber == nil,
			})
		}
		if out.NextToken == nil {
			return shards
		}
		in = &sdk.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(3)}
	}
}

func tail(id *string) string {
	if id == nil {
		return ""
	}
	return strings.TrimLeft(strings.TrimPrefix(*id, "shardId-"), "0") + "#"
}

func ids(shards []listed) string {
	var list []string
	for _, s := range shards {
		list = append(list, s.ID)
	}
	return strings.Join(list, " ")
}

func split(t *testing.T, c *sdk.Client, index int, at string) {
	t.Helper()
	if _, err := c.SplitShard(t.Context(), &sdk.SplitShardInput{
		StreamName: aws.String("s"), ShardToSplit: aws.String(fmt.Sprintf("shardId-%012d", index)), NewStartingHashKey: &at,
	}); err != nil {
		t.Fatal(err)
	}
}

func merge(t *testing.T, c *sdk.Client, a, b int) {
	t.Helper()
	if _, err := c.MergeShards(t.Context(), &sdk.MergeShardsInput{
		StreamName: aws.String("s"), ShardToMerge: aws.String(fmt.Sprintf("shardId-%012d", a)),
		AdjacentShardToMerge: aws.String(fmt.Sprintf("shardId-%012d", b)),
	}); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, c *sdk.Client) string {
	t.Helper()
	out, err := c.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(out.StreamDescriptionSummary.StreamStatus, *out.StreamDescriptionSummary.OpenShardCount)
}

func putOne(t *testing.T, c *sdk.Client, hash, data string) *sdk.PutRecordOutput {
	t.Helper()
	out, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{
		StreamName: aws.String("s"), Data: []byte(data), PartitionKey: aws.String("k"), ExplicitHashKey: &hash,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSplitAndMerge(t *testing.T) {
	bubble(t, kinesis.Config{StateDelay: time.Second}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 1)
		<-time.After(time.Second)
		before := putOne(t, c, "7", "a")
		split(t, c, 0, half)
		got := []string{status(t, c)}
		during := putOne(t, c, "7", "b") // writes go on while the stream is UPDATING
		_, err := c.MergeShards(t.Context(), &sdk.MergeShardsInput{
			StreamName: aws.String("s"), ShardToMerge: aws.String("shardId-000000000001"), AdjacentShardToMerge: aws.String("shardId-000000000002"),
		})
		busy, ok := errors.AsType[*types.ResourceInUseException](err)
		if !ok || *busy.Message != "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING" {
			t.Errorf("merge while UPDATING: %v", err)
		}
		<-time.After(time.Second)
		got = append(got, status(t, c))
		merge(t, c, 2, 1)
		<-time.After(time.Second)
		after := putOne(t, c, "7", "c")
		got = append(got, status(t, c))
		if diff := cmp.Diff([]string{"UPDATING2", "ACTIVE2", "ACTIVE1"}, got); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if *before.ShardId != "shardId-000000000000" || *during.ShardId != "shardId-000000000001" || *after.ShardId != "shardId-000000000003" ||
			*during.SequenceNumber <= *before.SequenceNumber || *after.SequenceNumber <= *during.SequenceNumber {
			t.Errorf("a key's records went to %s, %s, %s under %s, %s, %s", *before.ShardId, *during.ShardId, *after.ShardId,
				*before.SequenceNumber, *during.SequenceNumber, *after.SequenceNumber)
		}
		want := []listed{
			{"#", "0", topHash, "", "", false},
			{"1#", "0", "170141183460469231731687303715884105727", "#", "", false},
			{"2#", half, topHash, "#", "", false},
			{"3#", "0", topHash, "2#", "1#", true},
		}
		if diff := cmp.Diff(want, listAll(t.Context(), t, c, nil)); diff != "" {
			t.Errorf("shards (-want +got):\n%s", diff)
		}
		checkEnds(t, c, before, after)
	})
}

// checkEnds checks the sequence numbers at both ends of shards.
func checkEnds(t *testing.T, c *sdk.Client, first, last *sdk.PutRecordOutput) {
	t.Helper()
	desc, err := c.DescribeStream(t.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	shards := desc.StreamDescription.Shards
	root, child := shards[0].SequenceNumberRange, shards[3].SequenceNumberRange
	if len(*root.EndingSequenceNumber) != 56 || *first.SequenceNumber >= *root.EndingSequenceNumber ||
		*root.EndingSequenceNumber >= *child.StartingSequenceNumber || *child.StartingSequenceNumber >= *last.SequenceNumber {
		t.Errorf("out of order: %s, %s, %s, %s", *first.SequenceNumber, *root.EndingSequenceNumber, *child.StartingSequenceNumber, *last.SequenceNumber)
	}
	if _, counter, _, _, ok := kinesis.ParseSequence(*root.EndingSequenceNumber); !ok || counter != 1<<63-1 {
		t.Errorf("ending number %s has counter %x", *root.EndingSequenceNumber, counter)
	}
	it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: root.EndingSequenceNumber})
	if out := read(t.Context(), t, c, it); len(out.Records) != 0 || out.NextShardIterator != nil || len(out.ChildShards) != 2 {
		t.Errorf("after the ending number: %+v", out)
	}
}

func TestShardEnd(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 2)
		tip := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "LATEST"})
		putOne(t, c, "0", "a")
		putOne(t, c, "0", "b")
		split(t, c, 0, "1000")
		merge(t, c, 2, 3) // 2 is [0, 999], 3 the rest of 0
		page, err := c.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: tip, Limit: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Records) != 1 || page.NextShardIterator == nil || page.ChildShards != nil {
			t.Errorf("before the end: %+v", page)
		}
		describe := func(out *sdk.GetRecordsOutput) string {
			text := fmt.Sprint(payloads(out), out.NextShardIterator == nil, *out.MillisBehindLatest)
			for _, ch := range out.ChildShards {
				text += fmt.Sprint(" ", tail(ch.ShardId), "<", ch.ParentShards, *ch.HashKeyRange.StartingHashKey)
			}
			return text
		}
		got := []string{describe(read(t.Context(), t, c, page.NextShardIterator)), describe(read(t.Context(), t, c, tip))}
		for _, id := range []string{"shardId-000000000002", "shardId-000000000003", "shardId-000000000004"} {
			it := iterator(t, c, sdk.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON", ShardId: &id})
			got = append(got, describe(read(t.Context(), t, c, it)))
		}
		children := " 2#<[shardId-000000000000]0 3#<[shardId-000000000000]1000"
		merged := " 4#<[shardId-000000000002 shardId-000000000003]0"
		want := []string{"[b] true 0" + children, "[a b] true 0" + children, "[] true 0" + merged, "[] true 0" + merged, "[] false 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestShardFilters(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		start := time.Now()
		create(t, c, "s", 2)
		<-time.After(time.Hour)
		split(t, c, 0, "1000") // 2, 3
		<-time.After(time.Hour)
		merge(t, c, 2, 3) // 4
		at := func(h float64) *time.Time { return aws.Time(start.Add(time.Duration(h * float64(time.Hour)))) }
		tests := []struct {
			name   string
			filter types.ShardFilter
			want   string
		}{
			{"after a shard", types.ShardFilter{Type: "AFTER_SHARD_ID", ShardId: aws.String("shardId-000000000002")}, "3# 4#"},
			{"at the tip", types.ShardFilter{Type: "AT_LATEST"}, "1# 4#"},
			{"at the horizon", types.ShardFilter{Type: "AT_TRIM_HORIZON"}, "# 1#"},
			{"from the horizon", types.ShardFilter{Type: "FROM_TRIM_HORIZON"}, "# 1# 2# 3# 4#"},
			{"at a time before the stream", types.ShardFilter{Type: "AT_TIMESTAMP", Timestamp: at(-1)}, "# 1#"},
			{"at a time between", types.ShardFilter{Type: "AT_TIMESTAMP", Timestamp: at(1.5)}, "1# 2# 3#"},
			{"at the moment of a split", types.ShardFilter{Type: "AT_TIMESTAMP", Timestamp: at(1)}, "1# 2# 3#"},
			{"from a time between", types.ShardFilter{Type: "FROM_TIMESTAMP", Timestamp: at(1.5)}, "1# 2# 3# 4#"},
			{"from now", types.ShardFilter{Type: "FROM_TIMESTAMP", Timestamp: at(2.5)}, "1# 4#"},
		}
		for _, tc := range tests {
			if got := ids(listAll(t.Context(), t, c, &tc.filter)); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
			}
		}
		<-time.After(23*time.Hour + time.Minute) // shard 0 has been closed for a day, 2 and 3 have not
		if got := ids(listAll(t.Context(), t, c, nil)); got != "1# 2# 3# 4#" {
			t.Errorf("a day after the split: %s", got)
		}
		if got := ids(listAll(t.Context(), t, c, &types.ShardFilter{Type: "AT_TRIM_HORIZON"})); got != "1# 2# 3#" {
			t.Errorf("at the horizon a day after the split: %s", got)
		}
		_, err := c.GetShardIterator(t.Context(), &sdk.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: "TRIM_HORIZON",
		})
		if gone, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok ||
			*gone.Message != "Shard shardId-000000000000 in stream s under account 000000000000 does not exist" {
			t.Errorf("a vanished shard: %v", err)
		}
	})
}

func TestUpdateShardCount(t *testing.T) {
	tests := []struct{ from, to int }{{1, 1}, {1, 2}, {2, 1}, {2, 4}, {4, 2}, {4, 5}, {5, 3}, {10, 13}, {7, 14}, {3, 2}}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%d to %d", tc.from, tc.to), func(t *testing.T) {
			_, c := serve(t, kinesis.Config{})
			create(t, c, "s", int32(tc.from))
			out, err := c.UpdateShardCount(t.Context(), &sdk.UpdateShardCountInput{
				StreamName: aws.String("s"), TargetShardCount: aws.Int32(int32(tc.to)), ScalingType: "UNIFORM_SCALING",
			})
			if err != nil || int(*out.CurrentShardCount) != tc.from || int(*out.TargetShardCount) != tc.to ||
				*out.StreamARN != "arn:aws:kinesis:us-east-1:000000000000:stream/s" {
				t.Fatalf("%+v, %v", out, err)
			}
			var got []string
			parents := map[string]bool{}
			shards := listAll(t.Context(), t, c, nil)
			slices.SortFunc(shards, func(a, b listed) int { return strings.Compare(pad(a.Start), pad(b.Start)) })
			for _, s := range shards {
				parents[s.Parent], parents[s.Second] = true, true
				if s.Open {
					got = append(got, s.Start+"-"+s.End)
				}
			}
			var want []string
			for _, r := range shard.Split(tc.to) {
				want = append(want, shard.FormatHash(r.Start)+"-"+shard.FormatHash(r.End))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("open shards (-want +got):\n%s", diff)
			}
			for _, s := range shards {
				if !s.Open && !parents[s.ID] {
					t.Errorf("closed shard %s is nobody's parent", s.ID)
				}
			}
		})
	}
}

func pad(s string) string { return strings.Repeat("0", 40-len(s)) + s }

func TestUpdateShardCountLimits(t *testing.T) {
	bubble(t, kinesis.Config{}, func(t *testing.T, _ *kinesis.Server, c *sdk.Client) {
		create(t, c, "s", 3)
		scale := func(n int32) string {
			_, err := c.UpdateShardCount(t.Context(), &sdk.UpdateShardCountInput{
				StreamName: aws.String("s"), TargetShardCount: &n, ScalingType: "UNIFORM_SCALING",
			})
			if limit, ok := errors.AsType[*types.LimitExceededException](err); ok {
				return *limit.Message
			}
			return fmt.Sprint(err)
		}
		got := []string{scale(7), scale(1)}
		for range 5 {
			got = append(got, scale(4), scale(3))
		}
		got = append(got, scale(4))
		<-time.After(24 * time.Hour)
		got = append(got, scale(4))
		want := []string{
			"UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 3 Target shard count: 7",
			"UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 3 Target shard count: 1",
		}
		want = append(want, slices.Repeat([]string{"<nil>"}, 10)...)
		want = append(want, "Stream s under account 000000000000 has been scaled 10 times in the last 24 hours, the limit of UpdateShardCount.", "<nil>")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestReshardRefusals(t *testing.T) {
	c := newCaller(t, kinesis.Config{ShardQuota: 8})
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":3}`, nil)
	c.must(t, "SplitShard", `{"StreamName":"s","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"100"}`, nil)
	c.must(t, "CreateStream", `{"StreamName":"d"}`, nil)
	const validation, invalid, lost = "ValidationException", "InvalidArgumentException", "ResourceNotFoundException"
	cut := func(shard, at string) string {
		return `{"StreamName":"s","ShardToSplit":"` + shard + `","NewStartingHashKey":"` + at + `"}`
	}
	join := func(a, b string) string {
		return `{"StreamName":"s","ShardToMerge":"` + a + `","AdjacentShardToMerge":"` + b + `"}`
	}
	outside := func(at string) string {
		return "NewStartingHashKey " + at + " used in SplitShard() on shard shardId-000000000003 in stream s under account 000000000000 " +
			"is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey 99."
	}
	onDemand := "Stream d under account 000000000000 is in ON_DEMAND mode: its shards can not be split, merged or counted by the caller."
	closed := "Shard shardId-000000000000 in stream s under account 000000000000 has already been merged or split, " +
		"and thus is not eligible for merging or splitting."
	checkRefusals(t, c, []refusal{
		{"SplitShard", `{}`, validation, violations(fmt.Sprintf(vNull, "newStartingHashKey"), fmt.Sprintf(vNull, "shardToSplit"), fmt.Sprintf(vNull, "streamName"))},
		{"SplitShard", cut("shardId-000000000003", "01"), validation, violations(fmt.Sprintf(vHash, "01", "newStartingHashKey"))},
		{"SplitShard", `{"StreamName":"none","ShardToSplit":"0","NewStartingHashKey":"1"}`, lost, missing},
		{"SplitShard", cut("shardId-000000000007", "5"), lost, "Could not find shard shardId-000000000007 in stream s under account 000000000000."},
		{"SplitShard", cut("first", "5"), lost, "Could not find shard first in stream s under account 000000000000."},
		{"SplitShard", cut("shardId-000000000000", "5"), "ResourceInUseException", closed},
		{"SplitShard", cut("shardId-000000000003", "0"), invalid, outside("0")},
		{"SplitShard", cut("shardId-000000000003", "1"), invalid, outside("1")},
		{"SplitShard", cut("shardId-000000000003", "99"), invalid, outside("99")},
		{"SplitShard", cut("shardId-000000000003", "999999999999999999999999999999999999999"), invalid, outside("999999999999999999999999999999999999999")},
		{"SplitShard", `{"StreamName":"d","ShardToSplit":"0","NewStartingHashKey":"5"}`, validation, onDemand},
		{
			"SplitShard", cut("shardId-000000000003", "5"), "LimitExceededException",
			"This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the account: 8. Limit: 8. " +
				"Number of additional shards that would have resulted from this request: 1. Refer to the AWS Service Limits page " +
				"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
		},
		{"MergeShards", `{}`, validation, violations(fmt.Sprintf(vNull, "adjacentShardToMerge"), fmt.Sprintf(vNull, "shardToMerge"), fmt.Sprintf(vNull, "streamName"))},
		{"MergeShards", join("shardId-000000000003", "shardId-000000000001"), invalid, "Shards shardId-000000000003 and shardId-000000000001 " +
			"in stream s under account 000000000000 are not an adjacent pair of shards eligible for merging"},
		{"MergeShards", join("shardId-000000000001", "shardId-000000000001"), invalid, "Shards shardId-000000000001 and shardId-000000000001 " +
			"in stream s under account 000000000000 are not an adjacent pair of shards eligible for merging"},
		{"MergeShards", join("shardId-000000000000", "shardId-000000000001"), "ResourceInUseException", closed},
		{"MergeShards", join("shardId-000000000001", "9"), lost, "Could not find shard shardId-000000000009 in stream s under account 000000000000."},
		{"UpdateShardCount", `{"StreamName":"s"}`, validation, violations(fmt.Sprintf(vNull, "scalingType"), fmt.Sprintf(vNull, "targetShardCount"))},
		{"UpdateShardCount", `{"StreamName":"s","TargetShardCount":0,"ScalingType":"X"}`, validation, violations(
			"Value 'X' at 'scalingType' failed to satisfy constraint: Member must satisfy enum value set: [UNIFORM_SCALING]",
			fmt.Sprintf(vMin, 0, "targetShardCount", 1))},
		{"UpdateShardCount", `{"StreamName":"d","TargetShardCount":5,"ScalingType":"UNIFORM_SCALING"}`, validation, onDemand},
		{"ListShards", `{"StreamName":"s","ShardFilter":{"Type":"AT_TIMESTAMP"}}`, invalid, "Timestamp must be provided for ShardFilter type AT_TIMESTAMP."},
	})
}

// TestReshardUnderLoad has writers meet random splits and merges, and reads
// everything parents first: nothing lost, nothing twice, each key in order.
func TestReshardUnderLoad(t *testing.T) {
	const writers, rounds, batch = 4, 60, 20
	s, err := kinesis.New(kinesis.Config{Limits: kinesis.Limits{Off: true}, StoreBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := callerOf(s)
	c.must(t, "CreateStream", `{"StreamName":"s","ShardCount":4}`, nil)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			c := callerOf(s)
			for n := range rounds {
				body := []byte(`{"StreamName":"s","Records":[`)
				for i := range batch { // batch keys of its own, one record each
					data := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "w%dk%d %04d", w, i, n))
					body = fmt.Appendf(body, `{"PartitionKey":"w%dk%d","Data":%q},`, w, i, data)
				}
				body = append(body[:len(body)-1], "]}"...)
				status, answer := c.call("PutRecords", body)
				if status != http.StatusOK || !strings.Contains(string(answer), `"FailedRecordCount":0`) {
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	var resharder sync.WaitGroup
	resharder.Go(func() { reshardAtRandom(callerOf(s), done) })
	wg.Wait()
	close(done)
	resharder.Wait()
	last, total := map[string]string{}, 0
	for _, data := range readLineage(t, c) {
		key, n, _ := strings.Cut(data, " ")
		if n <= last[key] && last[key] != "" {
			t.Fatalf("key %s: %s after %s", key, n, last[key])
		}
		last[key] = n
		total++
	}
	if total != writers*rounds*batch || len(last) != writers*batch {
		t.Errorf("read %d records of %d keys, want %d of %d", total, len(last), writers*rounds*batch, writers*batch)
	}
}

// reshardAtRandom splits and merges until done is closed; what does not fit is
// refused.
func reshardAtRandom(c *caller, done <-chan struct{}) {
	rng := rand.New(rand.NewPCG(1, 2))
	for {
		select {
		case <-done:
			return
		default:
		}
		_, answer := c.call("ListShards", []byte(`{"StreamName":"s","ShardFilter":{"Type":"AT_LATEST"}}`))
		var out struct {
			Shards []struct {
				ID string `json:"ShardId"`
			}
		}
		if json.Unmarshal(answer, &out) != nil || len(out.Shards) == 0 {
			return
		}
		a, b := out.Shards[rng.IntN(len(out.Shards))].ID, out.Shards[rng.IntN(len(out.Shards))].ID
		if len(out.Shards) < 8 {
			hash := fmt.Sprintf("%d%018d%018d", 1+rng.IntN(300), rng.Int64N(1e18), rng.Int64N(1e18))
			c.call("SplitShard", fmt.Appendf(nil, `{"StreamName":"s","ShardToSplit":%q,"NewStartingHashKey":%q}`, a, hash))
		}
		c.call("MergeShards", fmt.Appendf(nil, `{"StreamName":"s","ShardToMerge":%q,"AdjacentShardToMerge":%q}`, a, b))
	}
}

// readLineage reads every shard to its end, parents before children.
func readLineage(t *testing.T, c *caller) (data []string) {
	t.Helper()
	type child struct {
		ID           string `json:"ShardId"`
		ParentShards []string
	}
	left, seen := []string{"shardId-000000000000", "shardId-000000000001", "shardId-000000000002", "shardId-000000000003"}, map[string]bool{}
	var waiting []child
	for len(left) > 0 {
		id := left[0]
		left = left[1:]
		seen[id] = true
		var it struct{ ShardIterator string }
		c.must(t, "GetShardIterator", fmt.Sprintf(`{"StreamName":"s","ShardId":%q,"ShardIteratorType":"TRIM_HORIZON"}`, id), &it)
		for it.ShardIterator != "" {
			var out struct {
				Records            []gotRecord
				NextShardIterator  string
				MillisBehindLatest int
				ChildShards        []child
			}
			c.must(t, "GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, it.ShardIterator), &out)
			for _, r := range out.Records {
				data = append(data, string(r.Data))
			}
			if it.ShardIterator = out.NextShardIterator; out.MillisBehindLatest == 0 {
				it.ShardIterator = ""
			}
			waiting = append(waiting, out.ChildShards...)
		}
		waiting = slices.DeleteFunc(waiting, func(ch child) bool {
			for _, p := range ch.ParentShards {
				if !seen[p] {
					return false
				}
			}
			if !seen[ch.ID] && !slices.Contains(left, ch.ID) {
				left = append(left, ch.ID)
			}
			return true
		})
	}
	return data
}
