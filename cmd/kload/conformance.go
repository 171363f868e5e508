package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conformance"
)

// conformanceVerb runs the conformance checks against an endpoint.
func conformanceVerb(u *ui, args []string) error {
	var endpoint, region, only string
	var o conformance.Options
	f := u.flags()
	f.StringVar(&endpoint, "endpoint", "", "`URL` of the service; on AWS its streams cost about two dollars")
	f.StringVar(&region, "region", "", "`name` of the region that requests are signed for (default us-east-1 on loopback, else the AWS configuration's)")
	f.StringVar(&only, "only", "", "`numbers` of the checks to run, such as 1,5,7-12 (default all)")
	f.BoolVar(&o.Slow, "slow", false, "also wait the five minutes that iterators, page tokens and subscriptions live")
	asJSON := f.Bool("json", false, "print the results as JSON")
	_, err := u.parse(f, args)
	if err != nil {
		return err
	}
	if o.Client, err = u.clientOf(endpoint, region); err != nil {
		return err
	}
	if o.Only, err = u.numbers(only); err != nil {
		return err
	}
	tty, width := terminal(u.err)
	u.redrawn = tty
	progress := &checkProgress{u: u, width: width, begun: time.Now()}
	o.Progress = progress.show
	ctx, stop := interruptible(func() { u.note("interrupted: deleting the streams created; press Ctrl-C again to stop at once") })
	defer stop()
	rep, err := conformance.Run(ctx, o)
	progress.clear()
	if ctx.Err() != nil {
		u.code = exitInterrupted
		if errors.Is(err, context.Canceled) {
			err = nil
		}
	} else if err != nil && len(rep.Checks) == 0 {
		return err
	}
	if rep.Count(conformance.Fail) > 0 && u.code == exitOK {
		u.code = exitFailed
	}
	if *asJSON {
		return errors.Join(err, u.printJSON(rep))
	}
	return errors.Join(err, u.print(reportText(rep)))
}

// clientOf says how to reach the endpoint. On loopback the host's AWS
// configuration does not matter, unless it has a key in its environment.
func (u *ui) clientOf(endpoint, region string) (awsclient.Options, error) {
	o := awsclient.Options{Endpoint: endpoint, Region: region}
	at, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return o, u.usageError("conformance needs --endpoint")
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		return o, u.usageError(fmt.Sprintf("--endpoint must be a URL such as http://127.0.0.1:4567, not %q", endpoint))
	}
	ip := net.ParseIP(at.Hostname())
	o.Local = (at.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) && os.Getenv("AWS_ACCESS_KEY_ID") == ""
	return o, nil
}

// numbers reads a list such as 1,5,7-12.
func (u *ui) numbers(list string) (out []int, err error) {
	if list == "" {
		return nil, nil
	}
	most := conformance.Count()
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || from < 1 || to < from || to > most {
			return nil, u.usageError(fmt.Sprintf("--only takes numbers from 1 to %d such as 1,5,7-12, not %q", most, part))
		}
		for n := from; n <= to; n++ {
			out = append(out, n)
		}
	}
	return out, nil
}

// reportText renders a report for people.
func reportText(r conformance.Report) []byte {
	var b []byte
	for _, c := range r.Checks {
		b = fmt.Appendf(b, "%3d  %s  %s\n", c.ID, c.Outcome, c.Name)
		if c.Detail != "" {
			b = fmt.Appendf(b, "           %s\n", strings.ReplaceAll(c.Detail, "\n", " "))
		}
	}
	return fmt.Appendf(b, "%d passed, %d failed, %d skipped\n",
		r.Count(conformance.Pass), r.Count(conformance.Fail), r.Count(conformance.Skip))
}

// checkProgress tells on stderr what is being checked, once it has taken two
// seconds.
type checkProgress struct {
	u           *ui
	width       int
	begun, told time.Time
	standing    bool
}

func (p *checkProgress) show(done, total int, name string) {
	const quiet = 2 * time.Second
	now := time.Now()
	if now.Sub(p.begun) < quiet || !p.u.redrawn && now.Sub(p.told) < quiet {
		return
	}
	p.told = now
	line := fmt.Sprintf("kload: check %d of %d: %s", done+1, total, name)
	if !p.u.redrawn {
		fmt.Fprintln(p.u.err, line)
		return
	}
	if r := []rune(line); p.width > 0 && len(r) >= p.width {
		line = string(r[:p.width-1])
	}
	fmt.Fprint(p.u.err, clearLine+line)
	p.standing = true
}

func (p *checkProgress) clear() {
	if p.standing {
		fmt.Fprint(p.u.err, clearLine)
	}
}
