package main

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
)

const (
	// began is when the year begins, a Monday.
	began = 1_767_571_200 // 2026-01-05
	span  = 3 * time.Hour // of the rules' windows
	// checkpointEach is the longest interval that a configuration may have, of event time. Where a year is played
	// within an hour, it is ten seconds.
	checkpointEach = day
)

var storageID = component.MustNewIDWithName("file_storage", "soak")

// soak is an engine between an organisation's traffic and a next consumer that counts.
type soak struct {
	plan   plan
	config *config.Config
	clock  *clock
	shelf  *shelf
	meter  *meter
	engine *engine.Instance
	counts counts

	organisation *organisation
	batch        *batch
	planted      []string // names of hosts that have stolen
	records      int64
}

// clock reads what the soak says, and nothing ticks by it.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time { return time.Unix(0, c.now.Load()).UTC() }

func (c *clock) Every(time.Duration) (ticks <-chan time.Time, stop func()) { return nil, func() {} }

func newSoak(p plan) (*soak, error) {
	s := &soak{plan: p, clock: &clock{}, organisation: newOrganisation(p), batch: newBatch()}
	s.config = config.Default()
	s.config.MaxEntities = p.entities
	s.config.Storage, s.config.CheckpointInterval = &storageID, checkpointEach
	if err := s.config.Validate(); err != nil {
		return nil, err
	}
	s.clock.now.Store(began * int64(time.Second))
	s.shelf = &shelf{directory: p.directory, now: s.clock.Now}
	s.counts.thieves = map[string]bool{}
	return s, nil
}

// start starts an engine over what the storage has.
func (s *soak) start(ctx context.Context) (err error) {
	reader := sdk.NewManualReader()
	set := engine.Settings{
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		ID:                component.MustNewID("exfil"),
		Kind:              component.KindProcessor,
		Version:           "soak",
	}
	set.MeterProvider = sdk.NewMeterProvider(sdk.WithReader(reader))
	set.Logger = s.plan.logger
	s.meter = &meter{reader}
	if s.engine, err = engine.NewRegistry(s.clock).Join(set, s.config, &s.counts); err != nil {
		return err
	}
	return s.engine.Start(ctx, s.shelf)
}

// month is what the soak tells of each.
type month struct {
	ends               time.Time
	heap, resident     int64 // bytes; resident is 0 where it is not known
	entities, evicted  int64
	windows            int64
	anomalies          int64 // alerts of this month
	thefts, told       int   // of this month
	checkpoint         int64 // bytes
	checkpointTook     time.Duration
	checkpointFailures int64
	records            int64         // of this month
	cpu, wall          time.Duration // that this month took
}

// play plays the traffic and tells each month.
func (s *soak) play(ctx context.Context, tell func(month)) (err error) {
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.engine.Shutdown(context.WithoutCancel(ctx))) }()
	from, wall, cpu := s.tally(), time.Now(), processorTime()
	start := s.clock.Now()
	for since := time.Duration(0); since < s.plan.length; {
		s.window(ctx, start, since)
		if err := ctx.Err(); err != nil {
			return err
		}
		if since += span; since%s.plan.month != 0 {
			continue
		}
		m, err := s.month(ctx)
		if err != nil {
			return err
		}
		m.wall, m.cpu = time.Since(wall), processorTime()-cpu
		next := s.tally()
		m.records, m.anomalies = next.records-from.records, next.anomalies-from.anomalies
		m.thefts, m.told = next.thefts-from.thefts, next.told-from.told
		tell(m)
		from, wall, cpu = next, time.Now(), processorTime()
	}
	return nil
}

// tallied is what was counted up to a moment.
type tallied struct {
	records, anomalies int64
	thefts, told       int
}

func (s *soak) tally() tallied {
	return tallied{s.records, s.counts.anomalies, len(s.planted), s.counts.told}
}

// window plays one window.
func (s *soak) window(ctx context.Context, start time.Time, since time.Duration) {
	at := start.Add(since)
	s.organisation.pass(span)
	if isIn(since, outageEach, outageHour, outageHours) {
		s.clock.now.Store(at.Add(span).UnixNano())
		s.engine.Tick(ctx)
		return
	}
	batches := max(1, int(float64(s.plan.records)*business(at)/batchRecords))
	theft := isIn(since, theftEach, theftHour-theftHour%span, span)
	for i := range batches {
		until := at.Add(span * time.Duration(i+1) / time.Duration(batches))
		s.clock.now.Store(until.UnixNano())
		s.batch.fill(s.organisation, until)
		if theft && i == batches/2 {
			s.steal(until.Add(-spread / 2))
		}
		s.engine.Commit(ctx, s.engine.Decode(s.batch.logs))
		s.engine.Tick(ctx)
		s.records += batchRecords
	}
	s.engine.Settle(ctx) // the window before had hours for it
}

// steal makes one of a batch's records a theft. In the warm-up, nobody is told of any.
func (s *soak) steal(at time.Time) {
	if at.Sub(time.Unix(began, 0)) < s.config.WarmUp+span {
		return
	}
	var c connection
	s.organisation.steal(&c, at)
	s.batch.slots[batchRecords-1].write(&c)
	s.planted = append(s.planted, c.from.name)
	s.counts.expect(c.from.name)
}

// month looks at how things are, between two checkpoints.
func (s *soak) month(ctx context.Context) (month, error) {
	m := month{ends: s.clock.Now()}
	read, err := s.quiet(ctx)
	if err != nil {
		return m, err
	}
	m.checkpoint = int64(read["otelcol_exfil_checkpoint_size"])
	m.checkpointTook = time.Duration(read["otelcol_exfil_checkpoint_duration"] * float64(time.Second))
	m.checkpointFailures = int64(read["otelcol_exfil_checkpoint_failures"])
	stats := s.engine.Stats()
	m.entities, m.evicted, m.windows = int64(stats.Detector.Keys), stats.Detector.Evicted, stats.Detector.WindowsClosed
	m.heap, m.resident = heapInUse(), residentSize()
	return m, nil
}

// quiet waits until no checkpoint is being written, and returns what telemetry tells. The clock stands meanwhile, so that none
// begins.
func (s *soak) quiet(ctx context.Context) (map[string]float64, error) {
	for {
		read, err := s.meter.read(ctx)
		if err != nil {
			return nil, err
		}
		saved := s.clock.Now().Add(-time.Duration(read["otelcol_exfil_checkpoint_age"] * float64(time.Second)))
		if read["otelcol_exfil_checkpoint_failures"] > 0 || !saved.Add(time.Millisecond).Before(s.shelf.written()) {
			return read, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// heapInUse is what is reachable.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// loadedAgain is what came of loading what was kept.
type loadedAgain struct {
	entities, kept int64
	took           time.Duration
	bytes          int64
}

// loadAgain starts another engine over what the first one has left, as after a restart.
func (s *soak) loadAgain(ctx context.Context) (l loadedAgain, err error) {
	l.kept = int64(s.engine.Stats().Detector.Keys)
	s.engine = nil
	runtime.GC()
	began := time.Now()
	if err := s.start(ctx); err != nil {
		return l, err
	}
	l.took, l.entities = time.Since(began), int64(s.engine.Stats().Detector.Keys)
	l.bytes, err = s.shelf.size()
	return l, errors.Join(err, s.engine.Shutdown(ctx))
}
