package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progress says how far the demo is: on a terminal in one line that is written over and
// over, elsewhere only at the end of each step.
type progress struct {
	out      io.Writer
	terminal bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

const (
	barWidth = 24
	// overwrite goes back to the line's start and clears it (ECMA-48: CR, EL).
	overwrite = "\r\x1b[K"
)

// show says that done, 0..1, of a step is done.
func (p *progress) show(done float64, format string, args ...any) {
	if !p.terminal {
		return
	}
	full := int(min(max(done, 0), 1) * barWidth)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	fmt.Fprintf(p.out, overwrite+"  %s %3.0f %%  %s", bar, 100*done, fmt.Sprintf(format, args...))
}

// end closes a step.
func (p *progress) end(format string, args ...any) {
	if p.terminal {
		fmt.Fprint(p.out, overwrite)
	}
	fmt.Fprintf(p.out, "  "+format+"\n", args...)
}

// note writes a line of its own.
func (p *progress) note(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}
