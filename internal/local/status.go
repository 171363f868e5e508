package local

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/units"
)

// Status is the target at one moment, as /status.json has it.
type Status struct {
	Endpoint    string         `json:"endpoint"`
	Time        time.Time      `json:"time"`
	UptimeS     float64        `json:"uptime_s"`
	Account     string         `json:"account"`
	Region      string         `json:"region"`
	Limits      string         `json:"limits"`  // in words
	Latency     string         `json:"latency"` // as the flag has it
	StoreBytes  int64          `json:"store_bytes"`
	Data        string         `json:"data,omitempty"` // directory of what outlives the process
	S3          *S3Status      `json:"s3,omitempty"`
	Signed      bool           `json:"signed"` // whether signatures are checked
	Connections int            `json:"connections"`
	Stats       kinesis.Stats  `json:"stats"`
	Rates       Rates          `json:"rates"`
	Streams     []StreamStatus `json:"streams"`
}

// S3Status is the folder of buckets.
type S3Status struct {
	Endpoint string   `json:"endpoint"`
	Dir      string   `json:"dir"`
	Stats    s3.Stats `json:"stats"`
}

// StreamStatus is a stream with what goes through it.
type StreamStatus struct {
	kinesis.StreamStats
	Shards        []ShardStatus `json:"shards"`
	Open          int           `json:"open_shards"`
	Subscriptions int           `json:"subscriptions"`
	StoredBytes   int64         `json:"stored_bytes"`
	Tally         kinesis.Tally `json:"totals"` // of the shards that still exist
	Rates         Rates         `json:"rates"`
}

// ShardStatus is a shard with what goes through it.
type ShardStatus struct {
	kinesis.ShardStats
	Rates Rates `json:"rates"`
}

// Rates are per second, over the last five to ten seconds.
type Rates struct {
	RecordsIn  float64 `json:"records_in"`
	BytesIn    float64 `json:"bytes_in"`
	RecordsOut float64 `json:"records_out"`
	BytesOut   float64 `json:"bytes_out"`
	Throttled  float64 `json:"throttled"` // records and GetRecords calls
}

// sampleEvery is how often a sample to compare with is taken.
const sampleEvery = 5 * time.Second

// status compares what is with what was. It is safe for concurrent use.
type status struct {
	server  *Server
	started time.Time
	page    *template.Template

	mu            sync.Mutex
	before, newer *sample
}

// sample is what the shards had counted at one moment.
type sample struct {
	at     time.Time
	counts map[shardKey]kinesis.Tally
}

// shardKey tells a shard from one of another stream of the same name.
type shardKey struct {
	stream  string
	created time.Time
	shard   string
}

//go:embed status.html
var statusPage string

func newStatus(s *Server) (*status, error) {
	now := time.Now()
	st := &status{server: s, started: now, before: &sample{at: now}, newer: &sample{at: now}}
	var err error
	st.page, err = template.New("status").Funcs(template.FuncMap{
		"bytes":  func(n int64) string { return units.Bytes(n).String() },
		"size":   func(n int64) string { return units.Size(uint64(n)) },
		"rate":   units.PerSecond,
		"brate":  func(v float64) string { return units.Size(uint64(v)) + "/s" },
		"count":  units.Thousands,
		"uptime": func(s float64) string { return time.Duration(s * float64(time.Second)).Round(time.Second).String() },
	}).Parse(statusPage)
	if err != nil {
		return nil, fmt.Errorf("reading the status page: %w", err)
	}
	return st, nil
}

// watch takes samples until ctx ends. It tells when nothing is stored any more,
// once.
func (st *status) watch(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			taken := take(now, st.server.service.kinesis.Streams(now))
			st.mu.Lock()
			st.before, st.newer = st.newer, taken
			st.mu.Unlock()
			if err := st.server.service.kinesis.LogError(); err != nil && !told {
				told = true
				if alarm := st.server.cfg.Alarm; alarm != nil {
					alarm(fmt.Errorf("puts are refused from now on: %w", err))
				}
			}
		}
	}
}

func take(now time.Time, streams []kinesis.StreamStats) *sample {
	s := &sample{at: now, counts: map[shardKey]kinesis.Tally{}}
	for _, st := range streams {
		for _, sh := range st.Shards {
			s.counts[shardKey{st.Name, st.Created, sh.ID}] = sh.Tally
		}
	}
	return s
}

// look returns the target's status now.
func (st *status) look() Status {
	now := time.Now()
	st.mu.Lock()
	before := st.before
	st.mu.Unlock()
	k := st.server.service.kinesis
	cfg := k.Config()
	out := Status{
		Endpoint: st.server.Endpoint(), Time: now.UTC(), UptimeS: now.Sub(st.started).Seconds(),
		Account: cfg.Account, Region: cfg.Region, Limits: cfg.Limits.String(), Latency: cfg.Latency.String(),
		StoreBytes: cfg.StoreBytes, Data: cfg.Data,
		Signed: cfg.Verifier != nil, Connections: st.server.conns.count(), Stats: k.Stats(), Streams: []StreamStatus{},
	}
	if b := st.server.buckets; b != nil {
		out.S3 = &S3Status{st.server.BucketsEndpoint(), st.server.cfg.S3, b.Stats()}
	}
	over := max(1, now.Sub(before.at).Seconds())
	for _, stream := range k.Streams(now) {
		s := StreamStatus{StreamStats: stream, Shards: []ShardStatus{}}
		for _, sh := range stream.Shards {
			r := rates(sh.Tally, before.counts[shardKey{stream.Name, stream.Created, sh.ID}], over)
			s.Shards = append(s.Shards, ShardStatus{sh, r})
			s.Rates.add(r)
			s.Tally.Add(sh.Tally)
			s.Subscriptions += sh.Subscriptions
			s.StoredBytes += sh.StoredBytes
			if sh.Open {
				s.Open++
			}
		}
		out.Rates.add(s.Rates)
		out.Streams = append(out.Streams, s)
	}
	return out
}

func rates(now, before kinesis.Tally, seconds float64) Rates {
	per := func(a, b uint64) float64 { return float64(a-b) / seconds }
	return Rates{
		RecordsIn: per(now.RecordsIn, before.RecordsIn), BytesIn: per(now.BytesIn, before.BytesIn),
		RecordsOut: per(now.RecordsOut, before.RecordsOut), BytesOut: per(now.BytesOut, before.BytesOut),
		Throttled: per(now.ThrottledWrites+now.ThrottledReads, before.ThrottledWrites+before.ThrottledReads),
	}
}

func (r *Rates) add(o Rates) {
	r.RecordsIn += o.RecordsIn
	r.BytesIn += o.BytesIn
	r.RecordsOut += o.RecordsOut
	r.BytesOut += o.BytesOut
	r.Throttled += o.Throttled
}

func (st *status) serveJSON(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(st.look())
	st.answer(w, "application/json", append(text, '\n'), err)
}

func (st *status) servePage(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	err := st.page.Execute(&b, pageOf(st.look()))
	st.answer(w, "text/html; charset=utf-8", b.Bytes(), err)
}

func (st *status) answer(w http.ResponseWriter, media string, text []byte, err error) {
	if err != nil {
		http.Error(w, "The status cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(text) // the client may be gone
}

// The page shows so many streams, and so many shards of each; the JSON has all.
const (
	shownStreams = 100
	shownShards  = 64
)

// page is a status with no more than a browser shows well.
type page struct {
	Status
	Refresh int // seconds
	More    int // streams
	Listed  []listed
}

type listed struct {
	StreamStatus
	More int // shards
}

func pageOf(s Status) page {
	p := page{Status: s, Refresh: cmp.Or(int(sampleEvery/time.Second)/2, 1), More: max(0, len(s.Streams)-shownStreams)}
	for _, stream := range s.Streams[:min(len(s.Streams), shownStreams)] {
		l := listed{StreamStatus: stream, More: max(0, len(stream.Shards)-shownShards)}
		l.Shards = l.Shards[:min(len(l.Shards), shownShards)]
		p.Listed = append(p.Listed, l)
	}
	return p
}
