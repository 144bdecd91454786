package traffic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Sustained is a theft that goes on for days: as many bytes on top of each step of one key.
type Sustained struct {
	Key     string
	Kind    string // of the theft, as tables name it
	PerStep int64  // bytes, above 0
	Lasts   time.Duration
	From    time.Time // earliest start; zero: five days after the series begins
	Seed    uint64    // of the start, which is drawn from From on, so that the theft ends within the series
}

// Sustain puts a sustained theft into a series. What cannot be done gives an error that wraps [ErrSeries].
func Sustain(s Series, in Sustained) (Background, error) {
	if len(s.Rows) < 2 || !slices.Contains(s.Keys, in.Key) {
		return Background{}, fmt.Errorf("%w: no key %q to inject into; give one of the series", ErrSeries, in.Key)
	}
	if in.From.IsZero() {
		in.From = s.Start().Add(backgroundPast)
	}
	room := s.End().Add(-in.Lasts).Sub(in.From)
	if in.PerStep <= 0 || in.Lasts < s.Step || room < 0 || in.From.Before(s.Start()) {
		return Background{}, fmt.Errorf("%w: %d bytes in steps of %s for %s, from %s on; give bytes above 0 and a time within %s to %s",
			ErrSeries, in.PerStep, s.Step, in.Lasts, in.From, s.Start(), s.End())
	}
	rng := rand.New(rand.NewPCG(in.Seed, streamID("sustained")))
	steps := int(in.Lasts / s.Step)
	t := Theft{
		Name: "sustained", Kind: in.Kind, Duration: in.Lasts, Flows: steps, Bytes: int64(steps) * in.PerStep, Shape: Steady,
		Start: in.From.Add(time.Duration(rng.Int64N(int64(room/s.Step)+1)) * s.Step),
		Host:  backgroundHost, Process: "rclone", Port: backgroundPort, PortUse: Busy, Region: in.Key, RegionUse: Busy,
	}
	b := Background{Series: s, Thefts: []Theft{t}}
	number, _ := slices.BinarySearch(s.Keys, in.Key)
	for k := range steps {
		at := t.Start.Add(time.Duration(k) * s.Step).UnixNano()
		b.flows = append(b.flows, Labelled{Record: sentTo(in.Key, number, at, in.PerStep, t.Process), Theft: t.label()})
	}
	return b, nil
}

// PerStep returns the median, the lower of two, and the mean of the bytes of the steps in which the key was measured;
// 0 where it never was.
func (s Series) PerStep(key string) (median int64, mean float64) {
	i, known := slices.BinarySearch(s.Keys, key)
	if !known {
		return 0, 0
	}
	var steps []int64
	for _, r := range s.Rows {
		if r.Bytes[i] != unknown {
			steps = append(steps, r.Bytes[i])
			mean += float64(r.Bytes[i])
		}
	}
	if len(steps) == 0 {
		return 0, 0
	}
	slices.Sort(steps)
	return steps[(len(steps)-1)/2], mean / float64(len(steps))
}
