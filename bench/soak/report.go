package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/otel-exfil/exfil/internal/bytesize"
)

const (
	// growth is by how much the heap of one of the last months may exceed that after the first.
	growth = 1.10
	// last is how many months in the end are compared with the first.
	last = 3
)

var (
	errGrows    = errors.New("the heap grows")
	errRoom     = errors.New("no key was ever full: nothing was tried")
	errFailures = errors.New("checkpoints failed")
	errBlind    = errors.New("thefts are missed")
	errLost     = errors.New("what was kept is not what was loaded")
	errShort    = errors.New("too short to say")
)

// report is the table of months and what follows from it.
type report struct {
	out    io.Writer
	began  time.Time
	months []month
	again  loadedAgain
}

func newReport(out io.Writer, p plan) *report {
	fmt.Fprintf(out, "%d hosts, %d records a window, max_entities %d, seed %d\n", p.hosts, p.records, p.entities, p.seed)
	fmt.Fprintf(out, "%-10s %9s %9s %8s %9s %7s %7s %6s %10s %6s %6s %6s\n",
		"until", "heap MB", "RSS MB", "entities", "evicted", "windows", "alerts", "thefts", "checkpoint", "s", "ns/rec", "wall s")
	return &report{out: out, began: time.Now()}
}

// month takes a month and prints it.
func (r *report) month(m month) {
	r.months = append(r.months, m)
	fmt.Fprintf(r.out, "%-10s %9.1f %9.1f %8d %9d %7d %7d %3d/%-2d %10s %6.2f %6s %6.0f\n",
		m.ends.Format(time.DateOnly), mega(m.heap), mega(m.resident), m.entities, m.evicted, m.windows, m.anomalies, m.told, m.thefts,
		bytesize.Size(m.checkpoint).Human(), m.checkpointTook.Seconds(), m.perRecord(), m.wall.Seconds())
}

// perRecord is how many nanoseconds of a processor a record has taken, those of the generator and of checkpoints included.
func (m month) perRecord() string {
	if m.cpu == 0 || m.records == 0 {
		return "–"
	}
	return strconv.FormatInt(m.cpu.Nanoseconds()/m.records, 10)
}

func mega(bytes int64) float64 { return float64(bytes) / 1e6 }

// loaded takes what came of loading what was kept, and prints it.
func (r *report) loaded(l loadedAgain) {
	r.again = l
	fmt.Fprintf(r.out, "loaded again: %d of %d entities, from %s, in %.2f s\n",
		l.entities, l.kept, bytesize.Size(l.bytes).Human(), l.took.Seconds())
}

// verdict says all that is wrong, nil: nothing is.
func (r *report) verdict() error {
	if len(r.months) < 2 {
		return fmt.Errorf("%w: %d months", errShort, len(r.months))
	}
	first, end := r.months[0], r.months[len(r.months)-1]
	var all []error
	for _, m := range r.lastMonths() {
		if ratio := float64(m.heap) / float64(first.heap); ratio > growth {
			all = append(all, fmt.Errorf("%w: in the month until %s to %.0f %% of what it was after the first",
				errGrows, m.ends.Format(time.DateOnly), 100*ratio))
		}
	}
	if end.evicted == 0 {
		all = append(all, errRoom)
	}
	if end.checkpointFailures > 0 || end.checkpoint == 0 {
		all = append(all, fmt.Errorf("%w: %d times; the last one has %d bytes", errFailures, end.checkpointFailures, end.checkpoint))
	}
	if told, thefts := r.thefts(); 2*told <= thefts {
		all = append(all, fmt.Errorf("%w: %d of %d in the last months", errBlind, thefts-told, thefts))
	}
	if r.again.entities != r.again.kept {
		all = append(all, fmt.Errorf("%w: %d entities of %d", errLost, r.again.entities, r.again.kept))
	}
	if len(all) == 0 {
		fmt.Fprintf(r.out, "flat: %.1f MB after the first month, %.1f MB after the last, in %.0f s\n",
			mega(first.heap), mega(end.heap), time.Since(r.began).Seconds())
	}
	return errors.Join(all...)
}

// lastMonths are those that are compared with the first.
func (r *report) lastMonths() []month { return r.months[max(1, len(r.months)-last):] }

// thefts is how many there were in the last months, and how many were told of.
func (r *report) thefts() (told, thefts int) {
	for _, m := range r.lastMonths() {
		told, thefts = told+m.told, thefts+m.thefts
	}
	return told, thefts
}
