package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conformance"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

// call is one exchange on its way through the proxy.
type call struct {
	op      string
	request *http.Request
	asked   []byte // the request's body

	status int
	header http.Header
	body   []byte
}

// code returns the error code of the answer.
func (c *call) code() string {
	var e struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(c.body, &e)
	return e.Type
}

// refuse replaces the answer.
func (c *call) refuse(code string) {
	c.status, c.body = http.StatusBadRequest, fmt.Appendf(nil, `{"__type":%q,"message":"made up"}`, code)
}

func (c *call) grant(body string) { c.status, c.body = http.StatusOK, []byte(body) }

// swap replaces text in the answer.
func (c *call) swap(from, to string) {
	c.body = bytes.ReplaceAll(c.body, []byte(from), []byte(to))
}

// edit changes the answer's members.
func (c *call) edit(f func(m map[string]any)) {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.UseNumber()
	m := map[string]any{}
	if d.Decode(&m) != nil {
		return
	}
	f(m)
	c.body, _ = json.Marshal(m) // of what was JSON
}

func (c *call) drop(member string) { c.edit(func(m map[string]any) { delete(m, member) }) }

func (c *call) set(member string, v any) {
	c.edit(func(m map[string]any) {
		if _, there := m[member]; there {
			m[member] = v
		}
	})
}

// list changes a member that is a list and not empty.
func (c *call) list(member string, f func([]any) []any) {
	c.edit(func(m map[string]any) {
		if l, _ := m[member].([]any); len(l) > 0 {
			m[member] = f(l)
		}
	})
}

// mutation is one thing that a proxy does to every exchange it applies to.
type mutation struct {
	name  string
	ask   func(c *call)                                      // changes the request's body
	reply func(c *call)                                      // changes the answer
	frame func(kind string, payload []byte) (string, []byte) // changes a pushed message; an empty kind drops it
	fails []int
	fine  int  // a check that must not mind; 0 for none
	large bool // of megabytes, which the race detector makes slow
}

// proxy is a server that is not quite what it should be.
type proxy struct {
	next http.Handler
	mu   sync.Mutex // mutations may remember
	m    mutation
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202.")
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := &call{op: op, request: r, asked: asked}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m.ask != nil {
		p.m.ask(c)
	}
	in := r.Clone(r.Context())
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(c.asked)), int64(len(c.asked))
	if op == "SubscribeToShard" && p.m.frame != nil {
		p.mu.Unlock()
		defer p.mu.Lock()
		p.next.ServeHTTP(&framer{ResponseWriter: w, edit: p.m.frame}, in)
		return
	}
	if op == "SubscribeToShard" && p.m.reply == nil {
		p.mu.Unlock()
		defer p.mu.Lock()
		p.next.ServeHTTP(w, in)
		return
	}
	rec := httptest.NewRecorder()
	p.next.ServeHTTP(rec, in)
	c.status, c.header, c.body = rec.Code, rec.Header(), rec.Body.Bytes()
	if p.m.reply != nil {
		p.m.reply(c)
	}
	clear(w.Header())
	maps.Copy(w.Header(), c.header)
	w.Header().Set("Content-Length", fmt.Sprint(len(c.body)))
	w.WriteHeader(c.status)
	_, _ = w.Write(c.body)
}

// framer edits the frames of an event stream, each of which is one Write.
type framer struct {
	http.ResponseWriter
	edit func(kind string, payload []byte) (string, []byte)
}

func (f *framer) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *framer) Write(b []byte) (int, error) {
	m, err := eventstream.NewDecoder().Decode(bytes.NewReader(b), nil)
	if err != nil {
		return f.ResponseWriter.Write(b) // a refusal
	}
	name := ":event-type"
	if m.Headers.Get(name) == nil {
		name = ":exception-type"
	}
	kind, payload := f.edit(m.Headers.Get(name).String(), m.Payload)
	if kind == "" {
		return len(b), nil
	}
	m.Headers.Set(name, eventstream.StringValue(kind))
	m.Payload = payload
	if err := eventstream.NewEncoder().Encode(f.ResponseWriter, m); err != nil {
		return 0, err
	}
	return len(b), nil
}

// in applies a change to the answers of some operations only.
func in(f func(c *call), ops ...string) func(c *call) {
	return func(c *call) {
		if slices.Contains(ops, c.op) {
			f(c)
		}
	}
}

// becomes changes an error code.
func becomes(from, to string, ops ...string) func(c *call) {
	return in(func(c *call) {
		if c.code() == from {
			c.swap(`"`+from+`"`, `"`+to+`"`)
		}
	}, ops...)
}

// granted turns refusals into success.
func granted(code, body string, ops ...string) func(c *call) {
	return in(func(c *call) {
		if c.code() == code {
			c.grant(body)
		}
	}, ops...)
}

func swapped(from, to string, ops ...string) func(c *call) {
	return in(func(c *call) { c.swap(from, to) }, ops...)
}

func dropped(member string, ops ...string) func(c *call) {
	return in(func(c *call) { c.drop(member) }, ops...)
}

const (
	notFound   = "ResourceNotFoundException"
	inUse      = "ResourceInUseException"
	invalid    = "InvalidArgumentException"
	validation = "ValidationException"
	limit      = "LimitExceededException"
	throttled  = "ProvisionedThroughputExceededException"
	stored     = `{"ShardId":"shardId-000000000000","SequenceNumber":"1"}`
)

func transportMutations() []mutation {
	every := func(f func(c *call)) func(c *call) { return f }
	return []mutation{
		{name: "another content type", reply: every(func(c *call) { c.header.Set("Content-Type", "application/json") }), fails: []int{1}, fine: 14},
		{name: "GET is served", reply: in(func(c *call) { c.grant("{}") }, ""), fails: []int{2}, fine: 1},
		{name: "one request id for all", reply: every(func(c *call) { c.header["x-amzn-RequestId"] = []string{"same"} }), fails: []int{3}, fine: 1},
		{name: "no second id", reply: every(func(c *call) { delete(c.header, "x-amz-id-2") }), fails: []int{3}, fine: 1},
		{name: "unknown operations are invalid", reply: every(func(c *call) { c.swap("UnknownOperationException", validation) }), fails: []int{4}, fine: 5},
		{name: "wrong types in other words", reply: every(func(c *call) { c.swap("java.lang.String", "string") }), fails: []int{5}, fine: 4},
		{name: "errors say more", reply: every(func(c *call) {
			c.edit(func(m map[string]any) {
				if m["__type"] != nil {
					m["extra"] = true
				}
			})
		}), fails: []int{6}, fine: 28},
		{name: "unsigned requests are denied otherwise", reply: every(func(c *call) { c.swap("MissingAuthenticationTokenException", "AccessDeniedException") }), fails: []int{7}, fine: 1},
		{name: "null is a wrong type", reply: in(func(c *call) {
			if bytes.Contains(c.asked, []byte("null")) {
				c.refuse("SerializationException")
			}
		}, "ListStreams"), fails: []int{8}, fine: 1},
		{name: "one region only", reply: every(func(c *call) {
			if strings.Contains(c.request.Header.Get("Authorization"), "eu-central-9") {
				c.refuse(validation)
			}
		}), fails: []int{9}, fine: 1},
		{name: "a clock a day ahead", reply: every(func(c *call) {
			c.header.Set("Date", time.Now().Add(24*time.Hour).UTC().Format(http.TimeFormat))
		}), fails: []int{10, 50}, fine: 1},
		{name: "bodies of 5 MiB at most", large: true, reply: every(func(c *call) {
			if len(c.asked) > 5<<20 {
				c.status, c.body = http.StatusRequestEntityTooLarge, nil
			}
		}), fails: []int{11, 34}, fine: 35},
		{name: "CBOR answered in JSON", reply: every(func(c *call) { c.header.Set("Content-Type", "application/x-amz-json-1.1") }), fails: []int{12}, fine: 1},
		{name: "CBOR with another time", reply: in(func(c *call) {
			if i := bytes.Index(c.body, []byte("ApproximateArrivalTimestamp")); c.request.Header.Get("Content-Type") != "application/x-amz-json-1.1" && i > 0 {
				c.body[i+len("ApproximateArrivalTimestamp")+9] ^= 1
			}
		}, "GetRecords"), fails: []int{12}, fine: 47},
	}
}

func streamMutations() []mutation {
	return []mutation{
		{name: "CreateStream says something", reply: in(func(c *call) { c.grant(`{"StreamName":"x"}`) }, "CreateStream"), fails: []int{13}},
		{name: "streams are encrypted", reply: swapped(`"EncryptionType":"NONE"`, `"EncryptionType":"KMS"`, "DescribeStream"), fails: []int{13, 79}, fine: 16},
		{name: "taken names in other words", reply: swapped("already exists.", "exists.", "CreateStream"), fails: []int{14}, fine: 15},
		{name: "one violation at a time", reply: in(func(c *call) {
			if i := bytes.Index(c.body, []byte("; Value")); i > 0 {
				c.body = append(c.body[:i:i], `"}`...)
			}
		}, "CreateStream"), fails: []int{15}, fine: 14},
		{name: "shards begin one later", reply: swapped(`"StartingHashKey":"0"`, `"StartingHashKey":"1"`, "ListShards"), fails: []int{16, 60, 65}, fine: 22},
		{name: "no limit of streams", reply: granted(limit, "", "CreateStream"), fails: []int{6, 17, 18}, fine: 14},
		{name: "on-demand is not said", reply: swapped("ON_DEMAND", "PROVISIONED", "DescribeStream"), fails: []int{19}, fine: 13},
		{name: "no consumers are counted", reply: swapped(`"ConsumerCount":1`, `"ConsumerCount":0`, "DescribeStreamSummary"), fails: []int{20}, fine: 19},
		{name: "never more shards", reply: swapped(`"HasMoreShards":true`, `"HasMoreShards":false`, "DescribeStream"), fails: []int{21}, fine: 22},
		{name: "no next page", reply: dropped("NextToken", "ListShards", "ListStreams", "ListStreamConsumers"), fails: []int{22, 24, 68}, fine: 23},
		{name: "tokens never expire", reply: granted("ExpiredNextTokenException", "{}", "ListShards", "ListStreamConsumers"), fails: []int{22, 68}, fine: 24},
		{name: "one shard is not listed", reply: in(func(c *call) {
			if bytes.Contains(c.asked, []byte("AT_TRIM_HORIZON")) {
				c.list("Shards", func(l []any) []any { return l[1:] })
			}
		}, "ListShards"), fails: []int{23}, fine: 16},
		{name: "summaries in another order", reply: in(func(c *call) {
			c.list("StreamSummaries", func(l []any) []any { slices.Reverse(l); return l })
		}, "ListStreams"), fails: []int{24}, fine: 22},
		{name: "no ARN for writing", reply: in(func(c *call) {
			if bytes.Contains(c.asked, []byte("StreamARN")) {
				c.refuse(validation)
			}
		}, "PutRecord"), fails: []int{25}, fine: 29},
		{name: "missing streams in other words", reply: swapped("not found.", "unknown", "DescribeStream", "PutRecord"), fails: []int{26, 28}, fine: 49},
		{name: "old positions are unknown", reply: becomes(invalid, notFound, "GetShardIterator"), fails: []int{27, 47, 49}, fine: 48},
		{name: "missing streams are invalid", reply: becomes(notFound, invalid, "DescribeStream"), fails: []int{6, 26, 28, 82}, fine: 21},
	}
}

func writeMutations() []mutation {
	split := false
	return []mutation{
		{name: "shards mixed up", reply: in(func(c *call) {
			c.swap("shardId-000000000000", "shardId-x")
			c.swap("shardId-000000000001", "shardId-000000000000")
			c.swap("shardId-x", "shardId-000000000001")
		}, "PutRecords"), fails: []int{29, 35}, fine: 34},
		{name: "bad records have another code", reply: becomes(validation, invalid, "PutRecord"), fails: []int{30, 31}, fine: 39},
		{name: "bad records are stored", reply: granted(invalid, stored, "PutRecord"), fails: []int{30, 32, 42, 45}, fine: 39},
		{name: "any record size may be set", large: true, reply: granted(validation, "{}", "UpdateMaxRecordSize"), fails: []int{33}, fine: 32},
		{name: "any number of records", large: true, reply: granted(validation, `{"Records":[]}`, "PutRecords"), fails: []int{34, 46}, fine: 35},
		{name: "results in another order", reply: in(func(c *call) {
			c.list("Records", func(l []any) []any { slices.Reverse(l); return l })
		}, "PutRecords"), fails: []int{35}, fine: 34},
		{name: "one result is missing", large: true, reply: in(func(c *call) {
			c.list("Records", func(l []any) []any { return l[1:] })
		}, "PutRecords"), fails: []int{34, 35, 38}, fine: 39},
		{name: "failures are not counted", reply: swapped(`"FailedRecordCount":1`, `"FailedRecordCount":0`, "PutRecords"), fails: []int{36}, fine: 35},
		{name: "failures in other words", reply: swapped("Internal Service Failure", "Sorry", "PutRecords"), fails: []int{36}, fine: 38},
		{name: "bad hash keys in other words", reply: swapped("[0, 2^128-1]", "range", "PutRecord", "PutRecords"), fails: []int{30, 37}, fine: 29},
		{name: "throttling in other words", reply: swapped("Rate exceeded for shard", "Too fast for", "PutRecord", "PutRecords"), fails: []int{38, 39}, fine: 56},
		{name: "throttled records are granted", reply: granted(throttled, stored, "PutRecord"), fails: []int{39}, fine: 38},
		{name: "limits stay", large: true, reply: swapped(`"FailedRecordCount":0`, `"FailedRecordCount":1`, "PutRecords"), fails: []int{34, 40}, fine: 39},
		{name: "short sequence numbers", reply: in(func(c *call) {
			c.edit(func(m map[string]any) {
				if n, _ := m["SequenceNumber"].(string); n != "" {
					m["SequenceNumber"] = n[:55]
				}
			})
		}, "PutRecord"), fails: []int{41}, fine: 39},
		{name: "one sequence number for all", reply: in(func(c *call) { c.set("SequenceNumber", strings.Repeat("4", 56)) }, "PutRecord"), fails: []int{41, 42}, fine: 39},
		{name: "NONE is said", reply: in(func(c *call) { c.edit(func(m map[string]any) { m["EncryptionType"] = "NONE" }) }, "PutRecord"), fails: []int{43}, fine: 41},
		{name: "no writes after a split", reply: func(c *call) {
			split = split || c.op == "SplitShard"
			if split && c.op == "PutRecord" {
				c.refuse(inUse)
			}
		}, fails: []int{44, 63}},
		{name: "all to one shard", reply: in(func(c *call) {
			for i := 1; i < 4; i++ {
				c.swap(fmt.Sprintf("shardId-%012d", i), "shardId-000000000000")
			}
		}, "PutRecords"), fails: []int{29, 45}, fine: 34},
		{name: "dry runs succeed", reply: granted("DryRunOperationException", "{}", "PutRecord", "GetRecords", "GetShardIterator"), fails: []int{6, 46}, fine: 28},
	}
}

func readMutations() []mutation {
	used := map[string]bool{}
	return []mutation{
		{name: "after is at", ask: in(func(c *call) {
			c.asked = bytes.ReplaceAll(c.asked, []byte("AFTER_SEQUENCE_NUMBER"), []byte("AT_SEQUENCE_NUMBER"))
		}, "GetShardIterator"), fails: []int{47}, fine: 48},
		{name: "latest is the beginning", ask: in(func(c *call) {
			c.asked = bytes.ReplaceAll(c.asked, []byte(`"LATEST"`), []byte(`"TRIM_HORIZON"`))
		}, "GetShardIterator"), fails: []int{47, 48}, fine: 50},
		{name: "a record is lost", reply: in(func(c *call) {
			c.list("Records", func(l []any) []any { return l[1:] })
		}, "GetRecords"), fails: []int{32, 35, 38, 47, 50, 53, 62, 63}, fine: 52},
		{name: "a record comes twice", reply: in(func(c *call) {
			c.list("Records", func(l []any) []any { return append(l[:1:1], l...) })
		}, "GetRecords"), fails: []int{38, 47, 50, 53, 62, 63}, fine: 52},
		{name: "records in another order", reply: in(func(c *call) {
			c.list("Records", func(l []any) []any { slices.Reverse(l); return l })
		}, "GetRecords"), fails: []int{47, 50, 53}, fine: 52},
		{name: "no partition keys", reply: in(func(c *call) {
			c.list("Records", func(l []any) []any {
				for _, r := range l {
					if m, ok := r.(map[string]any); ok {
						delete(m, "PartitionKey")
					}
				}
				return l
			})
		}, "GetRecords"), fails: []int{45, 50, 63}, fine: 47},
		{name: "any limit", reply: granted(validation, `{"Records":[]}`, "GetRecords"), fails: []int{51, 55}, fine: 52},
		{name: "empty shards end", reply: in(func(c *call) {
			if bytes.Contains(c.body, []byte(`"Records":[]`)) {
				c.drop("NextShardIterator")
			}
		}, "GetRecords"), fails: []int{52}, fine: 51},
		{name: "iterators are used up", reply: in(func(c *call) {
			if c.status == http.StatusOK && used[string(c.asked)] {
				c.set("Records", []any{})
			}
			used[string(c.asked)] = true
		}, "GetRecords"), fails: []int{53}, fine: 52},
		{name: "no times of expiry", reply: swapped("while right now it is", "now", "GetRecords"), fails: []int{54}, fine: 52},
		{name: "no iterator expires", reply: granted("ExpiredIteratorException", `{"Records":[],"MillisBehindLatest":0}`, "GetRecords"), fails: []int{54}, fine: 52},
		{name: "bad iterators in other words", reply: swapped("Invalid ShardIterator.", "Invalid.", "GetRecords"), fails: []int{55}, fine: 54},
		{name: "read throttling in other words", reply: swapped("Rate exceeded for Shard - ", "Rate exceeded for shard ", "GetRecords"), fails: []int{56}, fine: 39},
		{name: "reading is never throttled", large: true, reply: granted(throttled, `{"Records":[],"MillisBehindLatest":0}`, "GetRecords"), fails: []int{56, 57}, fine: 39},
		{name: "always at the tip", reply: in(func(c *call) { c.set("MillisBehindLatest", 0) }, "GetRecords"), fails: []int{58}, fine: 50},
		{name: "retention in other words", reply: swapped("is too short", "is short", "DecreaseStreamRetentionPeriod"), fails: []int{59}},
	}
}

func reshardMutations() []mutation {
	return []mutation{
		{name: "splits in other words", reply: swapped("is not both", "is not", "SplitShard"), fails: []int{60}, fine: 62},
		{name: "no parents", reply: swapped("ParentShardId", "Parent", "ListShards"), fails: []int{60, 61}, fine: 62},
		{name: "merges in other words", reply: swapped("an adjacent pair", "a pair", "MergeShards"), fails: []int{61}, fine: 63},
		{name: "no children", reply: dropped("ChildShards", "GetRecords"), fails: []int{62}, fine: 63},
		{name: "busy in other words", reply: swapped("instead in state UPDATING", "but UPDATING", "SplitShard", "MergeShards"), fails: []int{64}, fine: 60},
		{name: "no count before", reply: dropped("CurrentShardCount", "UpdateShardCount"), fails: []int{65}, fine: 60},
		{name: "no limit of scaling", reply: granted(limit, "{}", "UpdateShardCount", "UpdateStreamMode"), fails: []int{65, 66}, fine: 60},
	}
}

func pushMutations() []mutation {
	payload := func(from, to string) func(string, []byte) (string, []byte) {
		return func(kind string, b []byte) (string, []byte) {
			return kind, bytes.ReplaceAll(b, []byte(from), []byte(to))
		}
	}
	edited := func(f func(c *call)) func(string, []byte) (string, []byte) {
		return func(kind string, b []byte) (string, []byte) {
			c := &call{body: b}
			f(c)
			return kind, c.body
		}
	}
	return []mutation{
		{name: "consumers without a time", reply: in(func(c *call) { c.swap("/consumer/app:", "/consumer/app:1") }, "RegisterStreamConsumer"), fails: []int{67}},
		{name: "any number of consumers", reply: granted(limit, "{}", "RegisterStreamConsumer"), fails: []int{67}, fine: 68},
		{name: "no stream of a consumer", reply: swapped(`"StreamARN"`, `"Stream"`, "DescribeStreamConsumer"), fails: []int{68}, fine: 67},
		{name: "consumers not ACTIVE are unknown", reply: becomes(inUse, notFound, "SubscribeToShard"), fails: []int{69}, fine: 68},
		{name: "no initial-response", frame: func(kind string, b []byte) (string, []byte) {
			return strings.TrimPrefix(kind, "initial-response"), b
		}, fails: []int{70}, fine: 71},
		{name: "another number to continue at", frame: edited(func(c *call) { c.set("ContinuationSequenceNumber", "1") }), fails: []int{71, 72}, fine: 70},
		{name: "a pushed record is lost", large: true, frame: edited(func(c *call) {
			c.list("Records", func(l []any) []any { return l[1:] })
		}), fails: []int{70, 72, 74, 75}, fine: 73},
		{name: "a pushed record comes twice", frame: edited(func(c *call) {
			c.list("Records", func(l []any) []any { return append(l[:1:1], l...) })
		}), fails: []int{72, 75}, fine: 73},
		{name: "a takeover is an internal failure", frame: func(kind string, b []byte) (string, []byte) {
			return strings.ReplaceAll(kind, inUse, "InternalFailureException"), b
		}, fails: []int{73}, fine: 71},
		{name: "wrong bytes are pushed", large: true, frame: payload(`"YWFhYWFh`, `"YmFhYWFh`), fails: []int{74, 76}, fine: 71},
		{name: "no children are pushed", frame: edited(func(c *call) { c.drop("ChildShards") }), fails: []int{75}, fine: 71},
	}
}

func settingMutations() []mutation {
	return []mutation{
		{name: "never more tags", reply: in(func(c *call) { c.set("HasMoreTags", false) }, "ListTagsForStream"), fails: []int{77}},
		{name: "any number of tags", reply: in(func(c *call) { c.grant("") }, "AddTagsToStream"), fails: []int{77}},
		{name: "no metrics before", reply: dropped("CurrentShardLevelMetrics", "EnableEnhancedMonitoring"), fails: []int{78}, fine: 79},
		{name: "no key", reply: swapped(`"KeyId"`, `"Key"`, "DescribeStream"), fails: []int{79}, fine: 43},
		{name: "policies are rewritten", reply: swapped(": ", ":", "GetResourcePolicy"), fails: []int{80}},
		{name: "no shards are counted", reply: dropped("OpenShardCount", "DescribeLimits"), fails: []int{81}, fine: 18},
	}
}

// lab starts corrupted servers.
func (m mutation) lab(set conformance.Setting) (awsclient.Options, func(), error) {
	var verifier *sigv4.Verifier
	if set.Signed {
		verifier = sigv4.New(sigv4.Key{ID: "local", Secret: "local"})
	}
	s, err := kinesis.New(kinesis.Config{
		Verifier: verifier,
		Account:  set.Account, Limits: kinesis.Limits{Off: set.NoLimits},
		StoreBytes: set.StoreBytes, StateDelay: 500 * time.Millisecond,
	})
	if err != nil {
		return awsclient.Options{}, nil, err
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	ln := memnet.Listen()
	hs := &http.Server{Handler: &proxy{next: s, m: m}, Protocols: p}
	go func() { _ = hs.Serve(ln) }() // Close ends it
	return awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: ln.Dial}, func() { hs.Close() }, nil
}

// TestMutations shows every check failing, on a server that does one thing
// wrong, and some other check passing on the same server.
func TestMutations(t *testing.T) {
	seen := map[int]bool{}
	for _, m := range slices.Concat(transportMutations(), streamMutations(), writeMutations(), readMutations(),
		reshardMutations(), pushMutations(), settingMutations()) {
		t.Run(m.name, func(t *testing.T) {
			if m.large && raceEnabled {
				t.Skip("slow under the race detector")
			}
			synctest.Test(t, func(t *testing.T) { m.test(t) })
		})
		for _, id := range m.fails {
			seen[id] = true
		}
	}
	var unseen []int
	for id := 1; id <= conformance.Count(); id++ {
		if !seen[id] {
			unseen = append(unseen, id)
		}
	}
	if len(unseen) > 0 {
		t.Errorf("checks that no mutation fails: %v", unseen)
	}
}

func (m mutation) test(t *testing.T) {
	server, stop, err := m.lab(conformance.Setting{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	only := slices.Clone(m.fails)
	if m.fine > 0 {
		only = append(only, m.fine)
	}
	rep, err := conformance.Run(t.Context(), conformance.Options{Client: server, Virtual: true, Lab: m.lab, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[int]conformance.Outcome{}, map[int]conformance.Outcome{}
	for _, id := range only {
		want[id] = conformance.Fail
	}
	if m.fine > 0 {
		want[m.fine] = conformance.Pass
	}
	for _, c := range rep.Checks {
		got[c.ID] = c.Outcome
		t.Logf("%d %s: %s", c.ID, c.Outcome, c.Detail)
		if c.Outcome == conformance.Fail && !strings.Contains(c.Detail, "want") {
			t.Errorf("check %d does not say what it wants: %s", c.ID, c.Detail)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
