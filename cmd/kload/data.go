package main

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"text/tabwriter"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/scenarios"
)

// dataVerb describes recorded data, converts it to what replays best, or takes a
// sample of it.
func dataVerb(u *ui, args []string) error {
	var o scenarios.DataOptions
	f := u.flags()
	f.StringVar(&o.Timestamp, "timestamp", "dropoff_datetime", "`attribute` or column with the time of a row")
	f.StringVar(&o.Endpoint, "endpoint", "", "`URL` of the S3 service for s3://, such as http://127.0.0.1:4568; the real service by default")
	f.StringVar(&o.To, "to", "", "new `directory` to write to, for convert and sample")
	f.StringVar(&o.Rows, "rows", "1k", "`number` of rows of a sample")
	f.BoolVar(&o.First, "first", false, "sample the first rows instead of some of everywhere")
	f.StringVar(&o.Seek, "seek", "", "sample rows from this `time` on")
	f.StringVar(&o.Until, "until", "", "sample rows before this `time`")
	f.StringVar(&o.Filter, "filter", "", "sample rows for which this `expression` is true")
	asJSON := f.Bool("json", false, "print JSON")
	args, err := u.parse(f, args)
	if err != nil {
		return err
	}
	o.From = args[1]
	sampling := args[0] == "sample"
	for _, only := range []string{"rows", "first", "seek", "until", "filter"} {
		if f.Changed(only) && !sampling {
			return u.usageError("--" + only + " is for sample")
		}
	}
	switch {
	case !slices.Contains([]string{"describe", "convert", "sample"}, args[0]):
		return kload.WithHint(fmt.Errorf("%w: there is no 'kload data %s'", kload.ErrInvalid, args[0]), "use describe, convert or sample")
	case args[0] == "describe" && o.To != "":
		return u.usageError("describe writes nothing, so that --to has no effect")
	case args[0] != "describe" && o.To == "":
		return u.usageError(args[0] + " needs --to DIRECTORY")
	}
	ctx, stop := interruptible(func() { u.note("interrupted") })
	defer stop()
	if args[0] == "describe" {
		d, err := scenarios.DescribeData(ctx, o)
		if err != nil {
			return err
		}
		if *asJSON {
			return u.printJSON(d)
		}
		return u.print(describeData(d))
	}
	write := scenarios.ConvertData
	if sampling {
		write = scenarios.SampleData
	}
	w, err := write(ctx, o)
	if err != nil {
		return err
	}
	if *asJSON {
		return u.printJSON(w)
	}
	out := fmt.Appendf(nil, "%s rows in %d objects, %s of JSON in %s; %s malformed rows left out\n",
		units.Thousands(w.Rows), w.Objects, units.Size(w.Bytes), units.Size(uint64(w.Stored)), units.Thousands(w.Malformed))
	return u.print(fmt.Appendf(malformed(out, w.Samples), "replay them: kload replay --from file://%s\n", o.To))
}

// malformed appends samples of malformed rows.
func malformed(out []byte, samples []scenarios.MalformedRow) []byte {
	for _, m := range samples {
		out = fmt.Appendf(out, "malformed: line %d of %s: %s\n", m.Line, m.Object, m.Reason)
	}
	return out
}

// describeData lays a description out as text.
func describeData(d *scenarios.DataDescription) []byte {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "object\trows\tfirst\tlast\trows/s\tpeak/s\tB/row\tJSON\tstored\tmalformed\tout of order")
	line := func(name string, o *scenarios.ObjectDescription) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3g\t%d\t%.0f\t%s\t%s\t%d\t%d\n", name, units.Thousands(o.Rows), o.First, o.Last, o.Density,
			o.PeakSecond, o.BytesPerRow(), units.Size(o.RowBytes+o.Rows), units.Size(uint64(o.Stored)), o.Malformed, o.OutOfOrder)
	}
	for i := range d.Objects {
		line(shorten(d.Objects[i].Name), &d.Objects[i])
	}
	if len(d.Objects) > 1 {
		line(fmt.Sprintf("all %d", len(d.Objects)), &d.Total)
	}
	if err := w.Flush(); err != nil {
		return fmt.Appendf(nil, "%v", err)
	}
	for _, s := range d.Skipped {
		fmt.Fprintf(&out, "skipped: %s (%s)\n", s.Name, s.Reason)
	}
	return malformed(out.Bytes(), d.Malformed)
}

// shorten keeps the folder and the beginning of an object's name.
func shorten(name string) string {
	const most = 10
	folder, base := path.Split(name)
	if len(base) > most {
		base = base[:most] + "…"
	}
	return path.Join(path.Base(folder), base)
}
