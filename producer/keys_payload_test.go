package producer_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/producer"
)

// TestPayloadKeys compares with java.util.Objects.hash, worked out by hand.
func TestPayloadKeys(t *testing.T) {
	cfg := &producer.PayloadKeys{}
	keys := cfg.Keyer(1)
	recs := []kload.Record{
		{Data: []byte("a")},
		{Data: []byte("a\n")},
		{Data: []byte("")},
		{Data: []byte("é")},
		{Data: []byte("😀")},
		{Data: []byte(`{"trip_id":103079215104,"type":"trip"}`)},
	}
	if err := keys.Assign(recs); err != nil {
		t.Fatal(err)
	}
	// 31·97+10+31, the same, 10+31, 31·233+10+31, 31·(31·0xD83D+0xDE00)+10+31.
	for i, want := range []string{"3048", "3048", "41", "7264", "54959910"} {
		if got := string(recs[i].Key); got != want {
			t.Errorf("%q: key %s, want %s", recs[i].Data, got, want)
		}
	}
	if !cfg.ByKey() || recs[0].HasHash || len(recs[5].Key) == 0 {
		t.Errorf("the key does not decide: %+v", recs[5])
	}
}
