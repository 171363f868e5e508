package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/kload/kload/internal/hdr"
)

// hgrmTicks is the number of lines per halving of the distance to 100 %, the
// plotter's own default.
const hgrmTicks = 5

func (d *Dir) writeHgrm(owner string, t hdr.HopTotal) error {
	name := filepath.Join(dirHgrm, strings.ReplaceAll(owner, "/", "-")+"-"+t.Hop.String()+".hgrm")
	var text bytes.Buffer
	if _, err := t.Histogram.PercentilesPrint(&text, hgrmTicks, 1e6); err != nil {
		return d.note(name, err)
	}
	return d.WriteFile(name, text.Bytes())
}

// WriteBench writes the summary as Go benchmark lines, for benchstat. Each
// statistic of a hop is a benchmark of its own, so that runs are compared per
// percentile; several runs of a scenario concatenated give the repetitions.
// Nothing that differs between repetitions, such as the run's id, is in the
// configuration lines: benchstat would put such runs into separate tables.
func WriteBench(w io.Writer, s *Summary) error {
	var out bytes.Buffer
	name := "Benchmark" + benchName(s.Scenario)
	fmt.Fprintf(&out, "pkg: github.com/kload/kload\ntarget: %s\n", s.Target.Kind)
	for _, owner := range slices.Sorted(maps.Keys(s.Load)) {
		if l, wall := s.Load[owner], s.wall(); wall > 0 && l.Acked > 0 {
			fmt.Fprintf(&out, "%s/%s/acked 1 %.6g records/s %.6g B/s\n", name, owner, float64(l.Acked)/wall, float64(l.Bytes)/wall)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Hops)) {
		h := s.Hops[key]
		for _, stat := range []string{"p50", "p90", "p99", "p999", "max", "mean"} {
			if v, _ := h.stat(stat); h.Count > 0 {
				fmt.Fprintf(&out, "%s/%s/%s 1 %.0f ns/op\n", name, key, stat, v)
			}
		}
	}
	if n := s.acked(); n > 0 {
		client := s.Process.client()
		fmt.Fprintf(&out, "%s/process 1 %.6g cpu-ns/record %d max-rss-bytes\n", name, client.CPUS*1e9/float64(n), client.MaxRSS)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (s *Summary) acked() uint64 {
	var n uint64
	for _, l := range s.Load {
		n += l.Acked
	}
	return n
}

// benchName turns hot-shard into HotShard: what follows "Benchmark" must not
// start with a small letter, and a trailing -2 would read as GOMAXPROCS.
func benchName(scenario string) string {
	var out strings.Builder
	up := true
	for _, r := range scenario {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		out.WriteRune(r)
		up = false
	}
	if out.Len() == 0 {
		return "Run"
	}
	return out.String()
}

// WriteSummary writes bench.txt and summary.json. Should the former fail, the
// latter says so.
func (d *Dir) WriteSummary(s *Summary) error {
	var bench bytes.Buffer
	err := WriteBench(&bench, s)
	if err == nil {
		err = d.WriteFile(FileBench, bench.Bytes())
	}
	s.Incomplete = d.Incomplete()
	return errors.Join(err, d.WriteJSON(FileSummary, s))
}
