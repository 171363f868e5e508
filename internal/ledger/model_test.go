package ledger_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/shard"
)

// world is a random run: loads send, a stream stores, consumers read, and each
// of them misbehaves now and then. It feeds a ledger and keeps a plain log of
// events, from which want computes what the ledger must find.
type world struct {
	rand      *rand.Rand
	ledger    *ledger.Ledger
	loads     []*modelLoad
	consumers []*modelConsumer
	stream    [3][]stored // partitions
}

type id struct {
	producer uint32
	seq      uint64
}

type stored struct {
	id       id
	key      string
	hash     kload.HashKey
	damaged  bool
	untraced bool
}

type modelLoad struct {
	real     *ledger.Load
	producer uint32
	sent     uint64
	told     uint64 // of those, told to the ledger
	open     []uint64
	outcomes map[uint64]kload.Outcome
}

type modelConsumer struct {
	real *ledger.Consumer
	next [3]int // position in each partition
	log  []event
}

// event is one sighting, or a restart of a partition if restart is set.
type event struct {
	restart   bool
	partition int
	position  int
	stored
}

func newWorld(seed uint64, first uint64) *world {
	w := &world{rand: rand.New(rand.NewPCG(seed, 1)), ledger: ledger.New(1)}
	for i := range 2 {
		m := &modelLoad{outcomes: map[uint64]kload.Outcome{}}
		m.real = w.ledger.AddLoad(fmt.Sprint("load", i), ledger.LoadOptions{Ordered: i == 0, ByKey: true})
		m.producer = m.real.Producer()
		w.loads = append(w.loads, m)
	}
	for i := range 2 {
		c := &modelConsumer{real: w.ledger.AddConsumer(fmt.Sprint("consumer", i))}
		for p := range w.stream {
			c.real.SetRange(fmt.Sprint(p), rangeOf(p))
		}
		w.consumers = append(w.consumers, c)
	}
	for _, m := range w.loads {
		w.skip(m, first)
	}
	return w
}

func rangeOf(p int) shard.Range { return shard.Split(3)[p] }

// skip sends first records of a load that everybody handles without fault.
func (w *world) skip(m *modelLoad, first uint64) {
	m.real.Sent(first)
	m.sent, m.told = first, first
	for at := uint64(0); at < first; at += 4096 {
		var seqs []uint64
		for s := at; s < min(first, at+4096); s++ {
			seqs = append(seqs, s)
		}
		m.real.Outcomes([]kload.Outcome{outcome(m.producer, kload.Acked, seqs...)})
		b := batch("before", int(at), seqs...)
		for i := range b.Users {
			b.Users[i].Producer = m.producer
		}
		for _, c := range w.consumers {
			c.real.Sight(b, nil)
		}
	}
}

func (w *world) chance(percent int) bool { return w.rand.IntN(100) < percent }

func (w *world) step() {
	switch m, c := w.loads[w.rand.IntN(2)], w.consumers[w.rand.IntN(2)]; w.rand.IntN(8) {
	case 0, 1:
		w.send(m)
	case 2, 3:
		w.settle(m)
	case 4:
		m.real.Sent(m.sent - m.told)
		m.told = m.sent
	default:
		w.read(c, w.rand.IntN(3))
	}
}

// send appends up to four records to the stream: mostly once, in order, in the
// right partition and whole.
func (w *world) send(m *modelLoad) {
	for range 1 + w.rand.IntN(4) {
		s := stored{id: id{m.producer, m.sent}, key: fmt.Sprint("key", w.rand.IntN(4))}
		s.hash = shard.HashOf([]byte(s.key))
		s.damaged, s.untraced = w.chance(3), w.chance(2)
		m.sent++
		m.open = append(m.open, s.id.seq)
		if w.chance(5) {
			s.id.seq += 2 // swapped with a later one, or never sent
		}
		if w.chance(2) {
			s.id.producer = uint32(w.rand.IntN(4)) // foreign or unknown
		}
		p := slices.IndexFunc(w.stream[:], func([]stored) bool { return true })
		for p < 2 && !rangeOf(p).Contains(s.hash) {
			p++
		}
		if w.chance(3) {
			p = w.rand.IntN(3)
		}
		for range [...]int{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3}[w.rand.IntN(14)] {
			w.stream[p] = append(w.stream[p], s)
		}
	}
}

// settle gives outcomes to some open records.
func (w *world) settle(m *modelLoad) {
	w.rand.Shuffle(len(m.open), func(i, j int) { m.open[i], m.open[j] = m.open[j], m.open[i] })
	for n := min(len(m.open), 1+w.rand.IntN(5)); n > 0; n-- {
		seq := m.open[n-1]
		m.open = slices.Delete(m.open, n-1, n)
		status := [...]kload.Status{kload.Acked, kload.Acked, kload.Acked, kload.Acked, kload.Rejected, kload.Unknown}[w.rand.IntN(6)]
		o := outcome(m.producer, status, seq)
		o.Ambiguous = [...]int{0, 0, 0, 0, 0, 0, 0, 1, 1, 2}[w.rand.IntN(10)]
		o.Attempts += o.Ambiguous
		if w.chance(10) {
			o.Attempts++
		}
		m.outcomes[seq] = o
		m.real.Outcomes([]kload.Outcome{o})
	}
}

// read hands a consumer the next records of a partition, sometimes again,
// sometimes leaving one out or repeating one.
func (w *world) read(c *modelConsumer, p int) {
	if w.chance(10) {
		c.next[p] = max(0, c.next[p]-w.rand.IntN(6))
		if w.chance(80) {
			c.real.Restarted(fmt.Sprint(p))
			c.log = append(c.log, event{restart: true, partition: p})
		}
	}
	b := &kload.Batch{Partition: fmt.Sprint(p)}
	var intact []bool
	for range w.rand.IntN(5) {
		if c.next[p] == len(w.stream[p]) {
			break
		}
		e := event{partition: p, position: c.next[p], stored: w.stream[p][c.next[p]]}
		c.next[p]++
		// Three user records share a stream record.
		b.Records = append(b.Records, kload.StreamRecord{Sequence: fmt.Sprint(100 + e.position/3)})
		for range [...]int{0, 1, 1, 1, 1, 1, 1, 1, 1, 2}[w.rand.IntN(10)] {
			b.Users = append(b.Users, kload.Delivery{
				Traced: !e.untraced, Producer: e.id.producer, Seq: e.id.seq, Key: []byte(e.key),
				Stream: len(b.Records) - 1, Sub: int64(e.position % 3),
			})
			intact = append(intact, !e.damaged)
			c.log = append(c.log, e)
		}
	}
	c.real.Sight(b, intact)
}

// explained reports whether the sighting log[at] comes from reading again.
func explained(log []event, at int) bool {
	e, furthest, pass, restarted := log[at], -1, -1, false
	for _, before := range log[:at] {
		switch {
		case before.partition != e.partition:
		case before.restart:
			furthest, pass, restarted = max(furthest, pass), -1, true
		default:
			pass = max(pass, before.position)
		}
	}
	return restarted && e.position <= furthest && e.position > pass
}

// stores is how often the attempts at a record can have stored it.
func stores(o kload.Outcome) int {
	n := o.Ambiguous
	if o.Status == kload.Acked {
		n++
	}
	return n
}

// want computes the report on a consumer from its log alone.
func (w *world) want(name string, c *modelConsumer, skipped uint64) (r ledger.ConsumerReport, lists map[string][]id) {
	r = ledger.ConsumerReport{Name: name, Read: 2 * skipped, ReadUnique: 2 * skipped}
	lists = map[string][]id{}
	sightings, repeats := map[id]int{}, map[id]int{}
	astray, placed := map[id]bool{}, map[id]bool{}
	newest := map[string]event{}
	note := func(n *uint64, verdict string, i id) {
		*n++
		lists[verdict] = append(lists[verdict], i)
	}
	for at, e := range c.log {
		switch {
		case e.restart:
			continue
		case e.untraced:
			r.Untraced++
			continue
		case e.id.producer == 0:
			r.Foreign++
			continue
		}
		r.Read++
		if e.id.producer > 2 {
			r.ReadUnique++
			r.Phantom++
			continue
		}
		m := w.loads[e.id.producer-1]
		o := m.outcomes[e.id.seq]
		if e.damaged {
			note(&r.Corrupt, "corrupt", e.id)
		}
		if !rangeOf(e.partition).Contains(e.hash) {
			astray[e.id] = true
		} else {
			placed[e.id] = true
		}
		sightings[e.id]++
		if sightings[e.id] > 1 {
			explained := explained(c.log, at)
			if !explained {
				repeats[e.id]++
				explained = repeats[e.id] < stores(o) // the first sighting takes one
			}
			if explained {
				note(&r.Redelivered, "redelivered", e.id)
			} else {
				note(&r.Duplicates, "duplicates", e.id)
			}
			continue
		}
		r.ReadUnique++
		if o.Status == kload.Rejected || o.Status == 0 && e.id.seq >= m.told {
			note(&r.Phantom, "phantom", e.id)
		}
		last, known := newest[e.key]
		if e.id.producer == 1 && known && e.id.seq < last.id.seq {
			note(&r.Reordered, "reordered", e.id)
			if o.Attempts > 1 {
				r.ReorderedRetry++
			} else if e.partition != last.partition {
				r.ReorderedReshard++
			}
		} else if e.id.producer == 1 {
			newest[e.key] = e
		}
	}
	for i := range astray {
		if placed[i] && stores(w.loads[i.producer-1].outcomes[i.seq]) > 1 {
			r.MisroutedResent++
		} else {
			note(&r.Misrouted, "misrouted", i)
		}
	}
	for _, m := range w.loads {
		for seq, o := range m.outcomes {
			if i := (id{m.producer, seq}); o.Status == kload.Acked && sightings[i] == 0 {
				note(&r.Lost, "lost", i)
			}
		}
	}
	return r, lists
}

// ids spells out lists as sets.
func ids(lists []ledger.List) map[string]map[id]bool {
	out := map[string]map[id]bool{}
	for _, l := range lists {
		for _, r := range l.Ranges {
			for s := r.First; s <= r.Last; s++ {
				add(out, l.Verdict, id{l.Producer, s})
			}
		}
	}
	return out
}

func add(out map[string]map[id]bool, verdict string, i id) {
	if out[verdict] == nil {
		out[verdict] = map[id]bool{}
	}
	out[verdict][i] = true
}

func checkWorld(t *testing.T, seed, skipped uint64) {
	t.Helper()
	w := newWorld(seed, skipped)
	for range 150 {
		w.step()
	}
	got := w.ledger.Verify()
	missing := uint64(0)
	for i, c := range w.consumers {
		want, wantLists := w.want(fmt.Sprint("consumer", i), c, skipped)
		gotLists := ids(got.Consumers[i].Lists)
		got.Consumers[i].Lists = nil
		if diff := cmp.Diff(want, got.Consumers[i]); diff != "" {
			t.Fatalf("seed %d, consumer %d: %s", seed, i, diff)
		}
		sets := map[string]map[id]bool{}
		for verdict, list := range wantLists {
			for _, i := range list {
				add(sets, verdict, i)
			}
		}
		if diff := cmp.Diff(sets, gotLists); diff != "" {
			t.Fatalf("seed %d, consumer %d: lists: %s", seed, i, diff)
		}
		missing += want.Lost
	}
	if got := w.ledger.Missing(); got != missing {
		t.Fatalf("seed %d: Missing = %d; want %d", seed, got, missing)
	}
	for i, m := range w.loads {
		counts := map[kload.Status]uint64{kload.Acked: skipped}
		for o := range maps.Values(m.outcomes) {
			counts[o.Status]++
		}
		r := got.Loads[i]
		have := map[kload.Status]uint64{kload.Acked: r.Acked}
		for status, n := range map[kload.Status]uint64{kload.Rejected: r.Rejected, kload.Unknown: r.Unknown} {
			if n > 0 {
				have[status] = n
			}
		}
		if diff := cmp.Diff(counts, have); diff != "" {
			t.Fatalf("seed %d, load %d: %s", seed, i, diff)
		}
	}
}

func TestAgainstModel(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() || invariants.Enabled {
		seeds = 300
	}
	for seed := range seeds {
		checkWorld(t, seed, 0)
	}
	for seed := range uint64(10) { // across the end of a block
		checkWorld(t, seed, 1<<16-20-seed)
	}
}
