package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answer is what came back: the members of every operation's answer that checks
// look at, and the answer itself.
type answer struct {
	err    error // nothing came back
	status int
	header http.Header
	body   []byte

	Code    string `json:"__type"`
	Message string `json:"message"`
	streamAnswer
	recordAnswer
	consumerAnswer
	settingAnswer
}

type streamAnswer struct {
	StreamDescription, StreamDescriptionSummary description
	Shards                                      []shardInfo
	NextToken                                   string
	StreamNames                                 []string
	StreamSummaries                             []description
	HasMoreStreams                              bool
	CurrentShardCount, TargetShardCount         int
	ShardLimit, OpenShardCount                  int
}

type recordAnswer struct {
	ShardIterator, NextShardIterator string
	ShardID                          string `json:"ShardId"`
	SequenceNumber, EncryptionType   string
	FailedRecordCount                int
	Records                          []record
	MillisBehindLatest               *int64
	ChildShards                      []shardInfo
	ContinuationSequenceNumber       string
}

type consumerAnswer struct {
	Consumer, ConsumerDescription consumer
	Consumers                     []consumer
}

type settingAnswer struct {
	Tags                                               json.RawMessage
	HasMoreTags                                        bool
	CurrentShardLevelMetrics, DesiredShardLevelMetrics []string
	Policy                                             string
}

type description struct {
	StreamName, StreamARN, StreamStatus string
	StreamModeDetails                   struct{ StreamMode string }
	Shards                              []shardInfo
	HasMoreShards                       bool
	OpenShardCount, ConsumerCount       *int
	MaxRecordSizeInKiB                  *int
	RecordDistributionStrategy          string
	EncryptionType                      string
	KeyID                               string `json:"KeyId"`
	RetentionPeriodHours                int
	StreamCreationTimestamp             float64
}

type shardInfo struct {
	ShardID               string `json:"ShardId"`
	ParentShardID         string `json:"ParentShardId"`
	AdjacentParentShardID string `json:"AdjacentParentShardId"`
	ParentShards          []string
	HashKeyRange          struct{ StartingHashKey, EndingHashKey string }
	SequenceNumberRange   struct{ StartingSequenceNumber, EndingSequenceNumber string }
}

func (s shardInfo) open() bool { return s.SequenceNumberRange.EndingSequenceNumber == "" }

// record is a record read, or where one was written.
type record struct {
	Data                        []byte
	PartitionKey                *string
	SequenceNumber              string
	ShardID                     string  `json:"ShardId"`
	ApproximateArrivalTimestamp float64 // seconds since 1970
	ErrorCode, ErrorMessage     string
	EncryptionType              string
}

type consumer struct {
	ConsumerName, ConsumerARN, ConsumerStatus, StreamARN string
	ConsumerCreationTimestamp                            float64
}

// decode fills the members from the body, if it is JSON.
func (a *answer) decode() {
	if len(a.body) == 0 || a.body[0] != '{' {
		return
	}
	if err := json.Unmarshal(a.body, a); err != nil {
		a.err = fmt.Errorf("decoding an answer: %w", err)
	}
	_, code, prefixed := strings.Cut(a.Code, "#")
	if prefixed {
		a.Code = code
	}
}

// overRate reports whether the call came too soon and may be repeated.
func (a answer) overRate() bool {
	return a.Code == throttled || a.Code == limitExceeded && strings.Contains(a.Message, "Rate exceeded")
}

// String says what was answered, for details.
func (a answer) String() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.Code != "":
		return fmt.Sprintf("%d %s: %s", a.status, a.Code, short(a.Message))
	}
	return fmt.Sprintf("%d %s", a.status, short(string(a.body)))
}

// members returns the names and raw values of the answer's members.
func (a answer) members() map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(a.body, &m) // no members then
	return m
}

func dataOf(recs []record) string {
	var all []string
	for _, r := range recs {
		all = append(all, string(r.Data))
	}
	return strings.Join(all, " ")
}

func idsOf(shards []shardInfo) string {
	var all []string
	for _, s := range shards {
		all = append(all, strings.TrimPrefix(s.ShardID, "shardId-00000000000"))
	}
	return strings.Join(all, " ")
}

func openOf(shards []shardInfo) (out []shardInfo) {
	for _, s := range shards {
		if s.open() {
			out = append(out, s)
		}
	}
	return out
}
