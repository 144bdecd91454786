package observer

import (
	"fmt"
	"reflect"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/backlog"
	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// RulesDigest names the rules in force, see rule.Digest.
func (o *Observer) RulesDigest() string {
	o.cut.RLock()
	defer o.cut.RUnlock()
	return o.digest
}

// FollowRules puts rules in force in the place of those that are: all that there are, as config.LoadRules returns them. What was
// learned stays as far as they ask for it, and what they ask for anew is learned before it alerts; thresholds and floors hold
// at once, and alerts that wait tell of the rules by which they were decided. After an error all is as it was.
//
// Where no more changes than what alerts tell and how they are held back, the path is held for a moment. Otherwise it is held for as
// long as the detectors of all tenants take to be handed on, see detector.Detector.Heir. No Snapshot and no Loader may be under way.
func (o *Observer) FollowRules(all []rule.Rule) error {
	next, err := o.newInForce(o.config.Enabled(all))
	if err != nil {
		return err
	}
	o.hold()
	defer o.cut.Unlock()
	tenants := o.tenants.list()
	heirs, restored, err := o.heirsOf(tenants, next.rules)
	if err != nil {
		return err
	}
	if err := rule.Renumber(all, o.matcher, o.calendar); err != nil {
		return err
	}
	o.inForce = next
	for i, t := range tenants {
		t.follow(heirs[i])
	}
	o.logger.Info("Other rules are in force", zap.String("digest", o.digest), zap.Int("rules", len(o.rules)),
		zap.Strings("learned_anew", restored.Anew), zap.Strings("not_watched_any_more", restored.Unused))
	o.logMemory()
	return nil
}

// heirsOf returns for each tenant a detector for other rules that knows what the tenant's does; nil: its own serves them, too.
func (s *shared) heirsOf(tenants []*tenant, rules []rule.Rule) (heirs []*backlog.Detector, restored detector.Restored, err error) {
	heirs = make([]*backlog.Detector, len(tenants))
	settings := s.detection(rules)
	if reflect.DeepEqual(settings, s.detection(s.rules)) {
		return heirs, restored, nil
	}
	for i, t := range tenants {
		heir, found, err := t.detector.Heir(settings)
		if err != nil {
			return nil, restored, fmt.Errorf("detector: %w", err)
		}
		heirs[i], restored = heir, plusRestored(restored, found)
	}
	return heirs, restored, nil
}

// follow makes the tenant go by the rules in force. Heir is the detector for them; nil: they are the same to it.
func (t *tenant) follow(heir *backlog.Detector) {
	if heir != nil {
		t.detector = heir
		if t.top > 0 {
			heir.KeepReadings(t.top)
		}
	}
	t.judge.follow(t.config, t.rules)
	t.pending.follow(t.writer.For(t.identity))
}

// logMemory says how much memory the rules in force may take, of each tenant where several are told apart.
func (o *Observer) logMemory() {
	each := footprint(o.config, o.rules).Total()
	total, more := each, []zap.Field(nil)
	if o.partition.apart() {
		tenants := int64(o.config.MaxTenants) + unnamedTenants
		total *= tenants
		more = []zap.Field{zap.Int64("tenants", tenants), zap.String("each", bytesize.Size(each).Human())}
	}
	o.logger.Info("Memory that what is learned may take at most, all limits being reached",
		append(more, zap.String("total", bytesize.Size(total).Human()), zap.Int64("bytes", total))...)
}
