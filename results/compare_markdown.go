package results

import (
	"fmt"
	"io"
	"strings"
)

// WriteCompareMarkdown writes the comparison for a pull request: the verdict and
// what changed in sight, the rest folded away.
func WriteCompareMarkdown(w io.Writer, c *Comparison) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### %s: %s\n\n", strings.ToUpper(string(c.Verdict)), c.headline())
	for _, r := range c.Reasons {
		fmt.Fprintf(&out, "- %s\n", markdown(r))
	}
	for _, d := range c.Differences {
		fmt.Fprintf(&out, "- **not comparable:** %s\n", markdown(d))
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&out, "- %s\n", markdown(n))
	}
	var changed, others []Change
	for _, ch := range append(append([]Change{}, c.Latencies...), c.Rates...) {
		switch {
		case ch.zero() || ch.minor():
		case ch.Verdict == Regression || ch.Verdict == Improvement:
			changed = append(changed, ch)
		default:
			others = append(others, ch)
		}
	}
	if len(changed) > 0 {
		out.WriteString("\n" + markdownTable(changed))
	}
	fold := func(title string, changes []Change) {
		if len(changes) > 0 {
			fmt.Fprintf(&out, "\n<details><summary>%s</summary>\n\n%s\n</details>\n", title, markdownTable(changes))
		}
	}
	fold("other latencies and rates", others)
	var plain []Change
	for _, ch := range append(append([]Change{}, c.Counters...), c.Process...) {
		if !ch.zero() {
			plain = append(plain, ch)
		}
	}
	fold("counters and process", plain)
	fmt.Fprintf(&out, "\nA: %s  \nB: %s\n\n", markdownRuns(c.A), markdownRuns(c.B))
	for _, l := range c.legend() {
		out.WriteString(markdown(l) + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func markdownTable(changes []Change) string {
	var t table
	t.row(" ", "A", "B", "change", "95 % interval", "p", "verdict")
	for _, c := range changes {
		t.row(c.Name+" "+c.Stat, c.show(c.A), c.show(c.B), c.percent(), c.interval(), c.probability(), c.Verdict.mark())
	}
	var out strings.Builder
	for i, cells := range t.withoutEmpty().rows {
		for j := range cells {
			cells[j] = markdown(cells[j])
		}
		out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			out.WriteString("|---" + strings.Repeat("|--:", len(cells)-1) + "|\n")
		}
	}
	return out.String()
}

func markdownRuns(runs []RunRef) string {
	var ids []string
	for _, r := range runs {
		ids = append(ids, "`"+strings.ReplaceAll(r.RunID, "`", "'")+"`")
	}
	return fmt.Sprintf("%s, %s", markdown(runs[0].Scenario), strings.Join(ids, " "))
}

// markdown escapes what would be read as markup; a single ~ is none, but two
// would strike through what lies between.
func markdown(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "~", `\~`, "`", "\\`", "\n", " ").Replace(s)
}
