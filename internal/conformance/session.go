package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
)

// session is what checks share: the way to the endpoint, and the streams.
type session struct {
	opts   Options
	wire   *wire
	sdk    *awsclient.Client
	prefix string
	named  int

	created  []string // not deleted so far
	deleting []string // deleted, maybe still there

	// Streams that several checks use. They are made when first asked for.
	commonName, onDemandName, fullName string
	filled                             time.Time // when fullName got its records
	accountID                          string
}

func newSession(ctx context.Context, o Options) (*session, error) {
	c, err := awsclient.New(ctx, o.Client)
	if err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	w, err := newWire(ctx, c.Data.Options(), o.Client.Dial)
	if err != nil {
		c.Close()
		return nil, err
	}
	return &session{opts: o, wire: w, sdk: c, prefix: "kload-conformance-" + strings.ToLower(rand.Text()[:8])}, nil
}

func (s *session) close() {
	s.wire.close()
	s.sdk.Close()
}

// name returns a stream name that nobody has used.
func (s *session) name() string {
	s.named++
	return fmt.Sprintf("%s-%02d", s.prefix, s.named)
}

// stream creates a stream, deleted with the check, and waits until it is ACTIVE.
func (k *kit) stream(ctx context.Context, shards int) string {
	return k.streamOf(ctx, obj{"ShardCount": shards})
}

func (k *kit) streamOf(ctx context.Context, in obj) string {
	name := k.name()
	k.create(ctx, name, in)
	k.own = append(k.own, name)
	return name
}

func (k *kit) create(ctx context.Context, name string, in obj) {
	in["StreamName"] = name
	var a answer
	for range 40 { // streams being deleted count against the limits
		k.created = append(k.created, name)
		if a = k.try(ctx, "CreateStream", in); a.Code != limitExceeded {
			break
		}
		k.wait(ctx, time.Second)
	}
	if k.ok() && a.status != http.StatusOK {
		k.fail("CreateStream: want 200, got %s", a)
	}
	k.settle(ctx, name)
}

// settle waits until a stream is ACTIVE.
func (k *kit) settle(ctx context.Context, name string) description {
	var d description
	k.until(ctx, 4*time.Minute, "stream "+name+" ACTIVE", func() bool {
		d = k.call(ctx, "DescribeStreamSummary", obj{"StreamName": name}).StreamDescriptionSummary
		return d.StreamStatus == "ACTIVE"
	})
	return d
}

// vanish waits until a deleted stream is gone.
func (k *kit) vanish(ctx context.Context, name string) {
	k.until(ctx, 4*time.Minute, "stream "+name+" gone", func() bool {
		return k.patient(ctx, "DescribeStreamSummary", obj{"StreamName": name}, notFound).Code == notFound
	})
}

// calm waits until no stream is being deleted.
func (k *kit) calm(ctx context.Context) {
	for _, name := range k.deleting {
		k.vanish(ctx, name)
	}
	k.deleting = nil
}

// common returns a provisioned stream of two shards that no check reshards.
func (k *kit) common(ctx context.Context) string {
	return k.shared(ctx, &k.commonName, obj{"ShardCount": 2})
}

// onDemand returns an on-demand stream.
func (k *kit) onDemand(ctx context.Context) string {
	return k.shared(ctx, &k.onDemandName, obj{"StreamModeDetails": obj{"StreamMode": "ON_DEMAND"}})
}

// full returns a stream of one shard that holds 11 records of nearly 1 MiB.
func (k *kit) full(ctx context.Context) string {
	name := k.shared(ctx, &k.fullName, obj{"ShardCount": 1})
	if time.Since(k.filled) < 23*time.Hour { // the records are there
		return name
	}
	for i := range fullRecords {
		k.put(ctx, name, "k", strings.Repeat(string(rune('a'+i)), fullSize))
	}
	if k.ok() {
		k.filled = time.Now()
	}
	return name
}

const fullRecords, fullSize = 11, 1<<20 - 64

func (k *kit) shared(ctx context.Context, name *string, in obj) string {
	if *name == "" && k.ok() {
		made := k.name()
		if k.create(ctx, made, in); k.ok() {
			*name = made
		}
	}
	return *name
}

// account returns the account id in ARNs and texts.
func (k *kit) account(ctx context.Context) string {
	if k.accountID == "" {
		arn := k.arn(ctx, k.common(ctx))
		if parts := strings.Split(arn, ":"); k.ok() && len(parts) == 6 {
			k.accountID = parts[4]
		} else {
			k.fail("want a StreamARN of six parts, got %q", arn)
		}
	}
	return k.accountID
}

func (k *kit) arn(ctx context.Context, stream string) string {
	return k.call(ctx, "DescribeStreamSummary", obj{"StreamName": stream}).StreamDescriptionSummary.StreamARN
}

// under returns " NAME under account ACCOUNT", as many texts have it.
func (k *kit) under(ctx context.Context, stream string) string {
	return "Stream " + stream + " under account " + k.account(ctx)
}

// delete deletes a stream of this session. One that is being created or changed
// is waited for.
func (s *session) delete(ctx context.Context, name string) error {
	var a answer
	for range 60 {
		a = s.wire.post(ctx, "DeleteStream", obj{"StreamName": name, "EnforceConsumerDeletion": true})
		again := a.Code == inUse && !s.isDeleting(ctx, name) || a.Code == limitExceeded || a.status >= 500
		if !again || !pause(ctx, 500*time.Millisecond) {
			break
		}
	}
	if a.err != nil {
		return a.err
	}
	if a.status != http.StatusOK && a.Code != notFound && a.Code != inUse {
		return fmt.Errorf("deleting stream %s: %s", name, a)
	}
	s.created = slices.DeleteFunc(s.created, func(n string) bool { return n == name })
	s.deleting = append(s.deleting, name)
	return nil
}

func (s *session) isDeleting(ctx context.Context, name string) bool {
	return s.wire.post(ctx, "DescribeStreamSummary", obj{"StreamName": name}).StreamDescriptionSummary.StreamStatus == "DELETING"
}

// deleteAll deletes those of the streams that are there.
func (s *session) deleteAll(ctx context.Context, names []string) {
	for _, n := range names {
		if ctx.Err() == nil && slices.Contains(s.created, n) {
			_ = s.delete(ctx, n) // what is left over, clean tries again and reports
		}
	}
}

// clean deletes everything that the session created, also when ctx has ended.
func (s *session) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, name := range slices.Compact(slices.Clone(s.created)) {
		if err := s.delete(ctx, name); err != nil {
			errs = append(errs, err)
		}
	}
	return kload.WithHint(errors.Join(errs...), "delete the streams "+s.prefix+"-* yourself: they may be billed")
}
