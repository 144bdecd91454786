package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Drift is how the bytes of a service wander from day to day, for all hosts alike: by a
// factor whose logarithm is an autoregressive process of first order, stationary, with
// mean 0.
type Drift struct {
	Spread float64 // standard deviation of ln(factor); 0: no drift
	Memory float64 // correlation from one day to the next, 0..1
}

func (d Drift) validate() error {
	if !(d.Spread >= 0 && d.Memory >= 0 && d.Memory < 1) {
		return fmt.Errorf("%w: drift has spread %g and memory %g; give a spread of 0 or more and a memory from 0 to below 1", ErrPlan, d.Spread, d.Memory)
	}
	return nil
}

// drifting draws the factors of every service by day.
func (p *Plan) drifting() map[string][]float64 {
	if p.Drift.Spread == 0 && p.Growth == 0 {
		return nil
	}
	all := map[string][]float64{}
	for _, g := range p.Groups {
		for _, h := range g.Habits {
			p.drift(all, h.Service.Name)
		}
		for _, j := range g.Jobs {
			p.drift(all, j.Service.Name)
		}
	}
	return all
}

func (p *Plan) drift(all map[string][]float64, service string) {
	if all[service] != nil {
		return
	}
	rng := rand.New(rand.NewPCG(p.Seed, streamID("drift of "+service)))
	x := p.Drift.Spread * rng.NormFloat64()
	step := p.Drift.Spread * math.Sqrt(1-p.Drift.Memory*p.Drift.Memory)
	factors := make([]float64, p.Days)
	for day := range factors {
		factors[day] = math.Exp(x) * math.Pow(1+p.Growth, float64(day)/daysPerWeek)
		x = p.Drift.Memory*x + step*rng.NormFloat64()
	}
	all[service] = factors
}

// factor is by how much a service moves more today than it usually would.
func (s *stage) factor(service string) float64 {
	if f := s.drifting[service]; f != nil {
		return f[s.day]
	}
	return 1
}

func scale(bytes int64, factor float64) int64 {
	if factor == 1 {
		return bytes
	}
	return int64(float64(bytes) * factor)
}

func (p *Plan) holiday(at time.Time) bool {
	for _, h := range p.Holidays {
		if h = h.In(at.Location()); h.Year() == at.Year() && h.YearDay() == at.YearDay() {
			return true
		}
	}
	return false
}

// rhythm is that of a habit in the hour that begins at start.
func (s *stage) rhythm(h *Habit, start time.Time) float64 {
	if s.holiday {
		return h.Rhythm.Weekend[start.Hour()]
	}
	return h.Rhythm.At(start)
}
