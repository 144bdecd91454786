package speed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Every benchmark is named by keys and values, by which the report finds it: what is measured (way), in which format records come, and
// what is not as usual: how many entities are known, how many goroutines deliver, and what is configured besides.

// usualEntities is how many entities there are where a benchmark does not say so.
const usualEntities = 10_000

// subject is a processor that is measured, and what it is given.
type subject struct {
	processor.Logs
	batches []plog.Logs
}

// exfil is a processor that has learned in two windows all that traffic is made of, all of which is active in the open one.
// Nothing alerts.
func exfil(b *testing.B, t *load.Traffic, format string, change ...func(*exfilprocessor.Config)) *subject {
	b.Helper()
	f := exfilprocessor.NewFactory()
	cfg := f.CreateDefaultConfig().(*exfilprocessor.Config)
	cfg.MinBytes = 1 << 60 // the same minute again and again must not add up to an alert
	cfg.MaxEntities = 1_000_000
	for _, c := range change {
		c(cfg)
	}
	p := started(b, f, cfg)
	var at time.Time
	for window := range 3 {
		at = monday.Add(time.Duration(window) * cfg.Windows[0])
		for flows := range t.EveryPair(at) {
			require.NoError(b, p.ConsumeLogs(context.Background(), encoded(b, format, flows)))
		}
	}
	return &subject{p, some(b, t, format, at)}
}

// started is a processor that runs until the benchmark ends.
func started(b *testing.B, f processor.Factory, cfg component.Config) processor.Logs {
	b.Helper()
	p, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
	return p
}

// measure delivers the batches in turn, from so many goroutines.
func (s *subject) measure(b *testing.B, senders int) {
	b.Helper()
	measureSenders(b, slices.Repeat([]*subject{s}, senders))
}

// measureSenders has a goroutine for each of the subjects, which may be the same, deliver to it a share of the batches in turn.
func measureSenders(b *testing.B, to []*subject) {
	b.Helper()
	for _, s := range to { // what is met for the first time is met now
		for _, batch := range s.batches {
			require.NoError(b, s.ConsumeLogs(context.Background(), batch))
		}
	}
	if len(to) == 1 {
		measure(b, to[0].deliver)
		return
	}
	measureAll(b, func() error {
		done := make(chan error, len(to))
		for sender, s := range to {
			go func() {
				var err error
				for i := sender; i < b.N && err == nil; i += len(to) {
					err = s.deliver(i)
				}
				done <- err
			}()
		}
		var errs []error
		for range to {
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	})
}

func (s *subject) deliver(i int) error {
	return s.ConsumeLogs(context.Background(), s.batches[i%len(s.batches)])
}

// measureWearing delivers copies of the batches, for processors that keep or change what they are given. To copy takes no time.
func (s *subject) measureWearing(b *testing.B) {
	b.Helper()
	copies := make([]plog.Logs, len(s.batches))
	measureRefilled(b, len(copies), func() {
		for i, batch := range s.batches {
			copies[i] = plog.NewLogs()
			batch.CopyTo(copies[i])
		}
	}, func(i int) error { return s.ConsumeLogs(context.Background(), copies[i]) })
}

// measure tells what one delivery takes, per record.
func measure(b *testing.B, deliver func(i int) error) {
	b.Helper()
	measureAll(b, func() error {
		for i := range b.N {
			if err := deliver(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// measureAll tells what b.N deliveries take, per record.
func measureAll(b *testing.B, deliver func() error) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	require.NoError(b, deliver())
	b.StopTimer()
	runtime.ReadMemStats(&after)
	report(b, after.Mallocs-before.Mallocs)
}

// measureRefilled does as measure, but that after every n deliveries, and before the first, it is refilled what deliver takes from. Neither time
// nor allocations of that count.
func measureRefilled(b *testing.B, n int, refill func(), deliver func(i int) error) {
	b.Helper()
	var before, after runtime.MemStats
	mallocs := uint64(0)
	b.ResetTimer()
	b.StopTimer()
	for first := 0; first < b.N; first += n {
		refill()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		for i := range min(n, b.N-first) {
			if err := deliver(i); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		runtime.ReadMemStats(&after)
		mallocs += after.Mallocs - before.Mallocs
	}
	report(b, mallocs)
}

func report(b *testing.B, mallocs uint64) {
	records := float64(b.N) * load.BatchRecords
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/records, "ns/record")
	b.ReportMetric(float64(mallocs)/records, "allocs/record")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLogs is one batch of records on its way through exfil, through what a receiver does with it, and through other processors.
func BenchmarkLogs(b *testing.B) {
	for _, format := range []string{load.ECS, load.Zeek, load.VPC, load.NetFlow} {
		prefix := "format=" + format
		t := load.New(usualEntities, load.Zipf)
		batches := some(b, t, format, monday)
		b.Run(prefix+"/way=unmarshal", func(b *testing.B) { unmarshal(b, batches) })
		b.Run(prefix+"/way=pass", func(b *testing.B) {
			read := 0
			measure(b, func(i int) error {
				read += pass(batches[i%len(batches)])
				return nil
			})
			require.NotZero(b, read)
		})
		b.Run(prefix+"/way=nop", func(b *testing.B) {
			p, err := processortest.NewNopFactory().CreateLogs(context.Background(), processortest.NewNopSettings(processortest.NopType), nil, consumertest.NewNop())
			require.NoError(b, err)
			(&subject{p, batches}).measure(b, 1)
		})
		b.Run(prefix+"/way=exfil", func(b *testing.B) {
			exfil(b, load.New(usualEntities, load.Zipf), format).measure(b, 1)
		})
		if format != load.ECS {
			continue
		}
		b.Run(prefix+"/way=exfil_learned", func(b *testing.B) { newLearned(b).measure(b) })
		for _, r := range rivals() {
			b.Run(prefix+"/way="+r.name, func(b *testing.B) {
				(&subject{r.start(b), batches}).measureWearing(b)
			})
		}
	}
}

// unmarshal is what an OTLP receiver spends on the batches.
func unmarshal(b *testing.B, batches []plog.Logs) {
	b.Helper()
	var encoded [][]byte
	for _, batch := range batches {
		bytes, err := (&plog.ProtoMarshaler{}).MarshalLogs(batch)
		require.NoError(b, err)
		encoded = append(encoded, bytes)
	}
	measure(b, func(i int) error {
		_, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(encoded[i%len(encoded)])
		return err
	})
}

// BenchmarkEntities is the same way where few and very many entities are known.
func BenchmarkEntities(b *testing.B) {
	for _, entities := range []int{10, 1000, 100_000, 1_000_000} {
		var s *subject // made once, however often b.N grows: to learn a million entities takes longer than to measure them
		b.Run(fmt.Sprintf("entities=%d", entities), func(inner *testing.B) {
			if s == nil {
				s = exfil(b, load.New(entities, load.Zipf), load.ECS)
			}
			s.measure(inner, 1)
		})
	}
}

// BenchmarkSenders is the same way from one goroutine and from two, and from two that have a processor each: as much as two cores
// of this machine do where nothing is shared.
func BenchmarkSenders(b *testing.B) {
	for _, senders := range []int{1, 2} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			exfil(b, load.New(usualEntities, load.Zipf), load.ECS).measure(b, senders)
		})
	}
	b.Run("senders=2_apart", func(b *testing.B) {
		apart := make([]*subject, 2)
		for i := range apart {
			apart[i] = exfil(b, load.New(usualEntities, load.Zipf), load.ECS)
		}
		measureSenders(b, apart)
	})
}

// BenchmarkConfigured is the same way with more to do.
func BenchmarkConfigured(b *testing.B) {
	database := cityDatabase(b)
	enable := func(ids ...string) func(*exfilprocessor.Config) {
		return func(cfg *exfilprocessor.Config) {
			yes := true
			cfg.Rules = map[string]rule.Override{}
			for _, id := range ids {
				cfg.Rules[id] = rule.Override{Enabled: &yes}
			}
		}
	}
	asTheyAre := func(batches []plog.Logs) []plog.Logs { return batches }
	ofDatabase := func(batches []plog.Logs) []plog.Logs { return withPlacesOf(b, batches) }
	for _, c := range []struct {
		with      string
		addresses load.Addressing
		places    func([]plog.Logs) []plog.Logs
		change    func(*exfilprocessor.Config)
	}{
		{"nothing", load.Zipf, asTheyAre, func(*exfilprocessor.Config) {}},
		{"country_table_zipf", load.Zipf, withoutPlaces, func(*exfilprocessor.Config) {}},
		{"country_table_uniform", load.Uniform, withoutPlaces, func(*exfilprocessor.Config) {}},
		{"city_of_event_zipf", load.Zipf, ofDatabase, func(*exfilprocessor.Config) {}},
		{"city_database_zipf", load.Zipf, withoutPlaces, func(cfg *exfilprocessor.Config) { cfg.Geo.Database = database }},
		{"city_of_event_uniform", load.Uniform, ofDatabase, func(*exfilprocessor.Config) {}},
		{"city_database_uniform", load.Uniform, withoutPlaces, func(cfg *exfilprocessor.Config) { cfg.Geo.Database = database }},
		{"third_rule", load.Zipf, asTheyAre, enable("unusual_country")},
		{"third_and_fourth_rule", load.Zipf, asTheyAre, enable("unusual_country", "unusual_destination_ip")},
		{"1000_exceptions_by_port", load.Zipf, asTheyAre, thousandExceptions},
	} {
		b.Run("with="+c.with, func(b *testing.B) {
			t := load.New(usualEntities, c.addresses)
			s := exfil(b, t, load.ECS, c.change)
			s.batches = laidOutAnew(c.places(s.batches))
			s.measure(b, 1)
		})
	}
}

// thousandExceptions name ports that nobody uses, so that each is tried.
func thousandExceptions(cfg *exfilprocessor.Config) {
	for i := range 1000 {
		cfg.Exceptions = append(cfg.Exceptions, rule.ExceptionConfig{
			Name: fmt.Sprintf("job %d", i), Match: rule.ExceptionMatchConfig{Ports: []any{64_000 + i}, Hosts: []string{"backup-*"}},
		})
	}
}

// cityDatabase places 198.0.0.0/8, in networks of 22 bits.
func cityDatabase(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "city.mmdb")
	require.NoError(b, geotest.WriteCity(path, geotest.Cities(1<<14, 5000)))
	return path
}

// BenchmarkMetrics is one batch of cumulative counters on its way through exfil, what a receiver does with it, and contrib's
// processor that takes differences.
func BenchmarkMetrics(b *testing.B) {
	measureMetrics := func(b *testing.B, consume func(pmetric.Metrics) error) {
		md := meters(load.New(usualEntities, load.Zipf))
		exports := make([]pmetric.Metrics, 16)
		refill := func() {
			for i := range exports {
				advance(md)
				exports[i] = pmetric.NewMetrics()
				md.CopyTo(exports[i])
			}
		}
		refill()
		for _, md := range exports { // counters, and then their differences, that are met for the first time are met now
			require.NoError(b, consume(md))
		}
		measureRefilled(b, len(exports), refill, func(i int) error { return consume(exports[i]) })
	}
	b.Run("format=obi/way=unmarshal", func(b *testing.B) {
		encoded, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(meters(load.New(usualEntities, load.Zipf)))
		require.NoError(b, err)
		measure(b, func(int) error {
			_, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(encoded)
			return err
		})
	})
	b.Run("format=obi/way=pass", func(b *testing.B) {
		read := 0
		measureMetrics(b, func(md pmetric.Metrics) error {
			points := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
			for i := range points.Len() {
				read += passMap(points.At(i).Attributes())
			}
			return nil
		})
		require.NotZero(b, read)
	})
	b.Run("format=obi/way=exfil", func(b *testing.B) {
		f := exfilprocessor.NewFactory()
		cfg := f.CreateDefaultConfig().(*exfilprocessor.Config)
		cfg.MinBytes = 1 << 60
		logs, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
		require.NoError(b, err)
		p, err := f.CreateMetrics(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
		require.NoError(b, err)
		require.NoError(b, logs.Start(context.Background(), componenttest.NewNopHost()))
		require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
		b.Cleanup(func() {
			require.NoError(b, p.Shutdown(context.Background()))
			require.NoError(b, logs.Shutdown(context.Background()))
		})
		measureMetrics(b, func(md pmetric.Metrics) error { return p.ConsumeMetrics(context.Background(), md) })
	})
	b.Run("format=obi/way=cumulative_to_delta", func(b *testing.B) {
		p := cumulativeToDelta(b)
		measureMetrics(b, func(md pmetric.Metrics) error { return p.ConsumeMetrics(context.Background(), md) })
	})
}
