package observer

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/condition"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// reviewEvery is how often it is looked for exceptions that somebody should look at.
const reviewEvery = time.Hour

// excepting is a flow, by its index in part.flows, and an exception or a calendar that it falls under.
type excepting struct {
	flow, exception int
	calendar        bool // exception is one of the calendars
}

// equipExceptions compiles the exceptions and the calendars, which may name any of all rules.
func (s *shared) equipExceptions(all []rule.Rule) (err error) {
	options := rule.ExceptionOptions{Rules: all, Now: s.now(), Logger: s.logger}
	if s.config.Geo.ASNDatabase != "" {
		options.ASN = s.asn
	}
	if s.matcher, err = rule.NewExceptions(s.config.Exceptions, options); err != nil {
		return err
	}
	s.calendar, err = rule.NewCalendars(s.config.Calendars, options)
	return err
}

// openNetworkFiles reads the files of networks that exceptions and calendars name and, unless interval is 0, watches them until close.
func (s *shared) openNetworkFiles(interval time.Duration) error {
	const remedy = "give the path of a text file with one network a line that the collector may read"
	if err := s.matcher.Open(interval); err != nil {
		return fmt.Errorf("exceptions: %w; %s", err, remedy)
	}
	if err := s.calendar.Open(interval); err != nil {
		s.matcher.Close()
		return fmt.Errorf("calendars: %w; %s", err, remedy)
	}
	return nil
}

// except notes the exceptions and calendars that flow i of the part in hand falls under. It was read of a log record, nil if of a data point.
func (s *shared) except(b *Batch, i int, log *condition.Record) {
	p := b.at
	if s.matcher.Len() > 0 {
		b.matched = s.matcher.Match(&p.flows[i], log, b.matched[:0])
		for _, exception := range b.matched {
			p.excepted = append(p.excepted, excepting{flow: i, exception: int(exception)})
		}
	}
	if s.calendar.Len() > 0 {
		b.matched = s.calendar.Match(&p.flows[i], log, b.matched[:0])
		for _, calendar := range b.matched {
			p.excepted = append(p.excepted, excepting{flow: i, exception: int(calendar), calendar: true})
		}
	}
}

// exceptionsOf cuts those of flow i off the front.
func exceptionsOf(i int, excepted []excepting) (own, rest []excepting) {
	n := 0
	for n < len(excepted) && excepted[n].flow == i {
		n++
	}
	return excepted[:n], excepted[n:]
}

// except notes what a flow is kept from by the exceptions and calendars that it falls under, and says whether that is everything.
func (t *tenant) except(own []excepting, f *flow.Flow, now time.Time) bool {
	for _, e := range own {
		if e.calendar {
			t.calendars.Admit(e.exception, f, now)
		} else {
			t.exceptions.Admit(e.exception, f, now)
		}
	}
	return f.NoAlert&f.NoLearning&t.watched == t.watched
}

// reviewExceptions logs, now and then, the exceptions and calendars that are about to end, have ended or match nothing, and
// works out which windows of calendars come.
func (t *tenant) reviewExceptions(now time.Time) {
	if t.exceptions.Len()+t.calendars.Len() == 0 {
		return
	}
	exceptions, calendars, due := t.exceptionNews(now)
	if !due {
		return
	}
	t.calendar.Extend(now)
	for _, news := range exceptions {
		if !t.warns("exception", news) {
			continue
		}
		t.logger.Warn(advice(news.Status), zap.String("exception", news.Name), zap.String("owner", news.Owner),
			zap.String("reason", news.Reason), zap.String("expires", news.Expires), zap.Time("since", news.Since))
	}
	for _, news := range calendars {
		if !t.warns("calendar", news) {
			continue
		}
		t.logger.Warn(calendarAdvice(news.Status), zap.String("calendar", news.Name), zap.String("owner", news.Owner),
			zap.String("reason", news.Reason), zap.Int64("flows", news.Flows), zap.Time("since", news.Since))
	}
}

// warns says whether it is this tenant's to warn. Where tenants are told apart, the first to notice that something ends warns of it;
// and what matches nothing of one may be another's daily business: only the reports of all say whether it is idle.
func (t *tenant) warns(kind string, news rule.ExceptionReport) bool {
	if !t.partition.apart() {
		return true
	}
	if news.Status == rule.ExceptionIdle {
		return false
	}
	_, warned := t.warned.LoadOrStore([3]string{kind, news.Name, string(news.Status)}, true)
	return !warned
}

// exceptionNews reviews the exceptions and calendars if that is due.
func (t *tenant) exceptionNews(now time.Time) (exceptions, calendars []rule.ExceptionReport, due bool) {
	t.admission.Lock()
	defer t.admission.Unlock()
	if now.Before(t.reviewAt) {
		return nil, nil, false
	}
	t.reviewAt = now.Add(reviewEvery)
	return t.exceptions.Review(now), t.calendars.Review(now), true
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

func calendarAdvice(status rule.ExceptionStatus) string {
	if status == rule.CalendarEnded {
		return "A calendar has ended, and no window of it will come; renew it or remove it"
	}
	return "A calendar has matched nothing for 30 days and three of its windows; correct it or remove it"
}

// Exceptions tells how the exceptions stand and what fell under them, in the order of the configuration. Each tenant has accounts of
// its own; here they are summed up.
func (o *Observer) Exceptions() []rule.ExceptionReport {
	return o.reports(func(t *tenant) *rule.Exceptions { return t.exceptions })
}

// Calendars tells the same of the calendars.
func (o *Observer) Calendars() []rule.ExceptionReport {
	return o.reports(func(t *tenant) *rule.Exceptions { return t.calendars })
}

func (o *Observer) reports(of func(*tenant) *rule.Exceptions) (all []rule.ExceptionReport) {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	for _, t := range o.tenants.list() {
		t.admission.Lock()
		reports := of(t).Reports(now)
		t.admission.Unlock()
		all = sumReports(all, reports)
	}
	return all
}

// sumReports adds a tenant's reports to those of others, nil if it is the first. Of conditions all tenants' failures are in each.
func sumReports(all, reports []rule.ExceptionReport) []rule.ExceptionReport {
	if all == nil {
		return reports
	}
	for i := range all {
		sum, r := &all[i], &reports[i]
		if sum.Status == rule.ExceptionIdle { // it is not if one tenant's is not
			sum.Status = r.Status
		}
		if r.Since.After(sum.Since) {
			sum.Since = r.Since
		}
		sum.Flows, sum.AboveFlows = flow.AddBytes(sum.Flows, r.Flows), flow.AddBytes(sum.AboveFlows, r.AboveFlows)
		sum.Bytes, sum.AboveBytes = flow.AddBytes(sum.Bytes, r.Bytes), flow.AddBytes(sum.AboveBytes, r.AboveBytes)
	}
	return all
}
