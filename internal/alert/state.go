package alert

import (
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// The kinds of alerts, by name, as they are written.
const (
	kindAnomaly1    = "anomaly"   // of the first version, without flows' ids, nor since when contributors are known
	kindAnomaly     = "anomaly/2" // as written here
	kindOverflow1   = "overflow"  // of the first version, without bytes and scores
	kindOverflow    = "overflow/2"
	kindSuppression = "suppression"
	kindHealth      = "health"
	// kindDryRun comes before any other that is of rules in dry run.
	kindDryRun = "dry run"
)

// AppendAlert writes an alert to the bit. ReadAlert reads it.
func AppendAlert(w *codec.Writer, a Alert) {
	switch a := a.(type) {
	case Anomaly:
		appendDryRun(w, a.DryRun)
		w.Text(kindAnomaly)
		appendFinding(w, &a.Finding)
		appendNames(w, &a.Finding)
		w.Text(a.UID)
		w.Text(a.UpdateOf)
		w.Int(int64(a.Suppressed))
	case Overflow:
		appendDryRun(w, a.DryRun)
		w.Text(kindOverflow)
		appendOverflow(w, &a)
	case Suppression:
		appendDryRun(w, a.DryRun)
		w.Text(kindSuppression)
		appendSuppression(w, &a)
	case Health:
		w.Text(kindHealth)
		w.Time(a.Time)
		w.Text(string(a.Status))
		w.Text(a.Subject)
		w.Time(a.Until)
		w.Text(a.Detail)
	}
}

// ReadAlert reads what AppendAlert wrote. Its error, which is then the reader's as well, wraps
// codec.ErrMalformed; kinds, fields and states that a later version may know are errors, too.
func ReadAlert(r *codec.Reader) (Alert, error) {
	var a Alert
	kind := r.Text()
	dryRun := kind == kindDryRun
	if dryRun {
		kind = r.Text()
	}
	switch kind {
	case kindAnomaly1, kindAnomaly:
		f := readFinding(r)
		if kind == kindAnomaly {
			readNames(r, &f)
		}
		a = Anomaly{Finding: f, UID: r.Text(), UpdateOf: r.Text(), Suppressed: int(r.Natural()), DryRun: dryRun}
	case kindOverflow1, kindOverflow:
		a = readOverflow(r, kind == kindOverflow, dryRun)
	case kindSuppression:
		a = readSuppression(r, dryRun)
	case kindHealth:
		a = Health{Time: r.Time(), Status: readStatus(r), Subject: r.Text(), Until: r.Time(), Detail: r.Text()}
	default:
		r.Fail("an alert of the kind %q", kind)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return a, nil
}

func appendDryRun(w *codec.Writer, dryRun bool) {
	if dryRun {
		w.Text(kindDryRun)
	}
}

func readStatus(r *codec.Reader) Status {
	status := Status(r.Text())
	if !slices.Contains([]Status{WarmingUp, Ready, StateLost, DatabaseOld}, status) {
		r.Fail("a health of the status %q", status)
	}
	return status
}

// phaseNames name the phases of findings as they are written.
var phaseNames = [...]string{detector.Crossing: "crossing", detector.Closing: "closing"}

func appendFinding(w *codec.Writer, f *detector.Finding) {
	w.Text(f.Rule)
	appendKey(w, f.Fields, f.Values)
	appendKey(w, f.DetailFields, f.DetailValues)

	w.Text(phaseNames[f.Phase])
	for _, t := range [...]time.Time{f.Time, f.WindowStart, f.WindowEnd, f.First} {
		w.Time(t)
	}
	w.Int(int64(f.Span))
	for _, v := range [...]float64{f.Score, f.FalseAlarms, f.Probability, f.Why.Surprise, f.Why.Silence, f.Why.Deviation} {
		appendFloat(w, v)
	}
	for _, v := range [...]int64{f.Actual, f.Typical, f.Upper, f.Flows, int64(f.Age), int64(f.Windows)} {
		w.Int(v)
	}
	for _, v := range [...]bool{f.FirstSeen, f.Why.Season, f.Why.Peers, f.Why.Calibrated} {
		w.Bool(v)
	}
	w.Text(string(f.State))
	w.Uint(uint64(len(f.Contributors)))
	for i := range f.Contributors {
		appendContribution(w, &f.Contributors[i])
	}
}

func readFinding(r *codec.Reader) detector.Finding {
	var f detector.Finding
	f.Rule = r.Text()
	f.Fields, f.Values = readKey(r)
	f.DetailFields, f.DetailValues = readKey(r)

	phase := r.Text()
	f.Phase = detector.Phase(max(0, slices.Index(phaseNames[:], phase)))
	if phaseNames[f.Phase] != phase {
		r.Fail("a finding of the phase %q", phase)
	}
	for _, t := range [...]*time.Time{&f.Time, &f.WindowStart, &f.WindowEnd, &f.First} {
		*t = r.Time()
	}
	f.Span = time.Duration(r.Int())
	for _, v := range [...]*float64{&f.Score, &f.FalseAlarms, &f.Probability, &f.Why.Surprise, &f.Why.Silence, &f.Why.Deviation} {
		*v = readFloat(r)
	}
	f.Actual, f.Typical, f.Upper, f.Flows = r.Int(), r.Int(), r.Int(), r.Int()
	f.Age, f.Windows = time.Duration(r.Int()), int(r.Natural())
	for _, v := range [...]*bool{&f.FirstSeen, &f.Why.Season, &f.Why.Peers, &f.Why.Calibrated} {
		*v = r.Bool()
	}
	f.State = detector.State(r.Text())
	if !slices.Contains([]detector.State{detector.Learning, detector.Warming, detector.Ready}, f.State) {
		r.Fail("baselines in the state %q", f.State)
	}
	for range r.Count(contributionBytes) {
		f.Contributors = append(f.Contributors, readContribution(r))
	}
	return f
}

// appendNames writes what the first version of a finding did not tell of flows and contributors.
func appendNames(w *codec.Writer, f *detector.Finding) {
	w.Uint(uint64(f.Most))
	w.Uint(uint64(len(f.FlowIDs)))
	for _, id := range f.FlowIDs {
		w.Text(id)
	}
	for i := range f.Contributors {
		first := f.Contributors[i].FirstSeen
		w.Uint(uint64(len(first)))
		for _, t := range first {
			w.Time(t)
		}
	}
}

func readNames(r *codec.Reader, f *detector.Finding) {
	f.Most = int(r.Below(1 << 16))
	for range r.Count(1) {
		f.FlowIDs = append(f.FlowIDs, r.Text())
	}
	for i := range f.Contributors {
		for range r.Count(1) {
			f.Contributors[i].FirstSeen = append(f.Contributors[i].FirstSeen, r.Time())
		}
	}
}

// contributionBytes is what a contribution takes at least: its field's name and a count.
const contributionBytes = 10

func appendContribution(w *codec.Writer, c *detector.Contribution) {
	w.Text(c.Field.String())
	w.Uint(uint64(len(c.Values)))
	for i, value := range c.Values {
		w.Text(value)
		w.Int(c.Bytes[i])
	}
}

func readContribution(r *codec.Reader) detector.Contribution {
	c := detector.Contribution{Field: readField(r)}
	for range r.Count(2) {
		c.Values = append(c.Values, r.Text())
		c.Bytes = append(c.Bytes, r.Int())
	}
	return c
}

// appendKey writes a key, one value a field.
func appendKey(w *codec.Writer, fields []flow.Field, values []string) {
	w.Uint(uint64(len(fields)))
	for i, field := range fields {
		w.Text(field.String())
		w.Text(values[i])
	}
}

func readKey(r *codec.Reader) (fields []flow.Field, values []string) {
	for range r.Count(contributionBytes) {
		fields = append(fields, readField(r))
		values = append(values, r.Text())
	}
	return fields, values
}

func readField(r *codec.Reader) flow.Field {
	name := r.Text()
	field, err := flow.ParseField(name)
	if err != nil {
		r.Fail("%v", err)
	}
	return field
}

func appendOverflow(w *codec.Writer, o *Overflow) {
	w.Time(o.Start)
	w.Time(o.End)
	w.Int(int64(o.MaxPerInterval))
	w.Int(int64(o.Alerts))
	w.Uint(uint64(len(o.Rules)))
	for _, rule := range o.Rules {
		w.Text(rule.Rule)
		w.Int(int64(rule.Alerts))
	}
	w.Uint(uint64(len(o.Entities)))
	for i := range o.Entities {
		appendEntity(w, &o.Entities[i])
	}
	w.Int(int64(o.Others))
	w.Int(o.Bytes)
	appendFloat(w, o.Score)
}

func readOverflow(r *codec.Reader, whole, dryRun bool) Overflow {
	o := Overflow{Start: r.Time(), End: r.Time(), MaxPerInterval: int(r.Natural()), Alerts: int(r.Natural()), DryRun: dryRun}
	for range r.Count(2) {
		o.Rules = append(o.Rules, OverflowRule{Rule: r.Text(), Alerts: int(r.Natural())})
	}
	for range r.Count(3) {
		o.Entities = append(o.Entities, readEntity(r, whole))
	}
	o.Others = int(r.Natural())
	if whole {
		o.Bytes, o.Score = r.Natural(), readFloat(r)
	}
	return o
}

func appendSuppression(w *codec.Writer, s *Suppression) {
	w.Text(s.Rule)
	w.Bool(s.Entity)
	appendKey(w, s.Fields, s.Values)
	w.Int(int64(s.Windows))
	w.Int(s.Bytes)
	appendFloat(w, s.Score)
	for _, t := range [...]time.Time{s.First, s.Last, s.Until} {
		w.Time(t)
	}
	w.Text(s.Alert)
}

func readSuppression(r *codec.Reader, dryRun bool) Suppression {
	s := Suppression{Rule: r.Text(), Entity: r.Bool(), DryRun: dryRun}
	s.Fields, s.Values = readKey(r)
	s.Windows, s.Bytes, s.Score = int(r.Natural()), r.Natural(), readFloat(r)
	for _, t := range [...]*time.Time{&s.First, &s.Last, &s.Until} {
		*t = r.Time()
	}
	s.Alert = r.Text()
	return s
}

func appendEntity(w *codec.Writer, e *OverflowEntity) {
	w.Text(e.Rule)
	appendKey(w, e.Fields, e.Values)
	w.Int(int64(e.Alerts))
	appendFloat(w, e.Score)
}

func readEntity(r *codec.Reader, scored bool) OverflowEntity {
	e := OverflowEntity{Rule: r.Text()}
	e.Fields, e.Values = readKey(r)
	e.Alerts = int(r.Natural())
	if scored {
		e.Score = readFloat(r)
	}
	return e
}

// appendFloat writes a number or none: a verdict's may be infinite, which whoever tells them takes care of.
func appendFloat(w *codec.Writer, v float64) { w.Fixed(math.Float64bits(v)) }

func readFloat(r *codec.Reader) float64 { return math.Float64frombits(r.Fixed()) }
