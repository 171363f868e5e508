package main

// The voice of the command line. Data goes to stdout; everything else goes to
// stderr, behind "kload: ". Messages start with a small letter and end without a
// full stop. An error is "kload: error: …", followed by "kload: hint: …" where
// there is advice; each problem of a scenario is an error of its own, with the
// place first. Nothing is coloured when NO_COLOR is set or when the output is no
// terminal.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/results"
)

// Exit codes; docs/TERMS.md#verdict has all of them.
const (
	exitOK            = 0
	exitError         = 1
	exitUsage         = 2
	exitFailed        = 3
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
    6  runs not comparable, or no baseline
    7  significant regression
  130  interrupted; results were written
`

// ui is where a verb talks to the user.
type ui struct {
	out, err io.Writer
	verb     verb
	code     int  // exit code that the run decided on, whatever else went wrong
	redrawn  bool // a progress line may stand on the terminal that errors go to
}

func newUI(out, err io.Writer) *ui { return &ui{out: out, err: err} }

func (u *ui) usage(w io.Writer) {
	fmt.Fprint(w, "kload generates load on Amazon Kinesis Data Streams and accounts for every record.\n\nUSAGE\n  kload VERB [arguments] [flags]\n\nVERBS\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-22s %s\n", strings.TrimSpace(v.name+" "+v.args), v.help)
	}
	fmt.Fprint(w, "\nTry 'kload run quickstart': it needs no AWS account. 'kload help VERB' lists flags.\n\n"+exitStatus)
}

// clearLine takes the progress line away that other text would be appended to.
const clearLine = "\r\x1b[K"

// note tells the user something on the way.
func (u *ui) note(msg string) {
	if u.redrawn {
		msg = clearLine + "kload: " + msg
	} else {
		msg = "kload: " + msg
	}
	fmt.Fprintln(u.err, msg)
}

// fail prints an error with its hints and returns its exit code.
func (u *ui) fail(err error) int {
	var problems conf.Problems
	if !errors.As(err, &problems) {
		u.block(err.Error(), "", hints(err)...)
	}
	for _, p := range problems {
		u.block(conf.Problem{File: p.File, Line: p.Line, Col: p.Col, Path: p.Path, Msg: p.Msg}.Error(), p.Excerpt, p.Hint)
	}
	return exitCode(err)
}

// block prints one error. That something is invalid, its exit code says already.
func (u *ui) block(msg, excerpt string, hints ...string) {
	invalid := ": " + kload.ErrInvalid.Error() + ": "
	msg = strings.ReplaceAll(": "+msg, invalid, ": ")[2:]
	fmt.Fprintln(u.err, "kload: error: "+strings.ReplaceAll(msg, "\n", "\n  "))
	if excerpt != "" {
		fmt.Fprintln(u.err, excerpt)
	}
	for _, h := range hints {
		if h != "" {
			fmt.Fprintln(u.err, "kload: hint: "+h)
		}
	}
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
		if h, ok := err.(*kload.HintError); ok && !slices.Contains(out, h.Hint) { //nolint:errorlint // the tree is walked here
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

// flags returns the verb's flag set; its --help prints everything about the verb.
func (u *ui) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet(u.verb.name, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() { u.help(f) }
	return f
}

func (u *ui) help(f *pflag.FlagSet) {
	usage, flags := "kload "+u.verb.name, f.FlagUsages()
	if u.verb.args != "" {
		usage += " " + u.verb.args
	}
	if flags != "" {
		usage += " [flags]"
		const noise = "[=true|false]"
		flags = "\nFLAGS\n" + strings.ReplaceAll(flags, noise, strings.Repeat(" ", len(noise)))
	}
	fmt.Fprintf(u.out, "kload %s - %s\n\nUSAGE\n  %s\n%s", u.verb.name, u.verb.help, usage, flags)
	if len(u.verb.examples) > 0 {
		fmt.Fprintf(u.out, "\nEXAMPLES\n  %s\n", strings.Join(u.verb.examples, "\n  "))
	}
	fmt.Fprint(u.out, "\n"+exitStatus)
}

// parse parses the flags and returns the arguments, of which there are as many
// as the verb has.
func (u *ui) parse(f *pflag.FlagSet, args []string) ([]string, error) {
	if err := u.parseFlags(f, args); err != nil {
		return nil, err
	}
	want, got := strings.Fields(u.verb.args), f.Args()
	switch {
	case len(got) < len(want):
		return nil, u.usageError(u.verb.name + " needs " + strings.Join(want[len(got):], " and "))
	case len(got) > len(want) && (got[len(want)] == "true" || got[len(want)] == "false"):
		return nil, u.usageError(fmt.Sprintf("flags that are on or off take %[1]s behind an equals sign, as in --flag=%[1]s", got[len(want)]))
	case len(got) > len(want):
		return nil, u.usageError(fmt.Sprintf("%s has no use for the argument %q", u.verb.name, got[len(want)]))
	}
	return got, nil
}

// parseFlags parses the flags of a verb that looks at its arguments itself.
func (u *ui) parseFlags(f *pflag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return u.usageError(err.Error())
}

func (u *ui) usageError(msg string) error {
	return kload.WithHint(fmt.Errorf("%w: %s", kload.ErrInvalid, msg), "'kload help "+u.verb.name+"' shows how")
}

// print writes a verb's data.
func (u *ui) print(text []byte) error {
	if _, err := u.out.Write(text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// printJSON writes a verb's data as one JSON document.
func (u *ui) printJSON(v any) error {
	enc := json.NewEncoder(u.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("printing as JSON: %w", err)
	}
	return nil
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
// termination, of which interrupted tells the user. From then on a further one
// ends the process at once.
func interruptible(interrupted func()) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	forget := context.AfterFunc(ctx, func() {
		stop()
		interrupted()
	})
	return ctx, func() {
		forget()
		stop()
	}
}
