package producer

import "sync/atomic"

// Stats counts what the producer did since it started.
type Stats struct {
	UserRecords   uint64 // accepted
	StreamRecords uint64 // sealed
	Bytes         uint64 // payload bytes accepted
	Requests      uint64 // PutRecords calls
	Attempts      uint64 // stream records sent, retries included
	Retries       uint64 // of those, sent again
	Throttled     uint64 // attempts refused for their rate
	Failed        uint64 // attempts failed otherwise
	Mispredicted  uint64 // acknowledged in another shard than predicted
	TooLarge      uint64 // user records above 1 MiB, rejected unsent
	BlockedNs     uint64 // time intake waited for the byte budget
	PeakBytes     uint64 // most bytes held at once

	MapRefreshFailed uint64 // shard maps that could not be read; the old one served on
}

// counters is Stats under construction.
type counters struct {
	userRecords, streamRecords, bytes, requests, attempts, retries,
	throttled, failed, mispredicted, tooLarge, blockedNs, mapRefreshFailed atomic.Uint64
}

func (c *counters) snapshot(peak int) Stats {
	return Stats{
		UserRecords: c.userRecords.Load(), StreamRecords: c.streamRecords.Load(), Bytes: c.bytes.Load(),
		Requests: c.requests.Load(), Attempts: c.attempts.Load(), Retries: c.retries.Load(),
		Throttled: c.throttled.Load(), Failed: c.failed.Load(), Mispredicted: c.mispredicted.Load(),
		TooLarge: c.tooLarge.Load(), BlockedNs: c.blockedNs.Load(), PeakBytes: uint64(peak), MapRefreshFailed: c.mapRefreshFailed.Load(),
	}
}
