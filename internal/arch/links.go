package arch

import (
	"io/fs"
	"regexp"
	"strings"
)

// checkLinks follows the references of comments into docs/, such as
// docs/TERMS.md#shard. An anchor is an <a id> or the slug of a heading.
func (r *report) checkLinks(fsys fs.FS) {
	link := regexp.MustCompile(`\bdocs/[\w./-]+\.md(#[\w.-]*\w)?`)
	anchors := map[string]map[string]bool{}
	for _, f := range r.files {
		for _, group := range f.syntax.Comments {
			for _, ref := range link.FindAllString(group.Text(), -1) {
				doc, anchor, _ := strings.Cut(ref, "#")
				if _, ok := anchors[doc]; !ok {
					anchors[doc] = anchorsOf(fsys, doc)
				}
				switch {
				case anchors[doc] == nil:
					r.at(f, group, "refers to "+doc, "there is no such document: write it or correct the reference")
				case anchor != "" && !anchors[doc][anchor]:
					r.at(f, group, "refers to "+ref, "the document has no such anchor: define it there or correct the reference")
				}
			}
		}
	}
}

// anchorsOf returns the anchors of a Markdown document, nil if it cannot be read.
func anchorsOf(fsys fs.FS, doc string) map[string]bool {
	text, err := fs.ReadFile(fsys, doc)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)">|(?m:^#+ (.+)$)`).FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = true
		found[slug(m[2])] = true
	}
	delete(found, "")
	return found
}

// slug turns a heading into its anchor as GitHub does.
func slug(heading string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case strings.ContainsRune("`*.,:;()/'?!", c):
			return -1
		}
		return c
	}, strings.ToLower(strings.TrimSpace(heading)))
}
