package producer

import "maps"

// KPLMetrics returns what the Amazon Kinesis Producer Library publishes, under
// its fifteen metric names, so that dashboards carry over. Those that the KPL
// states per record or request are means; times are in milliseconds;
// ErrorsByCode is a map[string]uint64, the others are float64. Source:
// aws/metrics/metrics_constants.h of that library.
func (p *Producer) KPLMetrics() map[string]any {
	received := p.stats.userRecords.Load()
	requests, attempts, expired := p.stats.requests.Load(), p.stats.attempts.Load(), p.stats.expired.Load()
	p.stats.mu.Lock()
	defer p.stats.mu.Unlock()
	s := &p.stats.settled
	all := uint64(0)
	for _, n := range p.stats.errors {
		all += n
	}
	return map[string]any{
		"UserRecordsReceived":                float64(received),
		"UserRecordsPending":                 float64(received - min(received, s.decided)),
		"UserRecordsPut":                     float64(s.put),
		"UserRecordsDataPut":                 float64(s.dataPut),
		"KinesisRecordsPut":                  float64(s.streamPut),
		"KinesisRecordsDataPut":              float64(s.streamDataPut),
		"ErrorsByCode":                       maps.Clone(p.stats.errors),
		"AllErrors":                          float64(all),
		"RetriesPerRecord":                   ratio(s.userAttempts-s.attemptedRecords, s.attemptedRecords),
		"UserRecordExpired":                  float64(expired),
		"BufferingTime":                      ratio(s.bufferedNs, s.attemptedRecords) / 1e6,
		"RequestTime":                        ratio(p.stats.calls.ns.Load(), p.stats.calls.n.Load()) / 1e6,
		"UserRecordsPerKinesisRecord":        ratio(s.put, s.streamPut),
		"KinesisRecordsPerPutRecordsRequest": ratio(attempts, requests),
		"UserRecordsPerPutRecordsRequest":    ratio(s.userAttempts, requests),
	}
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
