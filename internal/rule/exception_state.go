package rule

import (
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
)

// exceptionsVersion is that of the state written here, and the newest that can be read.
const exceptionsVersion = 1

// ExceptionMemory is what is kept of an exception over a restart.
type ExceptionMemory struct {
	name  string
	since time.Time
	spent ledger
}

// Note notes what is known of the exceptions by their names, and returns what writes it. It must not be called while Admit is.
func (e *Exceptions) Note() (save func(w *codec.Writer)) {
	noted := make([]ExceptionMemory, len(e.list))
	for i := range e.list {
		x := &e.list[i]
		noted[i] = ExceptionMemory{x.name, x.counts.since, x.spent}
	}
	return func(w *codec.Writer) {
		w.Uint(exceptionsVersion)
		w.Uint(uint64(len(noted)))
		for i := range noted {
			m := &noted[i]
			w.Text(m.name)
			w.Time(m.since)
			w.Int(m.spent.window)
			w.Int(m.spent.current)
			w.Int(m.spent.previous)
		}
	}
}

// ReadExceptionMemories reads what Note has written. The error wraps codec.ErrMalformed.
func ReadExceptionMemories(r *codec.Reader) ([]ExceptionMemory, error) {
	r.Version(exceptionsVersion, "exceptions")
	const leastSize = 5 // bytes of one memory
	memories := make([]ExceptionMemory, 0)
	for range r.Count(leastSize) {
		m := ExceptionMemory{name: r.Text(), since: r.Time()}
		m.spent = ledger{r.Int(), r.Int(), r.Int()}
		if m.spent.current < 0 || m.spent.previous < 0 {
			r.Fail("exception %q has spent less than nothing", m.name)
		}
		memories = append(memories, m)
	}
	return memories, r.Err()
}

// Remember takes over what is kept of the exceptions that there still are. Where flows have fallen under one since, what it
// has spent and when that was stay as they are. It must not be called while Admit is.
func (e *Exceptions) Remember(memories []ExceptionMemory) {
	byName := make(map[string]*ExceptionMemory, len(memories))
	for i := range memories {
		byName[memories[i].name] = &memories[i]
	}
	for i := range e.list {
		x := &e.list[i]
		if m := byName[x.name]; m != nil && x.counts.flows+x.counts.aboveFlows == 0 {
			x.counts.since, x.spent = m.since, m.spent
		}
	}
}
