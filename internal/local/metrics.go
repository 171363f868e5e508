package local

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kload/kload/internal/local/kinesis"
)

// meteredShards bounds the series: shards beyond have one for all of them, under
// the stream otherStream, so that sums stay right.
const (
	meteredShards = 1000
	otherStream   = "_other"
)

// metrics collects what Prometheus scrapes, when it does.
type metrics struct {
	server *Server

	requests, errors                         *prometheus.Desc
	connections, streams, uptime, storeHigh  *prometheus.Desc
	trimmed, unread                          *prometheus.Desc
	recordsIn, bytesIn, recordsOut, bytesOut *prometheus.Desc
	throttledWrites, throttledReads          *prometheus.Desc
	stored, subscriptions                    *prometheus.Desc
	logFailed, unlogged                      *prometheus.Desc
	s3Requests, s3Errors, s3Created          *prometheus.Desc
	s3BytesIn, s3BytesOut                    *prometheus.Desc
}

func newMetrics(s *Server) (http.Handler, error) {
	plain := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("kload_local_"+name, help, labels, nil)
	}
	shard := func(name, help string) *prometheus.Desc { return plain(name, help, "stream", "shard") }
	m := &metrics{
		server:          s,
		requests:        plain("requests_total", "Calls by operation.", "action"),
		errors:          plain("request_errors_total", "Calls answered with an error, by operation.", "action"),
		connections:     plain("connections", "Open connections."),
		streams:         plain("streams", "Streams."),
		uptime:          plain("uptime_seconds", "Time since the start."),
		storeHigh:       plain("store_high_bytes", "Most memory that records have taken."),
		trimmed:         plain("trimmed_records_total", "Records that made room for others."),
		unread:          plain("trimmed_unread_records_total", "Of these, records that nobody had read."),
		recordsIn:       shard("records_in_total", "Records stored."),
		bytesIn:         shard("bytes_in_total", "Bytes of data and keys stored."),
		recordsOut:      shard("records_out_total", "Records read."),
		bytesOut:        shard("bytes_out_total", "Bytes of data and keys read."),
		throttledWrites: shard("throttled_writes_total", "Records refused over the shard's limit."),
		throttledReads:  shard("throttled_reads_total", "GetRecords calls refused over the shard's limit."),
		stored:          shard("stored_bytes", "Bytes of data and keys held."),
		subscriptions:   shard("subscriptions", "SubscribeToShard calls under way."),
		logFailed:       plain("log_failed", "1 once the data directory could not be written: no put is acknowledged any more."),
		unlogged:        plain("unlogged_records_total", "Records refused because of that."),
		s3Requests:      plain("s3_requests_total", "Requests to S3."),
		s3Errors:        plain("s3_request_errors_total", "Requests to S3 answered with an error, by whose fault it was.", "fault"),
		s3Created:       plain("s3_objects_created_total", "Objects put, copied or completed."),
		s3BytesIn:       plain("s3_bytes_in_total", "Bytes of objects received."),
		s3BytesOut:      plain("s3_bytes_out_total", "Bytes of S3 answers."),
	}
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("setting up metrics: %w", err)
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// Describe sends nothing: which series there are depends on the streams.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends the counters as they are.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := time.Now()
	k := m.server.service.kinesis
	stats := k.Stats()
	for action, n := range stats.Requests {
		counter(m.requests, n, action)
		counter(m.errors, stats.Errors[action], action)
	}
	streams := k.Streams(now)
	gauge(m.connections, float64(m.server.conns.count()))
	gauge(m.streams, float64(len(streams)))
	gauge(m.uptime, now.Sub(m.server.status.started).Seconds())
	gauge(m.storeHigh, float64(stats.StoredBytesHigh))
	counter(m.trimmed, stats.Trimmed)
	counter(m.unread, stats.TrimmedUnread)
	if stats.Log != nil {
		failed := 0.0
		if stats.Log.Failed {
			failed = 1
		}
		gauge(m.logFailed, failed)
		counter(m.unlogged, stats.Unlogged)
	}
	if b := m.server.buckets; b != nil {
		s3 := b.Stats()
		counter(m.s3Requests, s3.Requests)
		counter(m.s3Errors, s3.ClientErrors, "client")
		counter(m.s3Errors, s3.ServerErrors, "server")
		counter(m.s3Created, s3.Created)
		counter(m.s3BytesIn, s3.BytesIn)
		counter(m.s3BytesOut, s3.BytesOut)
	}
	for _, s := range metered(streams) {
		labels := []string{s.stream, s.ID}
		counter(m.recordsIn, s.RecordsIn, labels...)
		counter(m.bytesIn, s.BytesIn, labels...)
		counter(m.recordsOut, s.RecordsOut, labels...)
		counter(m.bytesOut, s.BytesOut, labels...)
		counter(m.throttledWrites, s.ThrottledWrites, labels...)
		counter(m.throttledReads, s.ThrottledReads, labels...)
		gauge(m.stored, float64(s.StoredBytes), labels...)
		gauge(m.subscriptions, float64(s.Subscriptions), labels...)
	}
}

// series is what one shard, or all beyond the limit, are shown as.
type series struct {
	stream string
	kinesis.ShardStats
}

func metered(streams []kinesis.StreamStats) []series {
	var out []series
	var rest series
	beyond := false
	for _, st := range streams {
		for _, sh := range st.Shards {
			if len(out) < meteredShards {
				out = append(out, series{st.Name, sh})
				continue
			}
			beyond = true
			rest.Add(sh.Tally)
			rest.StoredBytes += sh.StoredBytes
			rest.Subscriptions += sh.Subscriptions
		}
	}
	if beyond {
		rest.stream, rest.ID = otherStream, otherStream
		out = append(out, rest)
	}
	return out
}
