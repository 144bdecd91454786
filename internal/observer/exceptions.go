package observer

import (
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// reviewEvery is how often it is looked for exceptions that somebody should look at.
const reviewEvery = time.Hour

// excepting is a flow, by its index in part.flows, and an exception that it falls under.
type excepting struct{ flow, exception int }

// equipExceptions compiles the exceptions, which may name any of all rules.
func (s *shared) equipExceptions(all []rule.Rule) (err error) {
	options := rule.ExceptionOptions{Rules: all, Now: s.now(), Logger: s.logger}
	if s.config.Geo.ASNDatabase != "" {
		options.ASN = s.asn
	}
	s.matcher, err = rule.NewExceptions(s.config.Exceptions, options)
	return err
}

// exceptionsOf cuts those of flow i off the front.
func exceptionsOf(i int, excepted []excepting) (own, rest []excepting) {
	n := 0
	for n < len(excepted) && excepted[n].flow == i {
		n++
	}
	return excepted[:n], excepted[n:]
}

// except notes what a flow is kept from by the exceptions that it falls under, and says whether that is everything.
func (t *tenant) except(own []excepting, f *flow.Flow, now time.Time) bool {
	for _, e := range own {
		t.exceptions.Admit(e.exception, f, now)
	}
	return f.NoAlert&f.NoLearning&t.watched == t.watched
}

// reviewExceptions logs, now and then, the exceptions that are about to expire, have expired or match nothing.
func (t *tenant) reviewExceptions(now time.Time) {
	if t.exceptions.Len() == 0 {
		return
	}
	t.admission.Lock()
	defer t.admission.Unlock()
	if now.Before(t.reviewAt) {
		return
	}
	t.reviewAt = now.Add(reviewEvery)
	for _, news := range t.exceptions.Review(now) {
		t.logger.Warn(advice(news.Status), zap.String("exception", news.Name), zap.String("owner", news.Owner),
			zap.String("reason", news.Reason), zap.String("expires", news.Expires), zap.Time("since", news.Since))
	}
}

func advice(status rule.ExceptionStatus) string {
	switch status {
	case rule.ExceptionExpired:
		return "An exception has expired and matches nothing any more; renew it or remove it"
	case rule.ExceptionExpiring:
		return "An exception expires soon; renew it or let it go"
	}
	return "An exception has matched nothing for 30 days; correct it or remove it"
}

// Exceptions tells how the exceptions stand and what fell under them, in the order of the configuration.
func (o *Observer) Exceptions() []rule.ExceptionReport {
	o.cut.RLock()
	defer o.cut.RUnlock()
	o.tenant.admission.Lock()
	defer o.tenant.admission.Unlock()
	return o.tenant.exceptions.Reports(o.now())
}
