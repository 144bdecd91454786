package rule

import (
	"slices"
	"time"
)

// Fork returns exceptions that match as e does and keep accounts of their own, from now on: what is spent of a ceiling, and what
// was counted. The files of networks stay those of e, which opens and closes them, the rules those that e holds for,
// and the windows of calendars are worked out by Extend of e.
func (e *Exceptions) Fork(now time.Time) *Exceptions {
	fork := &Exceptions{
		key: e.key, list: slices.Clone(e.list), files: e.files, asn: e.asn, logger: e.logger,
		numbered: e.numbered, agenda: e.agenda, sieve: e.sieve,
	}
	for i := range fork.list {
		x := &fork.list[i]
		x.spent, x.counts = ledger{}, exceptionCounts{since: now}
	}
	return fork
}
