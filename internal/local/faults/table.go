package faults

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Call is what is judged: a call, or an event of the stream that answers one.
type Call struct {
	Operation string
	Stream    string // "" where the call names none
	Shard     string // id; "" where the call is not about one shard
	Frame     Frame  // 0 for the call, else the number of the event, from 1
}

// Verdict is what goes wrong. The zero value lets the call pass.
type Verdict struct {
	Error string        // code of a refusal, before the call has had an effect
	Cut   Cut           // where the connection is cut
	Delay time.Duration // how long the answer is held back
	// Record is asked for each record of a put, with the id of its shard, and
	// returns the code it is refused with, "" for none.
	Record func(shard string) string
}

// none reports whether the verdict lets the call pass as it is.
func (v *Verdict) none() bool {
	return v.Error == "" && v.Cut == "" && v.Delay == 0 && v.Record == nil
}

// join adds a later verdict: delays add up, of all else the first counts.
func (v *Verdict) join(o Verdict) {
	v.Delay += o.Delay
	if v.Error == "" && v.Cut == "" {
		v.Error, v.Cut = o.Error, o.Cut
	}
	switch first := v.Record; {
	case first == nil:
		v.Record = o.Record
	case o.Record != nil:
		v.Record = func(shard string) string {
			if code := first(shard); code != "" {
				return code
			}
			return o.Record(shard)
		}
	}
}

// Func judges a call. It may be called concurrently. A function that had a say,
// which is a verdict other than the zero one, is dropped unless it says keep;
// one that had none stays.
type Func func(Call) (v Verdict, keep bool)

// Effect is what a fault has done.
type Effect struct {
	ID    int    `json:"id"`
	Fault string `json:"fault"`
	// Judged counts the calls, records or events in its scope, Hits those that it
	// made go wrong.
	Judged uint64 `json:"judged"`
	Hits   uint64 `json:"hits"`
}

// Table is the faults in force. It is safe for concurrent use; while it is empty
// a judgement is one atomic load.
type Table struct {
	seed   uint64
	offset atomic.Int64 // of the clock
	list   atomic.Pointer[[]*entry]

	mu     sync.Mutex // serializes changes
	last   int
	lifted []Effect
}

// entry is a function in the table.
type entry struct {
	operation string // "" for all
	judge     Func
	rule      *rule // nil for a function from outside
}

// NewTable returns an empty table. Everything random in it derives from seed.
func NewTable(seed uint64) *Table { return &Table{seed: seed} }

// Add puts a fault into force and returns its number, from 1.
func (t *Table) Add(f Fault) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	r := &rule{fault: f, id: t.last, rand: rand.New(rand.NewPCG(t.seed, uint64(t.last)))}
	t.offset.Add(int64(f.Clock))
	t.append(&entry{judge: r.judge, rule: r})
	return r.id
}

// Control adds a function that judges the calls of an operation, of all for "".
// The returned function removes it.
func (t *Table) Control(operation string, f Func) (remove func()) {
	e := &entry{operation: operation, judge: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(e)
	return func() { t.remove(e) }
}

// Lift ends a fault and returns what it has done. It returns false if there is
// none of that number in force.
func (t *Table) Lift(id int) (Effect, bool) {
	for _, e := range t.entries() {
		if e.rule != nil && e.rule.id == id && t.remove(e) {
			return e.rule.effect(), true
		}
	}
	return Effect{}, false
}

// Effects returns what all faults have done, in the order they came.
func (t *Table) Effects() []Effect {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Clone(t.lifted)
	for _, e := range t.entries() {
		if e.rule != nil {
			all = append(all, e.rule.effect())
		}
	}
	slices.SortFunc(all, func(a, b Effect) int { return a.ID - b.ID })
	return all
}

// Offset returns how far the clock is off.
func (t *Table) Offset() time.Duration { return time.Duration(t.offset.Load()) }

// Active reports whether anything might go wrong.
func (t *Table) Active() bool { return t.list.Load() != nil }

// Judge returns what goes wrong with a call.
func (t *Table) Judge(c Call) (v Verdict) {
	for _, e := range t.entries() {
		if e.operation != "" && e.operation != c.Operation {
			continue
		}
		said, keep := e.judge(c)
		if !said.none() && !keep && !t.remove(e) {
			continue // somebody else has used it up
		}
		v.join(said)
	}
	return v
}

func (t *Table) entries() []*entry {
	if p := t.list.Load(); p != nil {
		return *p
	}
	return nil
}

// append adds an entry to a copy of the list. t.mu is held.
func (t *Table) append(e *entry) {
	list := append(slices.Clone(t.entries()), e)
	t.list.Store(&list)
}

// remove takes an entry out and reports whether it was there.
func (t *Table) remove(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.Clone(t.entries())
	i := slices.Index(list, e)
	if i < 0 {
		return false
	}
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		t.list.Store(&list)
	} else {
		t.list.Store(nil)
	}
	if e.rule != nil {
		t.offset.Add(-int64(e.rule.fault.Clock))
		t.lifted = append(t.lifted, e.rule.effect())
	}
	return true
}

// rule judges by a fault.
type rule struct {
	fault Fault
	id    int

	mu           sync.Mutex
	rand         *rand.Rand
	judged, hits uint64
}

// judge is a [Func] that stays.
func (r *rule) judge(c Call) (Verdict, bool) {
	f := &r.fault
	inFrame := f.Frame == c.Frame || f.Frame == Each && c.Frame > 0
	if !inFrame || !f.concerns(c.Operation) || f.Stream != "" && f.Stream != c.Stream {
		return Verdict{}, true
	}
	if f.Records != "" {
		return Verdict{Record: r.record}, true
	}
	if f.Shard != "" && string(f.Shard) != c.Shard {
		return Verdict{}, true
	}
	delay, hit := r.draw()
	if !hit {
		return Verdict{}, true
	}
	return Verdict{Error: f.Error, Cut: f.Cut, Delay: delay}, true
}

// record judges one record of a put.
func (r *rule) record(shard string) string {
	if r.fault.Shard != "" && string(r.fault.Shard) != shard {
		return ""
	}
	if _, hit := r.draw(); hit {
		return r.fault.Records
	}
	return ""
}

// draw decides one case in the fault's scope.
func (r *rule) draw() (delay time.Duration, hit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judged++
	chance, size := r.rand.Float64(), r.rand.Float64() // always both: a case does not depend on those before
	if r.fault.Count > 0 && r.hits >= uint64(r.fault.Count) || chance >= r.fault.Share.Fraction() {
		return 0, false
	}
	r.hits++
	return r.fault.Delay.Quantile(size), true
}

func (r *rule) effect() Effect {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Effect{ID: r.id, Fault: r.fault.String(), Judged: r.judged, Hits: r.hits}
}
