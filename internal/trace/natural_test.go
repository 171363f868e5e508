package trace_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/trace"
)

// natural returns a record with an id, and what a consumer gets of it.
func natural(id string, seq uint64) (kload.Record, kload.Delivery) {
	data := fmt.Appendf(nil, `{"fare":%d,"trip":%s}`, seq, id)
	return kload.Record{Data: data, Producer: 3, Seq: seq, Intended: int64(1000 + seq)}, kload.Delivery{Data: data}
}

// found is what a lookup says.
type found struct {
	Traced   bool
	Producer uint32
	Seq      uint64
	T0       int64
	Intact   bool
}

func find(x *trace.Index, consumer int, users ...kload.Delivery) (all []found) {
	intact := make([]bool, len(users))
	for i := range intact {
		intact[i] = true
	}
	x.Find(users, intact, consumer)
	for i, u := range users {
		all = append(all, found{u.Traced, u.Producer, u.Seq, u.Intended, intact[i]})
	}
	return all
}

func TestIndex(t *testing.T) {
	x := trace.NewIndex("trip", 64, 2)
	number, gotNumber := natural(`5`, 1)
	text, gotText := natural(`"5"`, 2)
	if err := x.Note([]kload.Record{number, text}); err != nil {
		t.Fatal(err)
	}
	_, unknown := natural(`6`, 3)
	altered := kload.Delivery{Data: []byte(`{"fare":9,"trip":5}`)}
	traced := kload.Delivery{Data: number.Data, Traced: true, Producer: 9, Seq: 9, Intended: 9}
	noID := kload.Delivery{Data: []byte(`{"fare":1}`)}
	junk := kload.Delivery{Data: []byte("\x00")}
	want := []found{
		{true, 3, 1, 1001, true},
		{true, 3, 2, 1002, true},
		{Intact: true},
		{true, 3, 1, 1001, false},
		{true, 9, 9, 9, true},
		{Intact: true},
		{Intact: true},
	}
	for consumer := range 2 {
		if diff := cmp.Diff(want, find(x, consumer, gotNumber, gotText, unknown, altered, traced, noID, junk)); diff != "" {
			t.Errorf("consumer %d (-want +got):\n%s", consumer, diff)
		}
	}
	if n := x.Forgotten(); n != 0 {
		t.Errorf("%d forgotten", n)
	}
}

func TestIndexNeedsIDs(t *testing.T) {
	for _, data := range []string{`{"fare":1}`, `{"trip":""}`, `[]`, ``, `{"a":{"trip":1}}`} {
		x := trace.NewIndex("trip", 0, 1)
		err := x.Note([]kload.Record{{Data: []byte(data)}})
		var hint *kload.HintError
		if !errors.Is(err, trace.ErrNoID) || !errors.As(err, &hint) {
			t.Errorf("%s: got error %v, want ErrNoID with a hint", data, err)
		}
	}
}

// What an index has no room for it counts, unless everybody has read it.
func TestIndexIsBounded(t *testing.T) {
	const entries, n = 1024, 5000
	note := func(x *trace.Index, read int) (users []kload.Delivery) {
		for seq := range uint64(n) {
			r, u := natural(fmt.Sprintf(`"t%d"`, seq), seq)
			if err := x.Note([]kload.Record{r}); err != nil {
				t.Fatal(err)
			}
			for consumer := range read {
				if !find(x, consumer, u)[0].Traced {
					t.Fatalf("record %d was not found at once", seq)
				}
			}
			users = append(users, u)
		}
		return users
	}
	if x := trace.NewIndex("trip", entries, 2); len(note(x, 2)) != n || x.Forgotten() != 0 {
		t.Errorf("%d forgotten that both had read", x.Forgotten())
	}
	for read := range 2 {
		x := trace.NewIndex("trip", entries, 2)
		left := 0
		for _, f := range find(x, 1, note(x, read)...) {
			if f.Traced {
				left++
			}
		}
		if x.Forgotten() != uint64(n-left) || left > entries || left < entries*9/10 {
			t.Errorf("read by %d of 2: %d forgotten, %d of %d left in %d places", read, x.Forgotten(), left, n, entries)
		}
	}
}

// Of two records with one id the second one counts; the first is forgotten, if
// somebody had still to read it.
func TestIndexSameID(t *testing.T) {
	for read, want := range map[bool]uint64{false: 1, true: 0} {
		x := trace.NewIndex("trip", 64, 1)
		first, gotFirst := natural(`"same"`, 1)
		second, gotSecond := natural(`"same"`, 2)
		if err := x.Note([]kload.Record{first}); err != nil {
			t.Fatal(err)
		}
		if read {
			find(x, 0, gotFirst)
		}
		if err := x.Note([]kload.Record{second}); err != nil {
			t.Fatal(err)
		}
		if got := find(x, 0, gotSecond)[0]; got.Seq != 2 || !got.Intact || x.Forgotten() != want {
			t.Errorf("first read %v: found %+v, %d forgotten, want %d", read, got, x.Forgotten(), want)
		}
	}
}

func TestIndexAllocatesNothing(t *testing.T) {
	x := trace.NewIndex("trip", 4096, 1)
	var recs []kload.Record
	var users []kload.Delivery
	for seq := range uint64(1000) {
		r, u := natural(fmt.Sprintf(`"t%d"`, seq), seq)
		recs, users = append(recs, r), append(users, u)
	}
	intact := make([]bool, len(users))
	allocs := testing.AllocsPerRun(50, func() {
		if err := x.Note(recs); err != nil {
			t.Fatal(err)
		}
		for i := range users {
			users[i].Traced = false
		}
		x.Find(users, intact, 0)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkIndex(b *testing.B) {
	x := trace.NewIndex("trip", 0, 1)
	recs, users := make([]kload.Record, 1000), make([]kload.Delivery, 1000)
	for i := range recs {
		recs[i], users[i] = natural(fmt.Sprintf(`"trip-%08d"`, i), uint64(i))
	}
	intact := make([]bool, len(users))
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Note(recs); err != nil {
			b.Fatal(err)
		}
		for i := range users {
			users[i].Traced = false
		}
		x.Find(users, intact, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(recs)), "ns/record")
}
