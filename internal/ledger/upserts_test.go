package ledger_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
)

// upsert is a record on its way into a row.
func upsert(key string, producer uint32, seq uint64) kload.Delivery {
	return kload.Delivery{Key: []byte(key), Producer: producer, Seq: seq}
}

func held(key string, producer uint32, seq uint64) ledger.Row {
	return ledger.Row{Key: []byte(key), Producer: producer, Seq: seq}
}

func TestUpserts(t *testing.T) {
	// a was written three times, out of order; b by two loads; c once.
	written := []kload.Delivery{
		upsert("a", 1, 4), upsert("b", 1, 2), upsert("a", 1, 9), upsert("c", 1, 3), upsert("b", 2, 1), upsert("a", 1, 7),
	}
	for _, tc := range []struct {
		name string
		rows []ledger.Row
		want ledger.UpsertReport
	}{
		{"all as it should be", []ledger.Row{held("c", 1, 3), held("a", 1, 9), held("b", 1, 2)}, ledger.UpsertReport{}},
		{"the other load's is as good", []ledger.Row{held("c", 1, 3), held("a", 1, 9), held("b", 2, 1)}, ledger.UpsertReport{}},
		{"a row is missing", []ledger.Row{held("c", 1, 3), held("a", 1, 9)}, ledger.UpsertReport{Missing: 1}},
		{"an older record overwrote a newer one", []ledger.Row{held("c", 1, 3), held("a", 1, 7), held("b", 1, 2)}, ledger.UpsertReport{Stale: 1, Examples: []string{"a"}}},
		{"a row that nobody wrote", []ledger.Row{held("c", 1, 3), held("a", 1, 9), held("b", 1, 2), held("d", 1, 0)}, ledger.UpsertReport{Surplus: 1, Examples: []string{"d"}}},
		{"two rows of one key", []ledger.Row{held("c", 1, 3), held("a", 1, 9), held("b", 1, 2), held("b", 2, 1)}, ledger.UpsertReport{Surplus: 1, Examples: []string{"b"}}},
		{"a record that came later than any", []ledger.Row{held("c", 1, 4), held("a", 1, 9), held("b", 1, 2)}, ledger.UpsertReport{Foreign: 1, Examples: []string{"c"}}},
		{"a record of a load that did not write there", []ledger.Row{held("c", 2, 3), held("a", 1, 9), held("b", 1, 2)}, ledger.UpsertReport{Foreign: 1, Examples: []string{"c"}}},
		{"nothing at all", nil, ledger.UpsertReport{Missing: 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBook(ledger.LoadOptions{})
			b.reader.Wrote(written)
			got := b.reader.Reconcile(slices.Values(tc.rows))
			agrees := tc.want.Missing+tc.want.Stale+tc.want.Surplus+tc.want.Foreign == 0
			tc.want.Keys, tc.want.Rows = 3, uint64(len(tc.rows))
			if diff := cmp.Diff(tc.want, got); diff != "" || got.Agrees() != agrees {
				t.Errorf("agrees %v (-want +got):\n%s", got.Agrees(), diff)
			}
			if diff := cmp.Diff(&got, b.Verify().Consumers[0].Upserts); diff != "" {
				t.Errorf("the ledger's report differs (-returned +reported):\n%s", diff)
			}
		})
	}
	b := newBook(ledger.LoadOptions{})
	if r := b.reader.Reconcile(slices.Values([]ledger.Row{held("a", 1, 1)})); r.Surplus != 1 || r.Agrees() {
		t.Errorf("a row in a sink that was given nothing: %+v", r)
	}
}

func TestUpsertsAreBounded(t *testing.T) {
	const keys = 1<<20 + 3
	b := newBook(ledger.LoadOptions{})
	var rows []ledger.Row
	var users []kload.Delivery
	for i := range uint64(keys) {
		users = append(users, kload.Delivery{Key: strconv.AppendUint(nil, i, 10), Producer: 1, Seq: i})
		if i%1000 == 0 || i >= 1<<20 {
			rows = append(rows, held(strconv.FormatUint(i, 10), 1, i))
		}
	}
	b.reader.Wrote(users)
	r := b.reader.Reconcile(slices.Values(rows))
	want := ledger.UpsertReport{Keys: 1 << 20, Rows: uint64(len(rows)), Missing: 1<<20 - uint64(len(rows)-3), Unchecked: 3}
	if diff := cmp.Diff(want, r); diff != "" || r.Agrees() {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWroteAllocatesNothing(t *testing.T) {
	b := newBook(ledger.LoadOptions{})
	users := make([]kload.Delivery, 500)
	for i := range users {
		users[i] = upsert(fmt.Sprint("key ", i), 1, uint64(i))
	}
	if n := testing.AllocsPerRun(20, func() { b.reader.Wrote(users) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
