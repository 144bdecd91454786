package traffic

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Background is a real series that thefts are injected into: every key is a region that one
// host sends to, on one port.
type Background struct {
	Series Series
	Thefts []Theft // in the order of time
	flows  []Labelled
}

// Injection says what to inject into a series.
type Injection struct {
	From, To time.Time // from when on and until when; zero: five days after the series begins, and its end
	Thefts   int
	// Multiples are the sizes that are drawn from: times the key's hourly p99. A theft to a new
	// key is measured by the smallest p99 of all keys.
	Multiples []float64 // none: 1, 3 and 10
	NewKeys   float64   // share of the thefts that go to a key that the series does not have, 0..1
	Seed      uint64
}

// How a background's flows look.
const (
	backgroundPort = 443
	backgroundHost = "gateway"
	backgroundPast = 5 * hoursPerDay * time.Hour
	injected       = time.Hour // each theft lasts so long
	injectedParts  = 60
)

// Inject puts thefts into a series: each takes an hour, and no two of one key come within a
// day of each other. What cannot be done gives an error that wraps [ErrSeries].
func Inject(s Series, in Injection) (Background, error) {
	if err := in.complete(s); err != nil {
		return Background{}, err
	}
	b := Background{Series: s}
	rng := rand.New(rand.NewPCG(in.Seed, streamID("injection")))
	for i := range in.Thefts {
		t, found := b.draw(rng, &in, i)
		if !found {
			return Background{}, fmt.Errorf("%w: no room for %d thefts from %s to %s; give fewer", ErrSeries, in.Thefts, in.From, in.To)
		}
		b.Thefts = append(b.Thefts, t)
		b.flows = append(b.flows, b.steal(rng, &t)...)
	}
	slices.SortStableFunc(b.Thefts, func(x, y Theft) int { return x.Start.Compare(y.Start) })
	slices.SortStableFunc(b.flows, func(x, y Labelled) int { return cmp.Compare(x.Time, y.Time) })
	return b, nil
}

func (in *Injection) complete(s Series) error {
	if len(s.Rows) < 2 || len(s.Keys) == 0 {
		return fmt.Errorf("%w: nothing in it to inject into", ErrSeries)
	}
	if in.From.IsZero() {
		in.From = s.Start().Add(backgroundPast)
	}
	if in.To.IsZero() {
		in.To = s.End()
	}
	if len(in.Multiples) == 0 {
		in.Multiples = []float64{1, 3, 10}
	}
	switch {
	case in.From.Before(s.Start()) || in.To.After(s.End()) || in.To.Sub(in.From) < injected:
		return fmt.Errorf("%w: injection from %s to %s; give an hour at least within %s to %s", ErrSeries, in.From, in.To, s.Start(), s.End())
	case in.Thefts < 0 || !(in.NewKeys >= 0 && in.NewKeys <= 1):
		return fmt.Errorf("%w: %d thefts, a share %g of them to new keys; give no negative number and a share from 0 to 1", ErrSeries, in.Thefts, in.NewKeys)
	case slices.ContainsFunc(in.Multiples, func(m float64) bool { return !(m > 0 && m < 1e6) }):
		return fmt.Errorf("%w: multiples %v; give numbers above 0 and below a million", ErrSeries, in.Multiples)
	}
	return nil
}

// Start is the instant at which the first step begins.
func (s Series) Start() time.Time { return s.Rows[0].Time }

// End is the instant at which the last step ends.
func (s Series) End() time.Time { return s.Rows[len(s.Rows)-1].Time.Add(s.Step) }

// HourlyP99 is the 99th percentile, by nearest rank, of the bytes of the hours of the clock in which
// the key was measured; 0 where it never was.
func (s Series) HourlyP99(key string) float64 {
	i, known := slices.BinarySearch(s.Keys, key)
	if !known {
		return 0
	}
	hours := ledger[string]{}
	for _, r := range s.Rows {
		if r.Bytes[i] != unknown {
			hours.add(key, int(r.Time.Unix()/int64(time.Hour/time.Second)), r.Bytes[i])
		}
	}
	return tail(hours[key], len(hours[key]))
}

// draw draws the i-th theft; false: there is no place for it.
func (b *Background) draw(rng *rand.Rand, in *Injection, i int) (Theft, bool) {
	t := Theft{
		Name: fmt.Sprintf("injection %d", i+1), Duration: injected, Flows: injectedParts, Shape: Steady,
		Host: backgroundHost, Process: "rclone", Port: backgroundPort, PortUse: Busy, RegionUse: Busy,
		Multiple: in.Multiples[rng.IntN(len(in.Multiples))],
	}
	t.Kind = fmt.Sprintf("injected_%gx", t.Multiple)
	isNew := rng.Float64() < in.NewKeys
	for range placeDraws {
		t.Start = in.From.Add(time.Duration(rng.Int64N(int64(in.To.Sub(in.From)-injected) + 1)).Truncate(time.Second))
		t.Region = b.Series.Keys[rng.IntN(len(b.Series.Keys))]
		yardstick := b.Series.HourlyP99(t.Region)
		if isNew {
			t.Region, t.RegionUse, t.Kind = fmt.Sprintf("new key %d", i+1), Unused, "injected_new_key"
			yardstick = b.smallest()
		}
		t.Bytes = int64(t.Multiple * yardstick)
		if t.Bytes >= injectedParts && !b.near(&t) {
			return t, true
		}
	}
	return t, false
}

func (b *Background) near(t *Theft) bool {
	return slices.ContainsFunc(b.Thefts, func(o Theft) bool {
		return o.Region == t.Region && o.Start.Sub(t.Start).Abs() < hoursPerDay*time.Hour
	})
}

// smallest is the smallest p99 of all keys that move anything.
func (b *Background) smallest() float64 {
	least := math.Inf(1)
	for _, key := range b.Series.Keys {
		if p99 := b.Series.HourlyP99(key); p99 > 0 {
			least = min(least, p99)
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

func (b *Background) steal(rng *rand.Rand, t *Theft) []Labelled {
	times, parts := t.times(nil, t.Flows, rng), t.parts(t.Flows, rng)
	flows := make([]Labelled, t.Flows)
	for k := range flows {
		flows[k] = Labelled{Record: sentTo(t.Region, len(b.Series.Keys), times[k], parts[k], t.Process), Theft: t.label()}
	}
	return flows
}

// sentTo is a flow of a background. Its destination follows from the key's number.
func sentTo(key string, number int, at, bytes int64, process string) flow.Record {
	return flow.Record{
		Time:             at,
		Source:           netip.AddrFrom4([4]byte{10, 0, 0, 1}),
		SourcePort:       ephemeralFirst,
		Destination:      address(number%maxRegions, number/maxRegions, false),
		DestinationPort:  backgroundPort,
		Sent:             bytes,
		Direction:        flow.Outbound,
		Host:             backgroundHost,
		Process:          process,
		DestinationPlace: flow.Place{Region: key},
	}
}

// Flows returns the series as flows, one for each key and step in which something was
// sent, at the beginning of the step, with those of the thefts among them, in the order of
// time. The sequence may be walked through any number of times.
func (b Background) Flows() iter.Seq[Labelled] {
	return func(yield func(Labelled) bool) {
		stolen := b.flows
		for _, row := range b.Series.Rows {
			at := row.Time.UnixNano()
			for len(stolen) > 0 && stolen[0].Time < at {
				if !yield(stolen[0]) {
					return
				}
				stolen = stolen[1:]
			}
			for i, bytes := range row.Bytes {
				if bytes > 0 && !yield(Labelled{Record: sentTo(b.Series.Keys[i], i, at, bytes, "")}) {
					return
				}
			}
		}
		for _, l := range stolen {
			if !yield(l) {
				return
			}
		}
	}
}
