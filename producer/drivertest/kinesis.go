package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

// Error codes a script answers with.
const (
	CodeThrottled = "ProvisionedThroughputExceededException"
	CodeInternal  = "InternalFailure"
)

// Entry is an entry of a call.
type Entry = types.PutRecordsRequestEntry

// Script decides what becomes of a call. It is given the number of the call,
// from 0, and its entries, which it must not keep. Calls are scripted one at a
// time, in the order they come in.
type Script func(call int, entries []Entry) Answer

// Answer says what becomes of one PutRecords call. The zero value stores all
// and acknowledges all at once.
type Answer struct {
	After time.Duration   // how long the service takes before it does anything
	Gate  <-chan struct{} // closed when the service may go on
	Err   error           // the call fails as a whole
	Hang  bool            // the answer never comes: the call ends with its context
	// Commit stores what fails all the same: what a cut connection or a server
	// error leaves open.
	Commit bool
	Short  bool               // the answer lists fewer records than the call had: none can be told from another
	Code   func(i int) string // error code of entry i, "" for none
}

// Stored is one user record in a stream.
type Stored struct {
	Seq    uint64
	Key    string
	Shard  string
	Stream int // index of the stream record
	Hash   kload.HashKey
	Tag    string
	// Aggregated says that it lay in an aggregate.
	Aggregated bool
	// Misrouted says that its hash key does not belong to the shard: KCL would
	// drop it.
	Misrouted bool
}

// Put is one stream record in a stream.
type Put struct {
	Key, HashKey, Shard string
	Bytes, Users        int
	At                  time.Time
}

// Kinesis is a stream in memory that behaves as a test's script says and
// refuses what the service refuses. It implements the part of the Kinesis
// client that drivers use.
type Kinesis struct {
	// MaxRecord is the largest record that it takes: 1 MiB, unless set before use.
	MaxRecord int

	mu       sync.Mutex
	script   Script
	shards   []shard.Shard
	shardSeq int
	auto     bool                   // records are distributed at will
	turn     int                    // of that
	listFail int                    // ListShards calls to fail
	ranges   map[string]shard.Range // of all shards there ever were
	lists    int
	calls    []time.Time // when each came in
	puts     []Put
	stored   []Stored
	doubt    map[uint64]int // attempts that left open whether it was stored
	strays   map[uint64]int // attempts acknowledged in an aggregate with records that may belong elsewhere
	attempts map[uint64][]time.Time
	flying   map[string]int
	crowd    int // most stream records of one shard in flight at once
	problems []string
}

// NewKinesis returns a stream of n shards.
func NewKinesis(n int, script Script) *Kinesis {
	k := &Kinesis{MaxRecord: 1 << 20, script: script, doubt: map[uint64]int{}, strays: map[uint64]int{}, attempts: map[uint64][]time.Time{}, flying: map[string]int{}, ranges: map[string]shard.Range{}}
	k.Reshard(n)
	return k
}

// Reshard replaces all shards by n new ones.
func (k *Kinesis) Reshard(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shards = nil
	for _, r := range shard.Split(n) {
		k.shards = append(k.shards, k.newShard(r))
	}
}

// newShard opens a shard. k.mu is held.
func (k *Kinesis) newShard(r shard.Range) shard.Shard {
	s := shard.Shard{ID: fmt.Sprintf("shardId-%012d", k.shardSeq), Range: r, Open: true}
	k.shardSeq++
	k.ranges[s.ID] = r
	return s
}

// Split replaces the shard with the given index, by hash key, by two of half its
// size.
func (k *Kinesis) Split(i int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.shards[i].Range
	middle := kload.HashKey{Hi: r.Start.Hi + (r.End.Hi-r.Start.Hi)/2, Lo: r.Start.Lo}
	upper := kload.HashKey{Hi: middle.Hi, Lo: middle.Lo + 1}
	if upper.Lo == 0 {
		upper.Hi++
	}
	k.shards = slices.Replace(k.shards, i, i+1,
		k.newShard(shard.Range{Start: r.Start, End: middle}), k.newShard(shard.Range{Start: upper, End: r.End}))
}

// Merge replaces the shard with the given index and the one above by one.
func (k *Kinesis) Merge(i int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	both := shard.Range{Start: k.shards[i].Range.Start, End: k.shards[i+1].Range.End}
	k.shards = slices.Replace(k.shards, i, i+2, k.newShard(both))
}

// Distribute sets whether the stream distributes records as it likes (record
// distribution AUTO). Its records then go to shards in turn.
func (k *Kinesis) Distribute(auto bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.auto = auto
}

// FailLists makes the next n calls of ListShards fail.
func (k *Kinesis) FailLists(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listFail = n
}

// DescribeStreamSummary tells how records are distributed, and nothing else.
func (k *Kinesis) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := new(types.StreamDescriptionSummary)
	if k.auto {
		d.RecordDistributionStrategy = types.RecordDistributionStrategyAuto
	}
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: d}, nil
}

// ListShards lists the shards, two to a page.
func (k *Kinesis) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lists++
	if k.listFail > 0 {
		k.listFail--
		return nil, APIError("LimitExceededException")
	}
	from := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &from); err != nil || in.StreamName != nil {
			return nil, APIError("InvalidArgumentException")
		}
	}
	out := new(kinesis.ListShardsOutput)
	for i, s := range k.shards[from:min(from+2, len(k.shards))] {
		out.Shards = append(out.Shards, types.Shard{
			ShardId: aws.String(s.ID),
			HashKeyRange: &types.HashKeyRange{
				StartingHashKey: aws.String(shard.FormatHash(s.Range.Start)),
				EndingHashKey:   aws.String(shard.FormatHash(s.Range.End)),
			},
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")},
		})
		if next := from + i + 1; i == 1 && next < len(k.shards) {
			out.NextToken = aws.String(fmt.Sprint(next))
		}
	}
	return out, nil
}

// PutRecords does what the script says.
func (k *Kinesis) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	if err := refused(in.Records, k.MaxRecord); err != nil {
		k.note("%v", err)
		return nil, APIError("ValidationException")
	}
	answer, at := k.begin(in.Records)
	defer k.end(at)
	if err := answer.wait(ctx); err != nil {
		answer = Answer{Err: err, Commit: answer.Commit}
	}
	k.mu.Lock()
	out := k.carryOut(answer, in.Records, at)
	k.mu.Unlock()
	if answer.Hang {
		<-ctx.Done()
		return nil, &aws.RequestCanceledError{Err: ctx.Err()}
	}
	if answer.Err != nil {
		return nil, answer.Err
	}
	return out, nil
}

// PutRecord does what the script says of a call with one entry.
func (k *Kinesis) PutRecord(ctx context.Context, in *kinesis.PutRecordInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordOutput, error) {
	out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: in.StreamName,
		Records:    []types.PutRecordsRequestEntry{{Data: in.Data, PartitionKey: in.PartitionKey, ExplicitHashKey: in.ExplicitHashKey}},
	})
	if err != nil {
		return nil, err
	}
	if len(out.Records) == 0 {
		return nil, APIError(CodeInternal)
	}
	r := &out.Records[0]
	if r.ErrorCode != nil {
		return nil, APIError(*r.ErrorCode)
	}
	return &kinesis.PutRecordOutput{ShardId: r.ShardId, SequenceNumber: r.SequenceNumber}, nil
}

// wait lets the service take its time.
func (a *Answer) wait(ctx context.Context) error {
	if a.After > 0 {
		select {
		case <-time.After(a.After):
		case <-ctx.Done():
			return &aws.RequestCanceledError{Err: ctx.Err()}
		}
	}
	if a.Gate != nil {
		select {
		case <-a.Gate:
		case <-ctx.Done():
			return &aws.RequestCanceledError{Err: ctx.Err()}
		}
	}
	return nil
}

// refused applies the limits of the service.
func refused(entries []types.PutRecordsRequestEntry, maxRecord int) error {
	if n := len(entries); n < 1 || n > 500 {
		return fmt.Errorf("%d entries in one request", n)
	}
	total := 0
	for i := range entries {
		e := &entries[i]
		size, key := len(e.Data)+len(*e.PartitionKey), len([]rune(*e.PartitionKey))
		if total += size; size > maxRecord || key < 1 || key > 256 {
			return fmt.Errorf("an entry of %d bytes with a key of %d characters", size, key)
		}
	}
	if total > 10<<20 {
		return fmt.Errorf("%d bytes in one request", total)
	}
	return nil
}

// begin books a call and asks the script. It returns the shards of the entries.
func (k *Kinesis) begin(entries []types.PutRecordsRequestEntry) (Answer, []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := make([]string, len(entries))
	for i := range entries {
		at[i] = k.route(&entries[i])
		k.flying[at[i]]++
		k.crowd = max(k.crowd, k.flying[at[i]])
		for _, u := range k.users(&entries[i]) {
			k.attempts[u.Seq] = append(k.attempts[u.Seq], time.Now())
		}
	}
	n := len(k.calls)
	k.calls = append(k.calls, time.Now())
	if k.script == nil {
		return Answer{}, at
	}
	return k.script(n, entries), at
}

func (k *Kinesis) end(at []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range at {
		k.flying[id]--
	}
}

// carryOut stores what is to be stored and prepares the answer. k.mu is held.
func (k *Kinesis) carryOut(a Answer, entries []types.PutRecordsRequestEntry, at []string) *kinesis.PutRecordsOutput {
	out := &kinesis.PutRecordsOutput{FailedRecordCount: aws.Int32(0)}
	whole := a.Hang || a.Err != nil || a.Short
	for i := range entries {
		e, code := &entries[i], ""
		if a.Code != nil {
			code = a.Code(i)
		}
		if whole && inDoubt(a) || code != "" && code != CodeThrottled {
			for _, u := range k.users(e) {
				k.doubt[u.Seq]++
			}
		}
		if a.Commit || !whole && code == "" {
			k.store(e, at[i], !whole && code == "")
		}
		if code != "" {
			*out.FailedRecordCount++
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: aws.String(code), ErrorMessage: aws.String("scripted")})
			continue
		}
		out.Records = append(out.Records, types.PutRecordsResultEntry{
			ShardId: aws.String(at[i]), SequenceNumber: aws.String(fmt.Sprint(len(k.puts))),
		})
	}
	if a.Short {
		out.Records = out.Records[1:]
	}
	return out
}

// inDoubt tells failures that leave open whether the records were stored.
func inDoubt(a Answer) bool {
	if op, ok := errors.AsType[*net.OpError](a.Err); ok && op.Op == "dial" {
		return false
	}
	if api, ok := errors.AsType[smithy.APIError](a.Err); ok {
		return api.ErrorFault() == smithy.FaultServer
	}
	return true
}

func (k *Kinesis) store(e *types.PutRecordsRequestEntry, at string, acknowledged bool) {
	users := k.users(e)
	// Of a shard that came and went a driver may never have heard.
	stray := len(users) > 1 && k.shardSeq > len(k.shards)
	for i := range users {
		u := &users[i]
		u.Shard, u.Stream = at, len(k.puts)
		u.Misrouted = !k.ranges[at].Contains(u.Hash)
		stray = stray || u.Misrouted
	}
	k.stored = append(k.stored, users...)
	for _, u := range users {
		if stray && acknowledged {
			k.strays[u.Seq]++
		}
	}
	k.puts = append(k.puts, Put{
		Key: *e.PartitionKey, HashKey: aws.ToString(e.ExplicitHashKey), Shard: at,
		Bytes: len(e.Data), Users: len(users), At: time.Now(),
	})
}

// users takes an entry apart. k.mu is held.
func (k *Kinesis) users(e *types.PutRecordsRequestEntry) []Stored {
	var d kpl.Decoder
	switch d.Reset(e.Data) {
	case kpl.Plain:
		return []Stored{{Seq: k.identify(e.Data), Key: *e.PartitionKey, Hash: hashOf(e)}}
	case kpl.BadAggregate:
		k.problems = append(k.problems, "a bad aggregate was sent")
	case kpl.Aggregate:
	}
	var out []Stored
	var u kpl.User
	for d.Next(&u) {
		if !u.HasHash {
			u.Hash = shard.HashOf(u.Key)
		}
		out = append(out, Stored{Seq: k.identify(u.Data), Key: string(u.Key), Hash: u.Hash, Tag: string(u.Tag), Aggregated: true})
	}
	return out
}

// identify returns the number of a payload made by [Feed].
func (k *Kinesis) identify(data []byte) uint64 {
	seq, ok := parsePayload(data)
	if !ok {
		k.problems = append(k.problems, fmt.Sprintf("a payload was changed: %.40q", data))
	}
	return seq
}

func hashOf(e *types.PutRecordsRequestEntry) kload.HashKey {
	if e.ExplicitHashKey == nil {
		return shard.HashOf([]byte(*e.PartitionKey))
	}
	h, err := shard.ParseHash(*e.ExplicitHashKey)
	if err != nil {
		panic(err)
	}
	return h
}

func (k *Kinesis) route(e *types.PutRecordsRequestEntry) string {
	if k.auto {
		k.turn++
		return k.shards[k.turn%len(k.shards)].ID
	}
	h := hashOf(e)
	i := slices.IndexFunc(k.shards, func(s shard.Shard) bool { return s.Range.Contains(h) })
	return k.shards[i].ID
}

func (k *Kinesis) note(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

// Calls returns when each PutRecords call came in.
func (k *Kinesis) Calls() []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

// Lists returns how many ListShards calls came in.
func (k *Kinesis) Lists() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lists
}

// Attempts returns when a user record was sent.
func (k *Kinesis) Attempts(seq uint64) []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.attempts[seq])
}

// Crowd returns the largest number of stream records of one shard that were
// in flight at once.
func (k *Kinesis) Crowd() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.crowd
}

// Puts returns the stream records in the order they were stored.
func (k *Kinesis) Puts() []Put {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.puts)
}

// Stored returns the user records in the order they were stored.
func (k *Kinesis) Stored() []Stored {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.stored)
}

// ShardIDs returns the shards in use, in order of their ranges.
func (k *Kinesis) ShardIDs() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := make([]string, len(k.shards))
	for i, s := range k.shards {
		ids[i] = s.ID
	}
	return ids
}

// doubts returns how many attempts may have stored a record without an answer
// that says so.
func (k *Kinesis) doubts() map[uint64]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.doubt)
}

// strayed returns how often a record was acknowledged in an aggregate that may
// not all belong where it was stored, as far as a driver can know.
func (k *Kinesis) strayed() map[uint64]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.strays)
}

// broken returns what a driver did that no driver may.
func (k *Kinesis) broken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	slices.SortFunc(k.problems, cmp.Compare[string])
	return slices.Compact(slices.Clone(k.problems))
}

// APIError returns an error of the service, of which InternalFailure and
// ServiceUnavailable are its own fault.
func APIError(code string) error {
	fault := smithy.FaultClient
	if code == CodeInternal || code == "ServiceUnavailable" {
		fault = smithy.FaultServer
	}
	return &smithy.OperationError{
		ServiceID: "Kinesis", OperationName: "PutRecords",
		Err: &smithy.GenericAPIError{Code: code, Message: "scripted", Fault: fault},
	}
}

// Refused returns the error of a connection that was not made.
func Refused() error {
	return &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}}
}

// Cut returns the error of a connection that was lost under way.
func Cut() error {
	return &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Net: "memory", Err: syscall.ECONNRESET}}
}
