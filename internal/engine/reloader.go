package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/observer"
	"github.com/otel-exfil/exfil/internal/rule"
)

// settleTime is for how long rule files must stay the same before they are followed: a file that is being written may be valid
// half way, and say that rules are gone of which weeks have been learned.
const settleTime = 2 * time.Second

// reloader lets an observer follow its rule files: it looks every interval whether they say something new, and makes that hold
// once they have settled. Files that cannot be read or may not be used leave the rules in force as they are.
type reloader struct {
	observer *observer.Observer
	config   *config.Config
	logger   *zap.Logger
	now      func() time.Time
	interval time.Duration
	still    *sync.Mutex // held while the observer is loaded, saved, or told to follow other rules
	failures *atomic.Int64

	*watch // of the time; set by start

	// Only the watch uses these.
	next time.Time // when to look at the files
	seen string    // digest of the rules that they named last time and that are not in force; "": there are none
}

// start looks at the files when look is called and it is time to, until end.
func (r *reloader) start() {
	r.next = r.now().Add(r.interval)
	r.watch = newWatch(r.attempt)
}

// attempt looks at the files if it is time to.
func (r *reloader) attempt(context.Context) {
	now := r.now()
	if now.Before(r.next) {
		return
	}
	r.next = now.Add(r.interval)
	all, err := r.config.LoadRules()
	if err != nil {
		r.failed(err)
		return
	}
	switch digest := rule.Digest(r.config.Enabled(all)); digest {
	case r.observer.RulesDigest():
		r.seen = ""
	case r.seen:
		r.follow(all)
	default:
		r.seen = digest
		r.next = now.Add(min(r.interval, settleTime))
	}
}

func (r *reloader) follow(all []rule.Rule) {
	r.still.Lock()
	defer r.still.Unlock()
	r.seen = ""
	if err := r.observer.FollowRules(all); err != nil {
		r.failed(err)
	}
}

func (r *reloader) failed(err error) {
	r.seen = ""
	r.failures.Add(1)
	r.logger.Warn("Rule files not reloaded; the rules before stay in force", zap.Error(err))
}
