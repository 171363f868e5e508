package kinesis_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conformance"
	"github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/memnet"
	"github.com/kload/kload/internal/sigv4"
)

var update = flag.Bool("update", false, "rewrite docs/reference/conformance.md")

// lab starts servers that take a moment for changes, and until readers see a
// record, as the service does.
func lab(set conformance.Setting) (awsclient.Options, func(), error) {
	var verifier *sigv4.Verifier
	if set.Signed {
		verifier = sigv4.New(sigv4.Key{ID: "local", Secret: "local"})
	}
	s, err := kinesis.New(kinesis.Config{
		Verifier: verifier,
		Account:  set.Account, Limits: kinesis.Limits{Off: set.NoLimits},
		StoreBytes: set.StoreBytes, StateDelay: 500 * time.Millisecond, ShardQuota: conformance.MaxShards,
		Latency: latency.Model{Propagation: 400 * time.Millisecond},
	})
	if err != nil {
		return awsclient.Options{}, nil, err
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	ln := memnet.Listen()
	hs := &http.Server{Handler: s, Protocols: p}
	go func() { _ = hs.Serve(ln) }() // Close ends it
	return awsclient.Options{Local: true, Endpoint: "http://kinesis.local", Dial: ln.Dial}, func() { hs.Close() }, nil
}

// TestConformance runs every check in virtual time, and compares the outcome with
// the table of the documentation.
func TestConformance(t *testing.T) {
	var ours conformance.Report
	synctest.Test(t, func(t *testing.T) {
		server, stop, err := lab(conformance.Setting{})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		ours, err = conformance.Run(t.Context(), conformance.Options{Client: server, Virtual: true, Lab: lab})
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, c := range ours.Checks {
		if c.Outcome != conformance.Pass {
			t.Errorf("%d %s: %s: %s", c.ID, c.Name, c.Outcome, c.Detail)
		}
	}
	path := filepath.FromSlash("../../../docs/reference/conformance.md")
	got := conformancePage(t, ours)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the table has changed: go test ./internal/local/kinesis -run TestConformance -update (-want +got)\n%s", diff)
	}
}

const conformanceIntro = `# Conformance

What each of the %d checks of ` + "`kload conformance`" + ` says of kload's own target and of two other services that stand in for
Kinesis Data Streams. Measured by ` + "`make conformance`" + `, which needs npm; the first column is compared by every ` + "`go test`" + `.

kload is checked in virtual time, with everything that ` + "`--slow`" + ` adds and what takes a day; the others on loopback, in real
time and without it, so what waits five minutes is skipped. A star marks what a check left out; the reasons are below.
Checks 74 and 76 look at speed: of a slow service they say different things on different machines.

`

// conformancePage renders the table: ours beside what was recorded of others.
func conformancePage(t *testing.T, ours conformance.Report) string {
	t.Helper()
	type column struct {
		Name string `json:"name"`
		conformance.Report
	}
	columns := []column{{"kload", ours}}
	for _, peer := range []string{"kinesalite", "kinesis-local"} {
		var c column
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "internal", "interop", "testdata", "conformance", peer+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	var b strings.Builder
	fmt.Fprintf(&b, conformanceIntro, conformance.Count())
	head, rule, sums := "| # | check |", "|---|---|", "| | passed, failed, skipped |"
	for _, c := range columns {
		head, rule = head+" "+c.Name+" |", rule+"---|"
		sums += fmt.Sprintf(" %d, %d, %d |", c.Count(conformance.Pass), c.Count(conformance.Fail), c.Count(conformance.Skip))
	}
	fmt.Fprintf(&b, "%s\n%s\n", head, rule)
	for i, check := range ours.Checks {
		fmt.Fprintf(&b, "| %d | %s |", check.ID, check.Name)
		for _, c := range columns {
			star := ""
			if r := c.Checks[i]; r.Outcome == conformance.Pass && r.Detail != "" {
				star = "*"
			}
			fmt.Fprintf(&b, " %s%s |", c.Checks[i].Outcome, star)
		}
		b.WriteByte('\n')
	}
	b.WriteString(sums + "\n")
	for _, c := range columns {
		fmt.Fprintf(&b, "\n## %s\n\n", c.Name)
		for _, r := range c.Checks {
			if r.Detail != "" {
				fmt.Fprintf(&b, "- **%d** %s: `%s`\n", r.ID, r.Outcome, strings.ReplaceAll(r.Detail, "`", "'"))
			}
		}
	}
	return b.String()
}
