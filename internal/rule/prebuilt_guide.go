package rule

import (
	"fmt"
	"slices"
	"strings"
)

// guide adds the guide to what the rule says of a built-in one. Parts that it does not have stay as they are built in.
func (t table) guide(id string, o Override) (Override, error) {
	investigation, falsePositives, response := parts(deref(t.text("note")))
	var list strings.Builder
	for _, text := range t.texts("false_positives") {
		fmt.Fprintf(&list, "- %s\n", strings.Join(strings.Fields(text), " "))
	}
	falsePositives = strings.TrimSpace(list.String() + "\n" + falsePositives)
	if references := t.texts("references"); len(references) > 1 {
		if investigation == "" {
			builtIn, err := Builtin()
			if err != nil {
				return Override{}, err
			}
			i := slices.IndexFunc(builtIn, func(r Rule) bool { return r.ID == id })
			investigation = builtIn[i].Guide.Investigation
		}
		investigation = strings.TrimSpace(investigation) + "\n\nReferences:\n\n- " + strings.Join(references[1:], "\n- ")
	}
	o.Guide = GuideOverride{
		Investigation: said(investigation), FalsePositives: said(falsePositives), Response: said(response),
	}
	return o, nil
}

// parts takes a guide in Markdown apart at its headings: below one that speaks of false positives it is about those, below
// one that speaks of a response or remediation about that, until the next heading of the same level or above; all else is
// about the investigation.
func parts(note string) (investigation, falsePositives, response string) {
	var texts [3]strings.Builder
	part, level, code := 0, 0, false
	for line := range strings.Lines(note) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if depth := heading(line); depth > 0 && !code {
			title := strings.ToLower(line)
			switch {
			case strings.Contains(title, "false positive"):
				part, level = 1, depth
				continue
			case strings.Contains(title, "response"), strings.Contains(title, "remediation"):
				part, level = 2, depth
				continue
			case depth <= level:
				part, level = 0, 0
			}
		}
		texts[part].WriteString(line)
	}
	return strings.TrimSpace(texts[0].String()), strings.TrimSpace(texts[1].String()), strings.TrimSpace(texts[2].String())
}

// heading returns the level of a heading of Markdown, from 1 to 6, and 0 for any other line.
func heading(line string) int {
	depth := len(line) - len(strings.TrimLeft(line, "#"))
	if depth > 6 || !strings.HasPrefix(line[depth:], " ") {
		return 0
	}
	return depth
}
