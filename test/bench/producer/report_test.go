//go:build unix

package producer_test

import (
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"

	"github.com/kload/kload/test/bench/rows"
)

// report holds medians against what is promised.
type report struct{ *rows.Table }

// bar is one promise: a median beside its limit.
type bar struct {
	what  string
	value float64
	least bool // the value must be at least the limit, else at most
	limit float64
}

func (b bar) verdict() string {
	switch {
	case math.IsNaN(b.value):
		return "not measured"
	case b.least == (b.value >= b.limit), b.value == b.limit:
		return "met"
	}
	return "MISSED"
}

// print prints the primitives, the floors and the bars.
func (r report) print() {
	p := map[string]float64{}
	var list []bar
	fmt.Fprintln(r.Out, "\n# primitives, medians, beside openssl speed on one core")
	for _, unit := range []string{unitMemcpy, unitMD5, unitSHA, unitAES, unitTCP, unitPredict} {
		p[unit] = r.Median("Primitives", unit)
		theirs, known := openssl(unit)
		fmt.Fprintf(r.Out, "# %-20s %8.3f", unit, p[unit])
		if known { // a faster primitive makes for a harder floor
			fmt.Fprintf(r.Out, "  openssl %.3f", theirs)
			list = append(list, bar{unit + ": the floor's / openssl's", p[unit] / theirs, false, 1.15})
		}
		fmt.Fprintln(r.Out)
	}
	fmt.Fprintln(r.Out, "\n# bars, medians of this run")
	for _, b := range append(list, r.bars(p)...) {
		sign := "<="
		if b.least {
			sign = ">="
		}
		fmt.Fprintf(r.Out, "# %-64s %10.3f %s %-6.3g %s\n", b.what, b.value, sign, b.limit, b.verdict())
	}
}

// bars compares the medians. p are the primitives.
func (r report) bars(p map[string]float64) []bar {
	const perCore = "records/core-s"
	var list []bar
	for i, size := range sizes() {
		at := "Put/size=" + strconv.Itoa(size)
		ours, peer := r.Median(at+"/kload", perCore), r.Median(at+"/a8m-aggregator+sdk", perCore)
		best := 1e9 / floor(p, size)
		fmt.Fprintf(r.Out, "# %4d B, M records per core-second: kload %.3f, a8m aggregator + SDK %.3f, a8m producer %.3f, floor %.3f\n",
			size, ours/1e6, peer/1e6, r.Median(at+"/a8m-producer", perCore)/1e6, best/1e6)
		r.printKPL(at+"/kpl", ours)
		list = append(list,
			bar{fmt.Sprintf("%d B: kload / a8m aggregator + SDK", size), ours / peer, true, []float64{1.6, 2, 1.9}[i]},
			bar{fmt.Sprintf("%d B: kload / floor", size), ours / best, true, 0.8})
	}
	perRecord := func(name string) float64 { return r.Median(name, "cpu-ns/record") }
	perGB := func(name string) float64 { return r.Median(name, "cpu-s/GB") }
	fmt.Fprintf(r.Out, "# PutRecords of 5 MB: kload %.3f, SDK %.3f CPU-s/GB; GetRecords decoding: kload %.3f, SDK %.3f\n",
		perGB("PutRecords/5MB/kload"), perGB("PutRecords/5MB/sdk"), perGB("GetRecords/decode/kload"), perGB("GetRecords/decode/sdk"))
	return append(list,
		bar{"heap bytes per 250-B record", r.Median("Put/size=250/kload", "B/record"), false, 50},
		bar{"PutRecords CPU, 5 MB requests: kload / SDK", perGB("PutRecords/5MB/kload") / perGB("PutRecords/5MB/sdk"), false, 0.4},
		bar{"GetRecords decoding, 50 KiB records: kload / SDK", perGB("GetRecords/decode/kload") / perGB("GetRecords/decode/sdk"), false, 0.1},
		bar{"CPU per record, 2 processors / 1", perRecord("Put2/size=250/kload") / perRecord("Put/size=250/kload"), false, 1.15},
		bar{"CPU per record, 2 processors / 1, of a8m's producer", perRecord("Put2/size=250/a8m-producer") / perRecord("Put/size=250/a8m-producer"), false, math.Inf(1)},
		bar{"waits for mutexes on 2 processors, % of the goroutines' time", r.Median("Put2/size=250/kload", "%mutex-waits"), false, 2},
	)
}

// printKPL tells where the KPL's time goes, and what kload does in it.
func (r report) printKPL(row string, ours float64) {
	theirs := r.Median(row, "records/core-s")
	if math.IsNaN(theirs) {
		fmt.Fprintln(r.Out, "#         KPL not measured")
		return
	}
	fmt.Fprintf(r.Out, "#         KPL %.3f (its JVM %.0f, its native process %.0f ns a record), kload / KPL %.1f\n",
		theirs/1e6, r.Median(row, unitJVM), r.Median(row, unitNative), ours/theirs)
}

// openssl returns what openssl takes for a primitive, ns/B: NaN where it cannot be
// run. It knows not all of them.
func openssl(unit string) (nsPerByte float64, known bool) {
	name, known := map[string]string{unitMD5: "md5", unitSHA: "sha256", unitAES: "aes-128-gcm"}[unit]
	if !known {
		return 0, false
	}
	out, err := exec.Command("openssl", "speed", "-mr", "-seconds", "3", "-bytes", "16384", "-evp", name).Output()
	if err != nil {
		return math.NaN(), true
	}
	for line := range strings.Lines(string(out)) { // +F:22:md5:646236684.95
		fields := strings.Split(strings.TrimSpace(line), ":")
		if fields[0] != "+F" {
			continue
		}
		if perSecond, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil && perSecond > 0 {
			return 1e9 / perSecond, true
		}
	}
	return math.NaN(), true
}
