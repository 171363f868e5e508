package conf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on files, far beyond what people write: they keep a wrong file from
// exhausting memory or stack.
const (
	maxSize  = 1 << 20
	maxDepth = 64
	// The YAML parser's time grows with the square of the number of keys in a
	// block; this many words and signs take it about a second.
	maxTokens = 50_000
)

// Document is a configuration file as written, with overlays and settings
// applied on top. It is not safe for concurrent use.
type Document struct {
	file  string
	lines []string
	root  *node
	layer int
}

// Parse reads one YAML document of at most 1 MiB, nested at most 64 deep, whose
// top level is a block of keys. The file name is for messages. What is wrong
// with the syntax is returned as [Problems].
func Parse(file string, src []byte) (*Document, error) {
	d := &Document{file: file}
	switch {
	case len(src) > maxSize:
		return nil, Problems{{
			File: file, Line: 1, Col: 1,
			Msg:  "the file is larger than 1 MiB",
			Hint: "give kload the scenario, not its data",
		}}
	case !utf8.Valid(src):
		return nil, Problems{{
			File: file, Line: 1 + bytes.Count(src[:invalidAt(src)], []byte("\n")), Col: 1,
			Msg: "the file is not UTF-8 text", Hint: "save it with UTF-8 encoding",
		}}
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	d.lines = strings.Split(text, "\n")
	root, problems := d.parse(text)
	if len(problems) == 0 && root.kind != kindBlock {
		problems = Problems{d.problem(root.pos, "", "expected a block of keys, found "+root.describe(),
			"a file starts with keys such as name: my-scenario")}
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	d.root = root
	return d, nil
}

// invalidAt returns the index of the first byte that is not UTF-8.
func invalidAt(src []byte) int {
	i := 0
	for i < len(src) {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}

// parse turns one YAML document into nodes.
func (d *Document) parse(text string) (root *node, problems Problems) {
	tokens := lexer.Tokenize(text)
	if len(tokens) > maxTokens {
		return nil, Problems{d.problem(position{line: 1, col: 1}, "",
			fmt.Sprintf("the file has more than %d words and signs", maxTokens), "give kload the scenario, not its data")}
	}
	if pos, deep := tooDeep(tokens); deep {
		return nil, Problems{d.problem(pos, "", tooDeepMsg, "")}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{d.syntaxProblem(err)}
	}
	c := converter{doc: d}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, ok := doc.Body.(*ast.DirectiveNode); ok {
			c.convert(doc.Body, "", 0)
			continue
		}
		if root != nil {
			c.refuse(at(doc.Body), "", "a second document starts here", "keep one document per file")
			break
		}
		root = c.convert(doc.Body, "", 0)
	}
	if root == nil && len(c.problems) == 0 {
		c.refuse(position{line: 1, col: 1}, "", "the file is empty", "a file starts with keys such as name: my-scenario")
	}
	return root, c.problems
}

var tooDeepMsg = fmt.Sprintf("nested more than %d deep", maxDepth)

// tooDeep finds nesting that would send a recursive parser into the depths: any
// in flow style or on one line. Nesting by indentation cannot get deep within
// maxSize and is checked on the result.
func tooDeep(tokens token.Tokens) (position, bool) {
	flow, entries, line := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, entries = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			entries++
		}
		if flow > maxDepth || entries > maxDepth {
			return position{line: line, col: tk.Position.Column}, true
		}
	}
	return position{}, false
}

// syntaxProblem places what the YAML parser says.
func (d *Document) syntaxProblem(err error) Problem {
	pos, msg := position{line: 1, col: 1}, ""
	if placed, ok := errors.AsType[interface {
		GetMessage() string
		GetToken() *token.Token
		error
	}](err); ok {
		// Its Error method prints the source around the place, which takes minutes
		// for a large file.
		msg = placed.GetMessage()
		if tk := placed.GetToken(); tk != nil {
			pos = position{line: tk.Position.Line, col: tk.Position.Column}
		}
	}
	if msg == "" {
		msg = err.Error()
	}
	return d.problem(pos, "", "not valid YAML: "+strings.ReplaceAll(msg, "\t", `\t`), d.syntaxHint(pos, msg))
}

// syntaxHint says what most often is behind a syntax error.
func (d *Document) syntaxHint(pos position, msg string) string {
	line := ""
	if pos.line >= 1 && pos.line <= len(d.lines) {
		line = d.lines[pos.line-1]
	}
	switch {
	case strings.Contains(line, "\t"):
		return "indent with spaces, not tabs"
	case strings.ContainsAny(line, "{[") && strings.Contains(line, "${"):
		return `inside {…} and […] put quotes around variables: "${name}"`
	case strings.Contains(msg, "reserved character"):
		return "put quotes around the value"
	case strings.Contains(msg, "could not find") || strings.Contains(msg, "not found") || strings.Contains(msg, "must be specified"):
		return "a bracket, brace or quote is opened and not closed"
	}
	return "check the indentation, and put quotes around values that contain \": \""
}

// at returns the place of a node of the YAML parser.
func at(n ast.Node) position {
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return position{line: tk.Position.Line, col: tk.Position.Column}
	}
	return position{line: 1, col: 1}
}
