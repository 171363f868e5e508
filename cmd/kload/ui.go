package main

// The voice of the command line. Data goes to stdout; everything else goes to
// stderr, behind "kload: ". Messages start with a small letter and end without a
// full stop. An error is one "kload: error: …" line, followed by "kload: hint: …"
// where there is advice. Nothing is coloured when NO_COLOR is set or when the
// output is no terminal.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

// Exit codes; docs/TERMS.md#verdict has all of them.
const (
	exitOK            = 0
	exitError         = 1
	exitUsage         = 2
	exitUnreachable   = 5
	exitNotComparable = 6
	exitInterrupted   = 130
)

const exitStatus = `EXIT STATUS
  0  passed
  1  internal error, or results could not be written
  2  usage, or an invalid scenario
  3  an expectation or the ledger failed
  4  the load was not delivered
  5  target unreachable or refused
  6  runs not comparable
  130  interrupted; results were written
`

// ui is where a verb talks to the user.
type ui struct {
	out, err io.Writer
	verb     verb
	code     int // exit code of a verb that ended without an error of its own
}

func newUI(out, err io.Writer) *ui { return &ui{out: out, err: err} }

func (u *ui) usage(w io.Writer) {
	fmt.Fprint(w, "kload generates load on Amazon Kinesis Data Streams and accounts for every record.\n\nUSAGE\n  kload VERB [arguments] [flags]\n\nVERBS\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-22s %s\n", strings.TrimSpace(v.name+" "+v.args), v.help)
	}
	fmt.Fprint(w, "\nTry 'kload run quickstart': it needs no AWS account. 'kload VERB --help' lists flags.\n\n"+exitStatus)
}

// note tells the user something on the way.
func (u *ui) note(msg string) { fmt.Fprintf(u.err, "kload: %s\n", msg) }

// fail prints an error with its hints and returns its exit code.
func (u *ui) fail(err error) int {
	fmt.Fprintf(u.err, "kload: error: %v\n", err)
	for _, h := range hints(err) {
		fmt.Fprintf(u.err, "kload: hint: %s\n", h)
	}
	return exitCode(err)
}

// exit ends a verb.
func (u *ui) exit(err error) int {
	if err == nil {
		return u.code
	}
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	code := u.fail(err)
	if u.code != exitOK {
		return u.code // the summary has decided
	}
	return code
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, results.ErrNotComparable):
		return exitNotComparable
	case errors.Is(err, kload.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, kload.ErrInvalid):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitError
}

// hints collects the advice attached anywhere in an error, each piece once.
func hints(err error) []string {
	var out []string
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(*kload.HintError); ok { //nolint:errorlint // the tree is walked here
			out = append(out, h.Hint)
		}
		switch e := err.(type) { //nolint:errorlint // the tree is walked here
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return out[:min(len(out), 3)]
}

// flags returns the verb's flag set; its --help prints usage, flags and exit
// status.
func (u *ui) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet(u.verb.name, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {
		fmt.Fprintf(u.out, "kload %s: %s\n\nUSAGE\n  kload %s\n", u.verb.name, u.verb.help,
			strings.TrimSpace(u.verb.name+" "+u.verb.args+" [flags]"))
		if flags := f.FlagUsages(); flags != "" {
			fmt.Fprintf(u.out, "\nFLAGS\n%s", flags)
		}
		fmt.Fprint(u.out, "\n"+exitStatus)
	}
	return f
}

// parse parses the arguments and checks how many are left.
func (u *ui) parse(f *pflag.FlagSet, args []string, want int) ([]string, error) {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, err
		}
		return nil, u.usageError(err.Error())
	}
	if f.NArg() != want {
		return nil, u.usageError(fmt.Sprintf("%s takes %d arguments, not %d", u.verb.name, want, f.NArg()))
	}
	return f.Args(), nil
}

func (u *ui) usageError(msg string) error {
	return kload.WithHint(fmt.Errorf("%w usage: %s", kload.ErrInvalid, msg), "'kload "+u.verb.name+" --help' shows how")
}

// terminal returns whether w is one, and its width.
func terminal(w io.Writer) (is bool, width int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 80
	}
	return true, width
}

// interruptible returns a context that ends with the first Ctrl-C or
// termination. The second ends the process at once.
func (u *ui) interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
