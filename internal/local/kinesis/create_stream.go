package kinesis

import (
	"fmt"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local/httpapi"
)

const (
	provisioned = "PROVISIONED"
	onDemand    = "ON_DEMAND"

	onDemandShards = 4 // a new on-demand stream takes 4 MiB/s
	maxCreating    = 5 // streams being created or deleted at once
	minRecordKiB   = 1024
	maxRecordKiB   = 10240
)

// CreateStream makes a provisioned stream that is ACTIVE at once, whatever
// Config.StateDelay says: what a server has from the beginning. A stream of that
// name in the data directory stays as it is.
func (s *Server) CreateStream(name string, shards int) error {
	if !isName(name) || len(name) > maxName || shards < 1 {
		return fmt.Errorf("%w: a stream needs a name of up to %d letters, digits, '_', '.' and '-', and at least 1 shard; it has %q and %d",
			kload.ErrInvalid, maxName, name, shards)
	}
	rq := &request{server: s, now: time.Now()}
	if err := s.makeStream(rq, name, shards); err != nil {
		return err
	}
	return s.confirm(rq)
}

func (s *Server) makeStream(rq *request, name string, shards int) error {
	s.mu.Lock()
	defer s.unlock(rq)
	switch {
	case s.streams[name] == nil:
	case s.cfg.Data != "":
		return nil
	default:
		return fmt.Errorf("%w: there is one of that name already", kload.ErrInvalid)
	}
	if err := s.shardQuota(shards); err != nil {
		return fmt.Errorf("%w: %w", kload.ErrInvalid, err)
	}
	st := s.newStream(createRequest{name: name, shards: int64(shards), mode: provisioned, recordKiB: minRecordKiB}, rq.now)
	st.active = rq.now
	s.streams[name] = st
	return nil
}

// createRequest is the input of CreateStream.
type createRequest struct {
	name      string
	shards    int64
	mode      string
	recordKiB int64
	strategy  string
	warm      int64
	tags      map[string]string
}

// createStream is the API action CreateStream.
//
//   - The stream is ACTIVE at once, or after Config.StateDelay.
//   - n shards divide the hash key space evenly; on-demand streams, and requests
//     that name neither a mode nor a number, get 4.
//   - MaxRecordSizeInKiB 1024 (default) to 10240.
//   - At most 5 streams CREATING or DELETING, and Config.ShardQuota shards.
//   - Up to 50 tags. The distribution strategy AUTO is for on-demand streams;
//     warm throughput, besides, for accounts committed to a minimum.
func (s *Server) createStream(rq *request) error {
	in, err := rq.readCreateRequest()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	s.expunge(rq.now)
	if s.streams[in.name] != nil {
		return httpapi.Refuse("ResourceInUseException", "Stream %s under account %s already exists.", in.name, s.cfg.Account)
	}
	if err := s.creatable(&in, rq.now); err != nil {
		return err
	}
	if err := s.creations(rq.now); err != nil {
		return err
	}
	if err := s.shardQuota(int(in.shards)); err != nil {
		return err
	}
	s.streams[in.name] = s.newStream(in, rq.now)
	return nil
}

func (rq *request) readCreateRequest() (createRequest, error) {
	in := createRequest{recordKiB: minRecordKiB}
	m, err := rq.members()
	if err != nil {
		return in, err
	}
	var v httpapi.Violations
	name, named := m.String("StreamName")
	shards, counted := m.Int("ShardCount")
	if kib, ok := m.Int("MaxRecordSizeInKiB"); ok {
		in.recordKiB = kib
	}
	if details, ok := m.Object("StreamModeDetails"); ok {
		in.mode, _ = details.String("StreamMode")
		v.Enum("streamModeDetails.streamMode", in.mode, provisioned, onDemand)
	}
	in.tags = readTags(m, &v, false)
	var distributed bool
	if in.strategy, distributed = m.String("RecordDistributionStrategy"); distributed {
		v.Enum("recordDistributionStrategy", in.strategy, distributeAuto, distributeKey)
	}
	in.warm, _ = m.Int("WarmThroughputMiBps")
	v.Range("warmThroughputMiBps", in.warm, 0, maxWarmMiBps)
	if err := m.Err(); err != nil {
		return in, err
	}
	if counted {
		v.Range("shardCount", shards, 1, 100000)
	}
	v.Range("maxRecordSizeInKiB", in.recordKiB, minRecordKiB, maxRecordKiB)
	if named {
		checkName(&v, "streamName", name)
	} else {
		v.Missing("streamName")
	}
	if in.mode == provisioned && !counted {
		v.Missing("shardCount")
	}
	in.name, in.shards = name, shards
	if !counted {
		in.shards = onDemandShards
	}
	if in.mode == "" {
		in.mode = provisioned
		if !counted {
			in.mode = onDemand
		}
	}
	return in, v.Err()
}

// creatable refuses what does not go with the mode. s.mu is held.
func (s *Server) creatable(in *createRequest, now time.Time) error {
	if err := distributable(in.mode, in.strategy, in.name, s.cfg.Account); err != nil {
		return err
	}
	if len(in.tags) > maxTags {
		return new(resource).tag(in.tags, "stream "+in.name+" under account "+s.cfg.Account)
	}
	if in.warm != 0 {
		return s.warmable(in.mode, &stream{name: in.name, account: s.cfg.Account}, now)
	}
	return nil
}

// creations refuses what would be too much at once. s.mu is held.
func (s *Server) creations(now time.Time) error {
	changing := 0
	for _, st := range s.streams {
		if status := st.status(now); status == creating || status == deleting {
			changing++
		}
	}
	if changing >= maxCreating {
		return httpapi.Refuse("LimitExceededException",
			"Only %d streams can simultaneously be in CREATING or DELETING states", maxCreating)
	}
	return nil
}

// shardQuota refuses open shards over the account's quota. s.mu is held.
func (s *Server) shardQuota(shards int) error {
	have := s.openShards()
	if have+shards > s.cfg.ShardQuota {
		return httpapi.Refuse("LimitExceededException",
			"This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. "+
				"Limit: %d. Number of additional shards that would have resulted from this request: %d. "+
				"Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) "+
				"for current limits and how to request higher limits.",
			s.cfg.Account, s.cfg.Region, have, s.cfg.ShardQuota, shards)
	}
	return nil
}

// openShards counts the open shards of all streams. s.mu is held.
func (s *Server) openShards() (n int) {
	for _, st := range s.streams {
		n += len(st.layout.Load().open)
	}
	return n
}
