package replay_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/replay"
)

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"a.json": events(0, 0, 4) + "{}\n\n", "b.json": events(4, 3, 9), "README.md": "x",
	})
	d, err := replay.Describe(t.Context(), replay.Config{From: "file://" + dir}, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	total := d.Total
	if total.Rows != 6 || total.Malformed != 1 || total.Blank != 1 || total.OutOfOrder != 1 || total.PeakSecond != 2 || len(d.Skipped) != 1 ||
		total.First != at(t, 0) || total.Last != at(t, 9) || total.Density != 6.0/9 || total.RowBytes != 6*uint64(len(event(0, "0"))) {
		t.Errorf("all: %+v, skipped %v", total, d.Skipped)
	}
	b := d.Objects[1]
	if len(d.Objects) != 2 || b.Name != "b.json" || b.Rows != 3 || b.First != at(t, 3) || b.Last != at(t, 9) || b.OutOfOrder != 1 || b.Stored != int64(len(events(4, 3, 9))) {
		t.Errorf("objects: %+v", d.Objects)
	}
	want := []replay.Malformed{{Object: "a.json", Line: 4, Reason: `no attribute "dropoff_datetime"`}}
	if diff := cmp.Diff(want, d.Malformed); diff != "" {
		t.Errorf("malformed (-want +got):\n%s", diff)
	}
	_, err = replay.Describe(t.Context(), replay.Config{From: "file://" + t.TempDir()}, replay.Options{})
	checkError(t, err, "is empty")
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
