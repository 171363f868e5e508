// Command kload generates load on Amazon Kinesis Data Streams, reads it back,
// accounts for every record and compares latencies between runs. Run 'kload
// help' for its verbs.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/scenarios"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// verb is one command of the command line.
type verb struct {
	name, args, help string
	run              func(u *ui, args []string) error
	examples         []string
}

// verbs lists the command line in the order of the help.
func verbs() []verb {
	return []verb{
		{"run", "SCENARIO", "run a scenario: a name of the library or a file", runVerb, []string{
			"kload run quickstart",
			"kload run quickstart --set stream.shards=4 --json",
			"kload run quickstart --inject drop=1@target",
			"kload run my.yaml --target aws --out results/today",
		}},
		{"replay", "", "replay recorded data through a stream", replayVerb, []string{
			"kload replay --speedup 30000",
			"kload replay --from file:///data/trips --rate asap",
			"kload replay --seek 2023-05-08T12:00:00Z --until 2023-05-09 --shape 500/s --loop 3",
			"kload replay --resume kload-results/20261123T120000Z-replay-1a2b3c4d",
			"kload replay --java-args -- -streamName taxi-trips -speedup 720 -aggregate",
		}},
		{"data", "ACTION FROM", "describe, convert or sample recorded data", dataVerb, []string{
			"kload data describe builtin:nyc-taxi",
			"kload data convert file://yellow_tripdata_2016-01.csv --timestamp dropoff_datetime --to trips",
			"kload data sample file://trips --rows 10k --to sample",
		}},
		{"compare", "RUN-A... -- RUN-B...", "judge whether runs differ, given their directories", compareVerb, []string{
			"kload compare results/old results/new",
			"kload compare --md old-* -- new-*",
			"kload compare --baseline main results/today --json",
			"kload compare wrk2-before.hgrm wrk2-after.hgrm",
		}},
		{"baseline", "set|list|show|delete", "keep runs under a name, to compare with", baselineVerb, []string{
			"kload baseline set main results/run-*",
			"kload baseline list",
		}},
		{"report", "DIR", "print again what a run, matrix, search or A/B came to, also one that was killed", reportVerb, nil},
		{"ab", "SCENARIO-A SCENARIO-B", "run two scenarios in turn and compare them", abVerb, []string{
			"kload ab quickstart quickstart -n 5 --b-set target.latency=put=5ms",
			"kload ab before.yaml after.yaml --cool-down 10s --out results/ab",
		}},
		{"list", "", "list the scenarios of the library", listVerb, nil},
		{"show", "NAME", "print a scenario of the library", showVerb, nil},
		{"explain", "SCENARIO", "print the resolved plan with every default", explainVerb, nil},
		{"validate", "SCENARIO", "check a scenario without running it", validateVerb, nil},
		{"local", "", "serve a Kinesis-compatible target on this machine", localVerb, []string{
			"kload local --stream demo --shards 4",
			`eval "$(kload local --listen 127.0.0.1:0 --stream demo &)"`,
			"kload local --tls --tls-ca ca.pem --auth sigv4",
			"kload local --latency aws-like --limits '{write_bytes: 2MiB/s}'",
		}},
		{"schema", "", "print the JSON Schema of scenario files", schemaVerb, nil},
		{"conformance", "", "check an endpoint against the behaviour of Kinesis Data Streams", conformanceVerb, []string{
			"kload conformance --endpoint http://127.0.0.1:4567",
			"kload conformance --endpoint http://127.0.0.1:4567 --only 1,5,29-46 --json",
			"kload conformance --endpoint https://kinesis.eu-west-1.amazonaws.com --region eu-west-1",
		}},
		{"version", "", "print the version", versionVerb, nil},
	}
}

// run is main without the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	u := newUI(stdout, stderr)
	if len(args) == 0 {
		u.usage(stderr)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case local.ChildVerb: // the embedded target's own process
		if err := local.Child(stdin, stdout); err != nil {
			return u.fail(err)
		}
		return exitOK
	case scenarios.DriverVerb: // the process of a producer that is compared with ours
		if err := scenarios.Driver(stdin, stdout); err != nil {
			return u.fail(err)
		}
		return exitOK
	case "help", "-h", "--help":
		if len(args) == 0 {
			u.usage(stdout)
			return exitOK
		}
		name, args = args[0], []string{"--help"}
	case "--version":
		name = "version"
	}
	for _, v := range verbs() {
		if v.name == name {
			u.verb = v
			return u.exit(v.run(u, args))
		}
	}
	return u.fail(unknownVerb(name))
}

func unknownVerb(name string) error {
	err := fmt.Errorf("%w: there is no verb %q", kload.ErrInvalid, name)
	if _, unknown := scenarios.Show(name); unknown == nil || strings.HasSuffix(name, ".yaml") {
		return kload.WithHint(err, "to run the scenario: 'kload run "+name+"'")
	}
	return kload.WithHint(err, "'kload help' lists the verbs")
}
