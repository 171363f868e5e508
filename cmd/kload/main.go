// Command kload generates load on Amazon Kinesis Data Streams, reads it back,
// accounts for every record and compares latencies between runs. Run 'kload
// help' for its verbs.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// verb is one command of the command line.
type verb struct {
	name, args, help string
	run              func(u *ui, args []string) error
}

// verbs lists the command line in the order of the help.
func verbs() []verb {
	return []verb{
		{"run", "SCENARIO", "run a scenario: a name of the library or a file", runVerb},
		{"replay", "", "replay recorded data through a stream", replayVerb},
		{"compare", "RUN-A RUN-B", "set two runs side by side", compareVerb},
		{"list", "", "list the scenarios of the library", listVerb},
		{"show", "NAME", "print a scenario of the library", showVerb},
		{"explain", "SCENARIO", "print the resolved plan with every default", explainVerb},
		{"validate", "SCENARIO", "check a scenario without running it", validateVerb},
		{"schema", "", "print the JSON Schema of scenario files", schemaVerb},
		{"version", "", "print the version", versionVerb},
	}
}

// run is main without the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	u := newUI(stdout, stderr)
	if len(args) == 0 {
		u.usage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		u.usage(stdout)
		return exitOK
	case local.ChildVerb: // the embedded target's own process
		if err := local.Child(stdin, stdout); err != nil {
			return u.fail(err)
		}
		return exitOK
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			u.verb = v
			return u.exit(v.run(u, args[1:]))
		}
	}
	return u.fail(kload.WithHint(fmt.Errorf("%w: there is no verb %q", kload.ErrInvalid, args[0]), "'kload help' lists the verbs"))
}
