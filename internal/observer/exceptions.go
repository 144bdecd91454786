package observer

import (
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// reviewEvery is how often it is looked for exceptions that somebody should look at.
const reviewEvery = time.Hour

// excepting is a flow, by its index in Batch.flows, and an exception that it falls under.
type excepting struct{ flow, exception int }

// equipExceptions compiles the exceptions, which may name any of all rules. Those at work must be known.
func (o *Observer) equipExceptions(cfg *config.Config, all []rule.Rule) (err error) {
	options := rule.ExceptionOptions{Rules: all, Now: o.now(), Logger: o.logger}
	if cfg.Geo.ASNDatabase != "" {
		options.ASN = o.asn
	}
	o.exceptions, err = rule.NewExceptions(cfg.Exceptions, options)
	for i := range o.rules {
		o.watched |= flow.RuleNumber(i)
	}
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
func (o *Observer) except(own []excepting, f *flow.Flow, now time.Time) bool {
	for _, e := range own {
		o.exceptions.Admit(e.exception, f, now)
	}
	return f.NoAlert&f.NoLearning&o.watched == o.watched
}

// reviewExceptions logs, now and then, the exceptions that are about to expire, have expired or match nothing.
func (o *Observer) reviewExceptions(now time.Time) {
	if o.exceptions.Len() == 0 {
		return
	}
	o.admission.Lock()
	defer o.admission.Unlock()
	if now.Before(o.reviewAt) {
		return
	}
	o.reviewAt = now.Add(reviewEvery)
	for _, news := range o.exceptions.Review(now) {
		o.logger.Warn(advice(news.Status), zap.String("exception", news.Name), zap.String("owner", news.Owner),
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
	o.admission.Lock()
	defer o.admission.Unlock()
	return o.exceptions.Reports(o.now())
}
