// Package readertest is the conformance suite of readers: plug-ins that
// implement [kload.Opener] and [kload.Reader] over a stream.
//
// It serves the embedded target over an in-memory network in virtual time,
// through the AWS SDK as the product configures it, and spoils calls in all the
// ways a reader must get over. A goroutine left behind fails it.
package readertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	localfaults "github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
)

// Env is what an opener under test is given.
type Env struct {
	Client *awsclient.Client
	Stream string
	Clock  *pace.Clock
	// Fresh says that the run created the stream: the opener must read from its
	// oldest record on, otherwise from the tip.
	Fresh bool
}

// Factory returns an opener that starts at the run's first record.
type Factory func(e Env) kload.Opener

// Run runs the suite.
func Run(t *testing.T, open Factory) {
	for name, test := range map[string]func(*testing.T, Factory){
		"reads everything once and in order": everything,
		"is positioned when opened":          positioned,
		"reads a child from its start":       fromStart,
		"goes on behind a record":            resumed,
		"gets over failures":                 failures,
		"loses nothing to cuts":              torn,
		"gets over expired positions":        expiry,
		"keeps retained batches":             retained,
		"returns when cancelled":             cancelled,
		"ends with the shard":                ended,
		"gives up when it is refused":        refused,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func everything(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 3, fresh: true}, func(r *rig) {
		parts := r.partitions()
		var want []kload.Partition
		for i, keys := range shard.Split(3) {
			want = append(want, kload.Partition{
				ID: fmt.Sprintf("shardId-%012d", i), Range: kload.HashRange(keys), HasRange: true,
				From: kload.Position{Start: kload.TrimHorizon},
			})
		}
		if diff := cmp.Diff(want, parts); diff != "" {
			r.Fatalf("partitions (-want +got):\n%s", diff)
		}
		early := r.put(100)
		var readers []*reading
		for _, p := range parts {
			readers = append(readers, r.open(p.ID, p.From))
		}
		chunks := []map[string][]string{early}
		got := make([][]string, len(readers))
		more := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // while readers are at it
			for range 10 {
				<-time.After(70 * time.Millisecond)
				chunks = append(chunks, r.put(50))
			}
			close(more)
		})
		for i, rd := range readers {
			wg.Go(func() {
				for open := true; open; {
					b := rd.next()
					for j := range b.Records {
						got[i] = append(got[i], rd.check(b, &b.Records[j]))
					}
					b.Release()
					select {
					case <-more:
						open = false
					default:
					}
				}
			})
		}
		wg.Wait()
		written := map[string][]string{}
		for _, c := range chunks {
			for id, payloads := range c {
				written[id] = append(written[id], payloads...)
			}
		}
		for i, rd := range readers {
			rest := rd.take(len(written[rd.partition]) - len(got[i]))
			if diff := cmp.Diff(written[rd.partition], append(got[i], rest...)); diff != "" {
				r.Errorf("%s (-want +got):\n%s", rd.partition, diff)
			}
		}
	})
}

func positioned(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 1}, func(r *rig) {
		r.put(5)
		rd := r.openOne()
		written := r.put(5)
		<-time.After(time.Minute)
		rd.expect(written, r.put(5))
	})
}

func fromStart(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 1}, func(r *rig) {
		written := r.put(5)
		r.open(r.partitions()[0].ID, kload.Position{Start: kload.TrimHorizon}).expect(written, r.put(5))
	})
}

// resumed goes on behind a user record. The stream record that held it comes
// again, since the rest of it may be unread.
func resumed(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 1, fresh: true, ttl: 10 * time.Second}, func(r *rig) {
		first := r.openOne()
		written := r.put(5)
		first.expect(written)
		id := first.partition
		last := written[id][4:]
		rd := r.open(id, kload.Position{Start: kload.After, Sequence: first.last, Sub: 7})
		<-time.After(20 * time.Second) // its position expires
		rd.expect(map[string][]string{id: last}, r.put(5))
	})
}

func failures(t *testing.T, open Factory) {
	tests := map[string]func(*faults) http.HandlerFunc{
		"throttled":              func(*faults) http.HandlerFunc { return refuse(400, "ProvisionedThroughputExceededException") },
		"over an account limit":  func(*faults) http.HandlerFunc { return refuse(400, "LimitExceededException") },
		"internal failure":       func(*faults) http.HandlerFunc { return refuse(500, "InternalFailure") },
		"service unavailable":    func(*faults) http.HandlerFunc { return refuse(503, "ServiceUnavailable") },
		"connection cut":         func(*faults) http.HandlerFunc { return hangUp },
		"cut in the answer":      func(f *faults) http.HandlerFunc { return f.answerHalf },
		"no answer for too long": func(*faults) http.HandlerFunc { return hang },
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, open, setup{shards: 1, fresh: true}, func(r *rig) {
				r.faults.set(2, fault(r.faults)) // opening included
				early := r.put(20)
				rd := r.openOne()
				r.faults.set(1, fault(r.faults))
				time.AfterFunc(3*time.Second, func() { r.faults.set(3, fault(r.faults)) })
				rd.expect(early, r.put(20))
				rd.expect(r.put(20))
			})
		})
	}
}

// torn cuts off half of all answers somewhere in their middle, those pushed
// included.
func torn(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 1, fresh: true}, func(r *rig) {
		for _, frame := range []localfaults.Frame{0, localfaults.Each} {
			f := localfaults.Fault{On: []string{"GetRecords", "SubscribeToShard"}, Cut: localfaults.MidBody, Share: 50, Frame: frame}
			if frame != 0 {
				f.On = f.On[1:]
			}
			if _, err := r.target.Inject(f); err != nil {
				r.Fatal(err)
			}
		}
		rd := r.openOne()
		for range 20 {
			rd.expect(r.put(20))
		}
	})
}

// expiry has all calls refused until the position has expired. What came
// meanwhile must be read, what came before must not come again.
func expiry(t *testing.T, open Factory) {
	const ttl = 10 * time.Second
	outage := func(r *rig) {
		r.faults.set(1, refuse(400, "ProvisionedThroughputExceededException"))
		time.AfterFunc(2*ttl, func() { r.faults.set(1, nil) })
	}
	t.Run("after the last record read", func(t *testing.T) {
		bubble(t, open, setup{shards: 1, ttl: ttl}, func(r *rig) {
			rd := r.openOne()
			rd.expect(r.put(10))
			outage(r)
			rd.expect(r.put(10))
		})
	})
	t.Run("before anything was read", func(t *testing.T) {
		bubble(t, func(Env) kload.Opener { return nil }, setup{shards: 1, ttl: ttl}, func(r *rig) {
			r.put(10)
			<-time.After(time.Second)
			r.opener = open(r.env)
			rd := r.openOne()
			outage(r)
			rd.expect(r.put(10))
			outage(r)
			rd.expect(r.put(10))
		})
	})
}

func retained(t *testing.T, open Factory) {
	bubble(t, open, setup{shards: 1, fresh: true}, func(r *rig) {
		written := r.put(20)
		rd := r.openOne()
		var kept *kload.Batch
		for kept == nil || len(kept.Records) == 0 {
			if kept != nil {
				kept.Release()
			}
			kept = rd.next()
		}
		kept.Retain()
		kept.Release()
		before := rd.payloads(kept)
		rest := rd.take(20 - len(before))
		if diff := cmp.Diff(before, rd.payloads(kept)); diff != "" {
			r.Errorf("the retained batch after further ones (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(written[rd.partition], append(before, rest...)); diff != "" {
			r.Errorf("all (-want +got):\n%s", diff)
		}
		kept.Release()
	})
}

// cancelled cancels a reader that waits for its next call and one that waits
// for an answer.
func cancelled(t *testing.T, open Factory) {
	for name, fault := range map[string]http.HandlerFunc{"waiting": nil, "calling": hang} {
		t.Run(name, func(t *testing.T) {
			bubble(t, open, setup{shards: 1, fresh: true}, func(r *rig) {
				rd := r.openOne()
				rd.next().Release()
				r.faults.set(1, fault)
				ctx, cancel := context.WithCancel(r.Context())
				after := 7 * time.Millisecond
				if fault != nil {
					after = 8 * time.Second // a call hangs by then
				}
				time.AfterFunc(after, cancel)
				began := time.Now()
				_, err := rd.Next(ctx)
				took := time.Since(began)
				if !errors.Is(err, context.Canceled) || errors.Is(err, kload.ErrUnreachable) || took != after {
					r.Errorf("returned %v after %v", err, took)
				}
			})
		})
	}
}

// ended splits the shard that is read, and merges two.
func ended(t *testing.T, open Factory) {
	t.Run("split", func(t *testing.T) {
		bubble(t, open, setup{shards: 1, fresh: true}, func(r *rig) {
			written := r.put(10)
			rd := r.openOne()
			_, err := r.writer.Control.SplitShard(r.Context(), &sdk.SplitShardInput{
				StreamName: aws.String(stream), ShardToSplit: aws.String(rd.partition), NewStartingHashKey: aws.String("10"),
			})
			if err != nil {
				r.Fatal(err)
			}
			nine := kload.HashKey{Lo: 9}
			rd.expectEnd(written, child(1, kload.HashRange{End: nine}, 0), child(2, kload.HashRange{Start: kload.HashKey{Lo: 10}, End: shard.Max()}, 0))
		})
	})
	t.Run("merge", func(t *testing.T) {
		bubble(t, open, setup{shards: 2, fresh: true}, func(r *rig) {
			written := r.put(20)
			parts := r.partitions()
			rd := r.open(parts[1].ID, parts[1].From)
			rd.take(len(written[rd.partition]))
			more := r.put(10)
			_, err := r.writer.Control.MergeShards(r.Context(), &sdk.MergeShardsInput{
				StreamName: aws.String(stream), ShardToMerge: aws.String(parts[0].ID), AdjacentShardToMerge: aws.String(parts[1].ID),
			})
			if err != nil {
				r.Fatal(err)
			}
			rd.expectEnd(more, child(2, kload.HashRange{End: shard.Max()}, 0, 1))
		})
	})
}

// child is a shard by number as the last batch of a parent has it.
func child(n int, keys kload.HashRange, parents ...int) kload.Partition {
	p := kload.Partition{ID: fmt.Sprintf("shardId-%012d", n), Range: keys, HasRange: true, From: kload.Position{Start: kload.TrimHorizon}}
	for _, parent := range parents {
		p.Parents = append(p.Parents, fmt.Sprintf("shardId-%012d", parent))
	}
	return p
}

// refused checks the errors a reader cannot get over: they say that the target
// refuses, and what to do.
func refused(t *testing.T, open Factory) {
	judge := func(r *rig, doing string, err error) {
		r.Helper()
		if _, hinted := errors.AsType[*kload.HintError](err); !hinted || !errors.Is(err, kload.ErrUnreachable) {
			r.Errorf("%s: %v, want an unreachable target with a hint", doing, err)
		}
	}
	bubble(t, open, setup{shards: 1}, func(r *rig) {
		rd := r.openOne()
		if _, err := r.writer.Control.DeleteStream(r.Context(), &sdk.DeleteStreamInput{StreamName: aws.String(stream), EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
			r.Fatal(err)
		}
		_, err := r.opener.Partitions(r.Context())
		judge(r, "listing a missing stream", err)
		_, err = r.opener.Open(r.Context(), rd.partition, kload.Position{})
		judge(r, "opening a shard of a missing stream", err)
		_, err = rd.Next(r.Context())
		judge(r, "reading a deleted stream", err)
		r.faults.set(1, refuse(400, "AccessDeniedException"))
		_, err = r.opener.Partitions(r.Context())
		judge(r, "listing without permission", err)
	})
}
