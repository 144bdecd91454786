package detector

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
)

// Watch is a key to watch on behalf of a rule.
type Watch struct {
	Rule        string         // id of the rule
	By          []flow.Field   // the rule's key, one to four fields
	Details     [][]flow.Field // finer keys watched for it, each holding all fields of By and more
	Spans       []time.Duration
	Threshold   float64 // score at which it finds, 0..100
	Budget      float64 // expected false alarms a week at a score of 75
	MinBytes    int64   // less than this in a window is never found
	MaxEntities int     // of each key and span
}

// Settings are what all watches share.
type Settings struct {
	Watches      []Watch
	Lateness     time.Duration // how far behind the newest record an older one may come; at most the shortest span
	MaxClockSkew time.Duration // how far ahead of the clock a record may be
	WarmUp       time.Duration
	Location     *time.Location // whose hours and weekends the season follows; nil: UTC
	Contributors Contributors   // who is named in findings
	// Pseudonyms give names that a state has in clear, and that are hashed now, the names that flows bring; nil: none are.
	Pseudonyms *pseudonym.Pseudonyms
	Ablation   baseline.Ablation // for measurements only
	// Pace is called while windows close, each time when so much has been done, in sums that are judged or what takes as long;
	// nil: it is not. Whoever is called may let others go on, but must not call the detector.
	Pace func(work int)
}

// MaxKeyFields bounds the fields of one key.
const MaxKeyFields = 4

// ErrSettings is wrapped by New's error.
var ErrSettings = errors.New("detector settings")

func (s *Settings) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrSettings}, args...)...))
	}
	if len(s.Watches) == 0 {
		bad("no rule to watch for")
	}
	if s.Lateness < 0 || s.MaxClockSkew < 0 || s.WarmUp < 0 {
		bad("lateness, clock skew and warm-up must not be negative")
	}
	if err := s.Contributors.validate(); err != nil {
		bad("%w", err)
	}
	for i := range s.Watches {
		w := &s.Watches[i]
		for _, key := range append([][]flow.Field{w.By}, w.Details...) {
			if len(key) == 0 || len(key) > MaxKeyFields {
				bad("%s: a key has one to %d fields, not %d", w.Rule, MaxKeyFields, len(key))
			}
		}
		for _, detail := range w.Details {
			if len(detail) <= len(w.By) || !holds(detail, w.By) {
				bad("%s: detail key %v must hold %v and more", w.Rule, detail, w.By)
			}
		}
		if len(w.Spans) == 0 {
			bad("%s: no span", w.Rule)
		}
		for _, span := range w.Spans {
			if span <= 0 || 24*time.Hour%span != 0 {
				bad("%s: span %v does not divide a day", w.Rule, span)
			} else if span < s.Lateness {
				bad("%s: span %v is shorter than the allowed lateness %v", w.Rule, span, s.Lateness)
			}
		}
		if !(w.Threshold >= 0 && w.Threshold <= 100) || !(w.Budget > 0) || w.MaxEntities < 1 || w.MinBytes < 0 {
			bad("%s: threshold 0..100, budget above 0, at least one entity and no negative floor are needed", w.Rule)
		}
	}
	return errors.Join(errs...)
}

// spans lists every span that a rule watches, shortest first.
func (s *Settings) spans() []time.Duration {
	var spans []time.Duration
	for i := range s.Watches {
		spans = append(spans, s.Watches[i].Spans...)
	}
	slices.Sort(spans)
	return slices.Compact(spans)
}

func holds(fields, all []flow.Field) bool {
	for _, f := range all {
		if !slices.Contains(fields, f) {
			return false
		}
	}
	return true
}
