package ledger_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/shard"
)

// book is a ledger with one load and one consumer, and short ways to feed them.
type book struct {
	*ledger.Ledger
	load   *ledger.Load
	reader *ledger.Consumer
	offset int // position of the next batch in partition "p"
}

func newBook(o ledger.LoadOptions) *book {
	l := ledger.New(7)
	return &book{Ledger: l, load: l.AddLoad("events", o), reader: l.AddConsumer("reader")}
}

// send schedules and sends n records.
func (b *book) send(n uint64) {
	b.load.Schedule(n)
	b.load.Sent(n)
}

func outcome(producer uint32, status kload.Status, seqs ...uint64) kload.Outcome {
	o := kload.Outcome{Status: status, Attempts: 1}
	if status == kload.Acked {
		o.Acked = 100
	} else {
		o.Code = "Reason"
	}
	for _, s := range seqs {
		o.Records = append(o.Records, kload.Receipt{Producer: producer, Seq: s, Bytes: 10})
	}
	return o
}

func (b *book) settle(status kload.Status, seqs ...uint64) {
	b.load.Outcomes([]kload.Outcome{outcome(b.load.Producer(), status, seqs...)})
}

// settleAmbiguous settles records after so many ambiguous attempts.
func (b *book) settleAmbiguous(status kload.Status, attempts int, seqs ...uint64) {
	o := outcome(b.load.Producer(), status, seqs...)
	o.Ambiguous, o.Attempts = attempts, attempts+1
	b.load.Outcomes([]kload.Outcome{o})
}

// batch holds one user record per sequence number, each in a stream record of
// its own, at positions from offset on.
func batch(partition string, offset int, seqs ...uint64) *kload.Batch {
	b := &kload.Batch{Partition: partition}
	for i, s := range seqs {
		b.Records = append(b.Records, kload.StreamRecord{Sequence: fmt.Sprint(1000 + offset + i)})
		b.Users = append(b.Users, kload.Delivery{Traced: true, Producer: 1, Seq: s, Key: []byte("key"), Stream: i})
	}
	return b
}

func (b *book) sight(seqs ...uint64) {
	b.reader.Sight(batch("p", b.offset, seqs...), nil)
	b.offset += len(seqs)
}

func list(verdict string, seqs ...uint64) []ledger.List {
	l := ledger.List{Verdict: verdict, Load: "events", Producer: 1}
	for _, s := range seqs {
		l.Ranges = append(l.Ranges, ledger.Range{First: s, Last: s})
	}
	return []ledger.List{l}
}

// low is the range that does not hold the MD5 of "key".
var low = shard.Range{End: kload.HashKey{Lo: 9}}

// TestOneBadEvent is the mutation proof: each counter is moved by exactly one
// bad event, by exactly 1, and nothing else moves.
func TestOneBadEvent(t *testing.T) {
	type want = ledger.ConsumerReport
	tests := []struct {
		name    string
		options ledger.LoadOptions
		do      func(b *book)
		want    want // besides Name; Read 0 stands for 3
	}{
		{"clean", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2)
		}, want{}},
		{"clean, read before acknowledged", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.sight(0, 1, 2)
			b.settle(kload.Acked, 0, 1, 2)
		}, want{}},
		{"lost", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 2)
		}, want{Lost: 1, Read: 2, ReadUnique: 2, Lists: list("lost", 1)}},
		{"lost beside a stored unknown", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settle(kload.Unknown, 2)
			b.sight(0, 2)
		}, want{Lost: 1, Read: 2, ReadUnique: 2, Lists: list("lost", 1)}},
		{"unknown, not stored", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settle(kload.Unknown, 2)
			b.sight(0, 1)
		}, want{Read: 2, ReadUnique: 2}},
		{"duplicate", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 1, 2)
		}, want{Read: 4, Duplicates: 1, Lists: list("duplicates", 1)}},
		{"sighted three times", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2, 0, 0)
		}, want{Read: 5, Duplicates: 2, Lists: list("duplicates", 0)}},
		{"redelivered by a retry", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 1, 1)
			b.sight(0, 1, 2, 1)
		}, want{Read: 4, Redelivered: 1, Lists: list("redelivered", 1)}},
		{"redelivered by two retries", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 2, 1)
			b.sight(0, 1, 1, 1, 2)
		}, want{Read: 5, Redelivered: 2, Lists: list("redelivered", 1)}},
		{"redelivered before two retries are known", ledger.LoadOptions{}, func(b *book) {
			b.sight(0, 1, 1, 1, 2)
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 2, 1)
		}, want{Read: 5, Redelivered: 2, Lists: list("redelivered", 1)}},
		{"duplicate besides a retry", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 1, 1)
			b.sight(0, 1, 1, 1, 2)
		}, want{Read: 5, Redelivered: 1, Duplicates: 1, Lists: append(list("duplicates", 1), list("redelivered", 1)...)}},
		{"duplicate before a retry is known", ledger.LoadOptions{}, func(b *book) {
			b.sight(0, 1, 1, 1, 2)
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 1, 1)
		}, want{Read: 5, Redelivered: 1, Duplicates: 1, Lists: append(list("duplicates", 1), list("redelivered", 1)...)}},
		{"duplicate after two retries, one used up before they are known", ledger.LoadOptions{}, func(b *book) {
			b.sight(0, 1, 1)
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Acked, 2, 1)
			b.sight(1, 1, 2)
		}, want{Read: 6, Redelivered: 2, Duplicates: 1, Lists: append(list("duplicates", 1), list("redelivered", 1)...)}},
		{"duplicate besides a retry and a restart", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settleAmbiguous(kload.Acked, 1, 2)
			b.sight(0, 2, 2)
			b.reader.Restarted("p")
			b.offset = 0
			b.sight(0, 2, 2, 1, 2)
		}, want{Read: 8, Redelivered: 4, Duplicates: 1, Lists: append(list("duplicates", 2), list("redelivered", 0, 2)...)}},
		{"unknown, stored by one attempt and once more", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Unknown, 1, 1)
			b.sight(0, 1, 1, 2)
		}, want{Read: 4, Duplicates: 1, Lists: list("duplicates", 1)}},
		{"unknown, stored by each of two attempts", ledger.LoadOptions{}, func(b *book) {
			b.sight(0, 1, 1, 2)
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Unknown, 2, 1)
		}, want{Read: 4, Redelivered: 1, Lists: list("redelivered", 1)}},
		{"unknown, stored by each of two attempts and once more", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 2)
			b.settleAmbiguous(kload.Unknown, 2, 1)
			b.sight(0, 1, 1, 1, 2)
		}, want{Read: 5, Redelivered: 1, Duplicates: 1, Lists: append(list("duplicates", 1), list("redelivered", 1)...)}},
		{"redelivered by a restart", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1)
			b.reader.Restarted("p")
			b.offset = 1
			b.sight(1, 2)
		}, want{Read: 4, Redelivered: 1, Lists: list("redelivered", 1)}},
		{"duplicate while reading again", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2)
			b.reader.Restarted("p")
			b.offset = 2
			b.sight(2)
			b.offset = 2
			b.sight(2)
		}, want{Read: 5, Redelivered: 1, Duplicates: 1, Lists: append(list("duplicates", 2), list("redelivered", 2)...)}},
		{"duplicate after reading again", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0)
			b.reader.Restarted("p")
			b.sight(1, 2, 1)
		}, want{Read: 4, Duplicates: 1, Lists: list("duplicates", 1)}},
		{"restart of another partition", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2)
			b.reader.Restarted("q")
			b.offset = 2
			b.sight(2)
		}, want{Read: 4, Duplicates: 1, Lists: list("duplicates", 2)}},
		{"reordered", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 2, 1)
		}, want{Reordered: 1, Lists: list("reordered", 1)}},
		{"reordered by a retry", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.sight(0, 2, 1)
			o := outcome(1, kload.Acked, 1)
			o.Attempts = 2
			b.load.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0, 2), o})
		}, want{Reordered: 1, ReorderedRetry: 1, Lists: list("reordered", 1)}},
		{"reordered across shards", ledger.LoadOptions{Ordered: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0)
			b.reader.Sight(batch("child", 0, 2), nil)
			b.sight(1)
		}, want{Reordered: 1, ReorderedReshard: 1, Lists: list("reordered", 1)}},
		{"out of order, none promised", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(2, 1, 0)
		}, want{}},
		{"misrouted aggregate", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.reader.SetRange("p", low)
			bb := batch("p", 0, 0, 1, 2)
			for i := range bb.Users {
				bb.Users[i].HasHash, bb.Users[i].Hash = true, kload.HashKey{Lo: uint64(8 + i)}
			}
			b.reader.Sight(bb, nil)
		}, want{Misrouted: 1, Lists: list("misrouted", 2)}},
		{"misrouted and sent again", ledger.LoadOptions{ByKey: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settleAmbiguous(kload.Acked, 1, 2)
			b.sight(0, 1)
			b.reader.SetRange("p", low)
			b.sight(2)
			b.reader.Sight(batch("child", 0, 2), nil)
		}, want{Read: 4, ReadUnique: 3, Redelivered: 1, MisroutedResent: 1, Lists: list("redelivered", 2)}},
		{"misrouted after it was read", ledger.LoadOptions{ByKey: true}, func(b *book) {
			b.reader.Sight(batch("child", 0, 2), nil)
			b.sight(0, 1)
			b.reader.SetRange("p", low)
			b.sight(2)
			b.settle(kload.Acked, 0, 1)
			b.settleAmbiguous(kload.Acked, 1, 2)
		}, want{Read: 4, ReadUnique: 3, Redelivered: 1, MisroutedResent: 1, Lists: list("redelivered", 2)}},
		{"misrouted, sent again and not read", ledger.LoadOptions{ByKey: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settleAmbiguous(kload.Acked, 1, 2)
			b.sight(0, 1)
			b.reader.SetRange("p", low)
			b.sight(2, 2)
		}, want{Read: 4, ReadUnique: 3, Redelivered: 1, Misrouted: 1, Lists: append(list("redelivered", 2), list("misrouted", 2)...)}},
		{"misrouted copy that nothing explains", ledger.LoadOptions{ByKey: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1)
			b.reader.SetRange("p", low)
			b.sight(2)
			b.reader.Sight(batch("child", 0, 2), nil)
		}, want{Read: 4, ReadUnique: 3, Duplicates: 1, Misrouted: 1, Lists: append(list("duplicates", 2), list("misrouted", 2)...)}},
		{"misrouted plain record", ledger.LoadOptions{ByKey: true}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1)
			b.reader.SetRange("p", low)
			b.sight(2)
		}, want{Misrouted: 1, Lists: list("misrouted", 2)}},
		{"plain record, route unknown", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.reader.SetRange("p", low)
			b.sight(0, 1, 2)
		}, want{}},
		{"corrupt", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.reader.Sight(batch("p", 0, 0, 1, 2), []bool{true, false, true})
		}, want{Corrupt: 1, Lists: list("corrupt", 1)}},
		{"phantom: rejected, then read", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.settle(kload.Rejected, 2)
			b.sight(0, 1, 2)
		}, want{Phantom: 1, Lists: list("phantom", 2)}},
		{"phantom: read, then rejected", ledger.LoadOptions{}, func(b *book) {
			b.sight(0, 1, 2)
			b.settle(kload.Acked, 0, 1)
			b.settle(kload.Rejected, 2)
		}, want{Phantom: 1, Lists: list("phantom", 2)}},
		{"phantom: never sent", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2, 3)
		}, want{Read: 4, ReadUnique: 4, Phantom: 1, Lists: list("phantom", 3)}},
		{"phantom: beyond belief", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2, 1<<63)
		}, want{Read: 4, ReadUnique: 4, Phantom: 1}},
		{"phantom: no such producer", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			bb := batch("p", 0, 0, 1, 2, 0)
			bb.Users[3].Producer = 2
			b.reader.Sight(bb, nil)
		}, want{Read: 4, ReadUnique: 4, Phantom: 1}},
		{"still open", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1)
			b.sight(0, 1, 2)
		}, want{}},
		{"foreign", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			bb := batch("p", 0, 0, 1, 2, 0)
			bb.Users[3].Producer = ledger.Foreign
			b.reader.Sight(bb, nil)
		}, want{Foreign: 1}},
		{"untraced", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			bb := batch("p", 0, 0, 1, 2, 0)
			bb.Users[3].Traced = false
			b.reader.Sight(bb, nil)
		}, want{Untraced: 1}},
		{"handled and sunk", ledger.LoadOptions{}, func(b *book) {
			b.settle(kload.Acked, 0, 1, 2)
			b.sight(0, 1, 2)
			b.reader.Handled(1, 0, 0)
			b.reader.Handled(0, 2, 3)
			b.reader.Sunk(4)
		}, want{OK: 1, Filtered: 2, DeadLettered: 3, Sunk: 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook(tt.options)
			b.send(3)
			tt.do(b)
			w := tt.want
			w.Name = "reader"
			if w.Read == 0 {
				w.Read = 3
			}
			if w.ReadUnique == 0 {
				w.ReadUnique = 3
			}
			r := b.Verify()
			if diff := cmp.Diff(w, r.Consumers[0], cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if len(r.Broken) > 0 {
				t.Errorf("broken: %q", r.Broken)
			}
			if got := b.Missing(); got != w.Lost {
				t.Errorf("Missing = %d; want %d", got, w.Lost)
			}
		})
	}
}

func TestLoadReport(t *testing.T) {
	tests := []struct {
		name    string
		do      func(p *ledger.Load)
		want    ledger.LoadReport
		broken  int
		settled bool
	}{
		{"nothing", func(*ledger.Load) {}, ledger.LoadReport{DeliveredRatio: 1}, 0, true},
		{"everything", func(p *ledger.Load) {
			p.Schedule(10)
			p.Schedule(4) // not monotonic: ignored
			p.Sent(4)
			p.Sent(3)
			p.Shed(2)
			p.Deadline(100)
			late := outcome(1, kload.Acked, 2)
			late.Acked, late.Attempts, late.Ambiguous = 101, 3, 2
			p.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0, 1), late})
			p.Outcomes([]kload.Outcome{outcome(1, kload.Rejected, 3, 4), outcome(1, kload.Unknown, 5)})
		}, ledger.LoadReport{
			Scheduled: 10, Sent: 7, Shed: 2, Unsent: 1, Acked: 3, Rejected: 2, Unknown: 1, Open: 1,
			DeliveredRatio: 0.2, InTime: 2, Bytes: 30, StreamRecords: 2, Attempts: 6, Ambiguous: 1,
			Codes: map[string]uint64{"Reason": 3},
			Lists: []ledger.List{
				{Verdict: "rejected", Load: "events", Producer: 1, Ranges: []ledger.Range{{First: 3, Last: 4}}},
				{Verdict: "unknown", Load: "events", Producer: 1, Ranges: []ledger.Range{{First: 5, Last: 5}}},
			},
		}, 0, false},
		{"two outcomes for one record", func(p *ledger.Load) {
			p.Schedule(1)
			p.Sent(1)
			p.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0), outcome(1, kload.Rejected, 0)})
		}, ledger.LoadReport{
			Scheduled: 1, Sent: 1, Acked: 1, InTime: 1, DeliveredRatio: 1, Bytes: 10, StreamRecords: 1, Attempts: 2, Stray: 1,
		}, 1, true},
		{"outcomes of others", func(p *ledger.Load) {
			p.Outcomes([]kload.Outcome{outcome(2, kload.Acked, 0), outcome(1, kload.Acked, 1<<63)})
		}, ledger.LoadReport{DeliveredRatio: 1, StreamRecords: 2, Attempts: 2, Stray: 2}, 1, true},
		{"more sent than scheduled", func(p *ledger.Load) {
			p.Schedule(1)
			p.Sent(1)
			p.Shed(1)
			p.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0)})
		}, ledger.LoadReport{
			Scheduled: 1, Sent: 1, Shed: 1, Acked: 1, InTime: 1, DeliveredRatio: 1, Bytes: 10, StreamRecords: 1, Attempts: 1,
		}, 1, true},
		{"outcome before Sent", func(p *ledger.Load) {
			p.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0)})
		}, ledger.LoadReport{Acked: 1, InTime: 1, DeliveredRatio: 1, Bytes: 10, StreamRecords: 1, Attempts: 1}, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger.New(1)
			tt.do(l.AddLoad("events", ledger.LoadOptions{}))
			tt.want.Name, tt.want.Producer = "events", 1
			r := l.Verify()
			if diff := cmp.Diff(tt.want, r.Loads[0]); diff != "" {
				t.Error(diff)
			}
			if len(r.Broken) != tt.broken {
				t.Errorf("broken: %q; want %d", r.Broken, tt.broken)
			}
			if got := l.Settled(); got != tt.settled {
				t.Errorf("Settled = %v; want %v", got, tt.settled)
			}
		})
	}
}

func TestCountedLoad(t *testing.T) {
	tests := []struct {
		name                                 string
		acked, unknown, rejected, read       int
		lost, unique, duplicates, misrouteds uint64
	}{
		{"equal", 3, 0, 0, 3, 0, 3, 0, 3},
		{"one lost", 3, 0, 0, 2, 1, 2, 0, 2},
		{"one unknown and stored", 2, 1, 0, 3, 0, 3, 0, 3},
		{"one open and stored", 2, 0, 0, 3, 0, 3, 0, 3},
		{"one more than acknowledged", 3, 0, 0, 4, 0, 3, 1, 4},
		{"one more than acknowledged or unknown", 2, 1, 0, 4, 0, 3, 1, 4},
		{"one rejected and stored", 2, 0, 1, 3, 0, 2, 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook(ledger.LoadOptions{Counted: true, ByKey: true})
			b.send(3)
			b.reader.SetRange("p", low)
			b.settle(kload.Acked, make([]uint64, tt.acked)...)
			b.settle(kload.Unknown, make([]uint64, tt.unknown)...)
			b.settle(kload.Rejected, make([]uint64, tt.rejected)...)
			bb := batch("p", 0, make([]uint64, tt.read)...)
			for i := range bb.Users {
				bb.Users[i] = kload.Delivery{Key: []byte("key")}
			}
			b.reader.Sight(bb, nil)
			want := ledger.ConsumerReport{
				Name: "reader", ByCount: true, Read: uint64(tt.read), ReadUnique: tt.unique, Lost: tt.lost,
				Duplicates: tt.duplicates, Untraced: uint64(tt.read), Misrouted: tt.misrouteds,
			}
			r := b.Verify()
			if diff := cmp.Diff(want, r.Consumers[0]); diff != "" {
				t.Error(diff)
			}
			if !r.Loads[0].ByCount || r.Loads[0].Acked != uint64(tt.acked) {
				t.Errorf("load: %+v", r.Loads[0])
			}
		})
	}
}

func TestSightSetsExtra(t *testing.T) {
	b := newBook(ledger.LoadOptions{})
	b.send(2)
	b.settleAmbiguous(kload.Acked, 1, 1)
	first := batch("p", 0, 0, 0, 1, 1, 1<<63, 1<<63, 0, 0)
	first.Users[6].Producer, first.Users[7].Traced = ledger.Foreign, false
	second := batch("q", 0, 0, 1)
	b.reader.Sight(first, nil)
	b.reader.Sight(second, nil)
	var got []bool
	for _, u := range append(first.Users, second.Users...) {
		got = append(got, u.Extra)
	}
	want := []bool{false, true, false, true, false, false, true, true, true, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	second.Users[0].Seq = 2 // a batch is used again: Extra is cleared
	b.reader.Sight(second, nil)
	if second.Users[0].Extra {
		t.Error("Extra was left set")
	}
}

func TestDeadlineKnownLate(t *testing.T) {
	l := ledger.New(1)
	p := l.AddLoad("trips", ledger.LoadOptions{})
	const sec = int64(1e9)
	for seq := range uint64(10) {
		p.Outcomes([]kload.Outcome{{
			Status: kload.Acked, Attempts: 1, Acked: int64(seq) * sec,
			Records: []kload.Receipt{{Producer: p.Producer(), Seq: seq}},
		}})
	}
	p.Sent(10)
	p.Schedule(10)
	if got := l.Verify().Loads[0].InTime; got != 10 {
		t.Errorf("without a deadline %d are in time, want 10", got)
	}
	p.Deadline(6*sec + sec/2)
	if got := l.Verify().Loads[0]; got.InTime != 7 || got.DeliveredRatio != 0.7 {
		t.Errorf("in time %d, ratio %v; want 7 and 0.7", got.InTime, got.DeliveredRatio)
	}
}

func TestInvalidate(t *testing.T) {
	l := ledger.New(1)
	l.Invalidate("the stream trimmed unread records")
	if diff := cmp.Diff([]string{"the stream trimmed unread records"}, l.Verify().Invalid); diff != "" {
		t.Error(diff)
	}
}

// TestLongRun takes three blocks through a ledger: what is finished holds no
// memory, yet a sighting long after is recognised.
func TestLongRun(t *testing.T) {
	const n = 3 << 16
	b := newBook(ledger.LoadOptions{Ordered: true})
	b.send(n)
	seqs := make([]uint64, 1<<12)
	for first := uint64(0); first < n; first += uint64(len(seqs)) {
		for i := range seqs {
			seqs[i] = first + uint64(i)
		}
		b.settle(kload.Acked, seqs...)
		b.sight(seqs...)
	}
	if !b.Settled() || b.Missing() != 0 {
		t.Fatalf("Settled %v, Missing %d", b.Settled(), b.Missing())
	}
	b.sight(0, 1<<16, 1<<16)
	want := ledger.ConsumerReport{Name: "reader", Read: n + 3, ReadUnique: n, Duplicates: 3, Lists: list("duplicates", 0, 1<<16)}
	if diff := cmp.Diff(want, b.Verify().Consumers[0]); diff != "" {
		t.Error(diff)
	}
}

// TestRemoveFromFull explains a whole block of duplicates after the fact.
func TestRemoveFromFull(t *testing.T) {
	const n = 1 << 16
	b := newBook(ledger.LoadOptions{})
	b.send(n)
	seqs := make([]uint64, n)
	for i := range seqs {
		seqs[i] = uint64(i)
	}
	b.sight(seqs...)
	b.sight(seqs...)
	if got := b.Count().Consumers[0].Duplicates; got != n {
		t.Fatalf("%d duplicates; want %d", got, n)
	}
	b.settleAmbiguous(kload.Acked, 1, seqs...)
	r := b.Verify().Consumers[0]
	if r.Duplicates != 0 || r.Redelivered != n || r.Lost != 0 {
		t.Errorf("%+v; want all redelivered", r)
	}
	if diff := cmp.Diff([]ledger.Range{{First: 0, Last: n - 1}}, r.Lists[0].Ranges); diff != "" {
		t.Error(diff)
	}
}

// TestExcusesAreBounded retries, and reads, more records three times than are
// remembered with their number: what is not remembered is a duplicate and
// counted.
func TestExcusesAreBounded(t *testing.T) {
	const kept, n = 1 << 16, 1<<16 + 3
	seqs := make([]uint64, n)
	for i := range seqs {
		seqs[i] = uint64(i)
	}
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known before %v", known), func(t *testing.T) {
			b := newBook(ledger.LoadOptions{})
			b.send(n)
			if known {
				b.settleAmbiguous(kload.Acked, 2, seqs...)
			}
			for range 3 {
				b.sight(seqs...)
			}
			if !known {
				b.settleAmbiguous(kload.Acked, 2, seqs...)
			}
			r := b.Verify()
			if got := r.Loads[0].ExcusesLeftOut; got != 3 {
				t.Errorf("%d excuses left out; want 3", got)
			}
			c := r.Consumers[0]
			want := ledger.ConsumerReport{
				Name: "reader", Read: 3 * n, ReadUnique: n, Redelivered: kept + n, Duplicates: 3, RepeatsLeftOut: 3,
				Lists: []ledger.List{
					{Verdict: "duplicates", Load: "events", Producer: 1, Ranges: []ledger.Range{{First: kept, Last: n - 1}}},
					{Verdict: "redelivered", Load: "events", Producer: 1, Ranges: []ledger.Range{{First: 0, Last: n - 1}}},
				},
			}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestListsAreCapped(t *testing.T) {
	b := newBook(ledger.LoadOptions{})
	b.send(5000)
	var odd []uint64
	for s := uint64(1); s < 5000; s += 2 {
		odd = append(odd, s)
	}
	b.settle(kload.Acked, odd...)
	l := b.Verify().Consumers[0].Lists[0]
	if len(l.Ranges) != 1000 || l.LeftOut != 1500 || l.Ranges[999] != (ledger.Range{First: 1999, Last: 1999}) {
		t.Errorf("%d ranges, %d left out, last %v", len(l.Ranges), l.LeftOut, l.Ranges[len(l.Ranges)-1])
	}
}

func TestOrderTableIsBounded(t *testing.T) {
	const keys = 1<<20 + 3
	b := newBook(ledger.LoadOptions{Ordered: true})
	b.send(keys)
	for from := uint64(0); from < keys; from += 4096 {
		bb := batch("p", 0, make([]uint64, min(4096, keys-from))...)
		for i := range bb.Users {
			u := &bb.Users[i]
			u.Seq, u.Key = from+uint64(i), strconv.AppendUint(nil, from+uint64(i), 10)
		}
		b.reader.Sight(bb, nil)
	}
	if r := b.Count().Consumers[0]; r.OrderUnchecked != 3 || r.Reordered != 0 {
		t.Errorf("%d unchecked, %d reordered; want 3, 0", r.OrderUnchecked, r.Reordered)
	}
}

// TestStopped turns what a consumer lacks into unread records.
func TestStopped(t *testing.T) {
	b := newBook(ledger.LoadOptions{})
	b.send(2)
	b.settle(kload.Acked, 0, 1)
	b.sight(0, 0)
	r := b.Verify().Consumers[0]
	r.Stopped()
	want := ledger.ConsumerReport{
		Name: "reader", Read: 2, ReadUnique: 1, Duplicates: 1, Unread: 1,
		Lists: append(list("unread", 1), list("duplicates", 0)...),
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// TestConsumersDoNotWait has one consumer in the middle of a batch while another
// takes in its own, and outcomes come in.
func TestConsumersDoNotWait(t *testing.T) {
	l := ledger.New(1)
	load := l.AddLoad("events", ledger.LoadOptions{Ordered: true})
	busy, other := l.AddConsumer("busy"), l.AddConsumer("other")
	load.Sent(3)
	release := ledger.Hold(busy)
	defer release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		other.Sight(batch("p", 0, 0, 1, 2, 2), nil)
		load.Outcomes([]kload.Outcome{outcome(1, kload.Acked, 0, 1, 2)})
		if n := other.Missing(); n != 0 {
			t.Errorf("%d records missing", n)
		}
	}()
	<-done // for ever, if they waited for the busy one
}
