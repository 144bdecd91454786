package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-exfil/exfil/internal/engine/internal/metadata"
	"github.com/otel-exfil/exfil/internal/observer"
	"github.com/otel-exfil/exfil/internal/rule"
)

// newTelemetry registers what metadata.yaml describes. Everything is read from the observer's
// counts when it is asked for, so that no record pays for it. All of it names the component: a collector
// may have several, and would add up or overwrite what they tell under one name.
func newTelemetry(set Settings, e *engine, now func() time.Time) (*metadata.TelemetryBuilder, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	o := e.observer
	own := []attribute.KeyValue{
		attribute.String("otelcol.component.id", set.ID.String()),
		attribute.String("otelcol.component.kind", strings.ToLower(set.Kind.String())),
	}
	common := metric.WithAttributeSet(attribute.NewSet(own...))
	with := func(key, value string) metric.MeasurementOption {
		return metric.WithAttributes(append(own[:len(own):len(own)], attribute.String(key, value))...)
	}
	stat := func(read func(s *observer.Stats) int64) metric.Int64Callback {
		return func(_ context.Context, to metric.Int64Observer) error {
			s := o.Stats()
			to.Observe(read(&s), common)
			return nil
		}
	}
	by := func(key string, read func(s *observer.Stats) map[string]int64) metric.Int64Callback {
		return func(_ context.Context, to metric.Int64Observer) error {
			s := o.Stats()
			for value, n := range read(&s) {
				to.Observe(n, with(key, value))
			}
			return nil
		}
	}
	err = errors.Join(
		t.RegisterExfilRecordsCallback(by("outcome", func(s *observer.Stats) map[string]int64 { return s.Records })),
		t.RegisterExfilFlowsCallback(by("outcome", func(s *observer.Stats) map[string]int64 { return s.Flows })),
		t.RegisterExfilAlertsCallback(by("rule", func(s *observer.Stats) map[string]int64 { return s.Alerts })),
		t.RegisterExfilDryRunAlertsCallback(by("rule", func(s *observer.Stats) map[string]int64 { return s.DryRun.Alerts })),
		t.RegisterExfilDryRunSuppressedAlertsCallback(stat(func(s *observer.Stats) int64 { return s.DryRun.Suppressed })),
		t.RegisterExfilEntitiesCallback(by("rule", func(s *observer.Stats) map[string]int64 { return s.Entities })),
		t.RegisterExfilRefusedRecordsCallback(stat(func(s *observer.Stats) int64 { return s.Refused })),
		t.RegisterExfilBytesCallback(stat(func(s *observer.Stats) int64 { return s.Bytes })),
		t.RegisterExfilLateFlowsCallback(stat(func(s *observer.Stats) int64 { return s.Detector.Late })),
		t.RegisterExfilMissedFlowsCallback(stat(func(s *observer.Stats) int64 { return s.Detector.Missed })),
		t.RegisterExfilReturnedEntitiesCallback(stat(func(s *observer.Stats) int64 { return s.Detector.Returned })),
		t.RegisterExfilGhostsCallback(stat(func(s *observer.Stats) int64 { return int64(s.Detector.Ghosts) })),
		t.RegisterExfilFutureFlowsCallback(stat(func(s *observer.Stats) int64 { return s.Detector.Future })),
		t.RegisterExfilEvictedEntitiesCallback(stat(func(s *observer.Stats) int64 { return s.Detector.Evicted })),
		t.RegisterExfilWindowsClosedCallback(stat(func(s *observer.Stats) int64 { return s.Detector.WindowsClosed })),
		t.RegisterExfilRunningTotalsCallback(stat(func(s *observer.Stats) int64 { return s.RunningTotals })),
		t.RegisterExfilStreamsCallback(stat(func(s *observer.Stats) int64 { return s.Streams.Streams })),
		t.RegisterExfilEvictedStreamsCallback(stat(func(s *observer.Stats) int64 { return s.Streams.Evicted })),
		t.RegisterExfilStreamResetsCallback(stat(func(s *observer.Stats) int64 { return s.Streams.Resets })),
		t.RegisterExfilSuppressedAlertsCallback(stat(func(s *observer.Stats) int64 { return s.Suppressed })),
		t.RegisterExfilPendingAlertsCallback(stat(func(s *observer.Stats) int64 { return s.Pending })),
		t.RegisterExfilDroppedAlertsCallback(stat(func(s *observer.Stats) int64 { return s.Dropped })),
		t.RegisterExfilNetworkFileFailuresCallback(stat(func(s *observer.Stats) int64 { return s.NetworkFileFailures })),
		t.RegisterExfilRuleFileFailuresCallback(func(_ context.Context, to metric.Int64Observer) error {
			to.Observe(e.unread.Load(), common)
			return nil
		}),
		t.RegisterExfilLostWindowsCallback(stat(func(s *observer.Stats) int64 { return s.LostWindows })),
		t.RegisterExfilFailedEmissionsCallback(func(_ context.Context, to metric.Int64Observer) error {
			to.Observe(e.alerts.failures.Load()+e.gauges.failures.Load(), common)
			return nil
		}),
	)
	err = errors.Join(err,
		t.RegisterExfilWatermarkLagCallback(func(_ context.Context, to metric.Float64Observer) error {
			s := o.Stats()
			if !s.Detector.Newest.IsZero() {
				to.Observe(now().Sub(s.Detector.Newest).Seconds(), common)
			}
			return nil
		}),
		t.RegisterExfilGeoDatabaseAgeCallback(func(_ context.Context, to metric.Float64Observer) error {
			for _, d := range o.Databases() {
				to.Observe(now().Sub(d.Built).Seconds(), with("database", d.Key))
			}
			return nil
		}),
	)
	err = errors.Join(err, registerCheckpoints(t, &e.kept, now, common), registerExceptions(t, o, own), registerTenants(t, e, common))
	if err != nil {
		t.Shutdown()
		return nil, err
	}
	return t, nil
}

// registerCheckpoints tells how what is learned is stored. Of what was never stored there is nothing to tell but failures.
func registerCheckpoints(t *metadata.TelemetryBuilder, kept *keeperStats, now func() time.Time, common metric.MeasurementOption) error {
	stored := func(read func() float64) metric.Float64Callback {
		return func(_ context.Context, to metric.Float64Observer) error {
			if kept.saved.Load() != 0 {
				to.Observe(read(), common)
			}
			return nil
		}
	}
	return errors.Join(
		t.RegisterExfilCheckpointAgeCallback(stored(func() float64 { return now().Sub(time.Unix(0, kept.saved.Load())).Seconds() })),
		t.RegisterExfilCheckpointDurationCallback(stored(func() float64 { return time.Duration(kept.took.Load()).Seconds() })),
		t.RegisterExfilCheckpointSizeCallback(func(_ context.Context, to metric.Int64Observer) error {
			if kept.saved.Load() != 0 {
				to.Observe(kept.bytes.Load(), common)
			}
			return nil
		}),
		t.RegisterExfilCheckpointFailuresCallback(func(_ context.Context, to metric.Int64Observer) error {
			to.Observe(kept.failures.Load(), common)
			return nil
		}),
	)
}

// registerTenants tells how many tenants are told apart, if any are. No metric names one: all others are sums over them.
func registerTenants(t *metadata.TelemetryBuilder, e *engine, common metric.MeasurementOption) error {
	if e.config.PartitionBy == nil {
		return nil
	}
	return errors.Join(
		t.RegisterExfilTenantsCallback(func(_ context.Context, to metric.Int64Observer) error {
			s := e.observer.Stats()
			to.Observe(s.Tenants, common)
			return nil
		}),
		t.RegisterExfilOverflowTenantFlowsCallback(func(_ context.Context, to metric.Int64Observer) error {
			s := e.observer.Stats()
			to.Observe(s.OverflowTenants, common)
			return nil
		}),
	)
}

// registerExceptions tells of each exception and calendar what fell under it, and of all together how they stand.
func registerExceptions(t *metadata.TelemetryBuilder, o *observer.Observer, own []attribute.KeyValue) error {
	exceptions := excepting{key: "exception", reports: o.Exceptions, statuses: rule.ExceptionStatuses(), own: own}
	calendars := excepting{key: "calendar", reports: o.Calendars, statuses: rule.CalendarStatuses(), own: own}
	flows := func(x *rule.ExceptionReport) (int64, int64) { return x.Flows, x.AboveFlows }
	bytes := func(x *rule.ExceptionReport) (int64, int64) { return x.Bytes, x.AboveBytes }
	return errors.Join(
		t.RegisterExfilExceptionFlowsCallback(exceptions.each(flows)),
		t.RegisterExfilExceptionBytesCallback(exceptions.each(bytes)),
		t.RegisterExfilExceptionsCallback(exceptions.stand),
		t.RegisterExfilCalendarFlowsCallback(calendars.each(flows)),
		t.RegisterExfilCalendarBytesCallback(calendars.each(bytes)),
		t.RegisterExfilCalendarsCallback(calendars.stand),
		t.RegisterExfilConditionFailuresCallback(func(_ context.Context, to metric.Int64Observer) error {
			exceptions.failures(to)
			calendars.failures(to)
			return nil
		}),
	)
}
