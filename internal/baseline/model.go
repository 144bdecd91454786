package baseline

import (
	"math"
	"time"
)

// Model is what the entities of one space (one key, one span) share: their peers, the
// shape of detail keys, and the calibration. It is frozen while a window is open; Learn collects
// and EndWindow applies. Not safe for concurrent use.
type Model struct {
	span   time.Duration
	share  float64 // of the false-alarm budget
	detail bool    // entities follow the shared shape instead of having tables
	tails  [calibrationClasses]tail
	less   Ablation
	shape  Shape
	peers  Peers

	calibration [calibrationClasses]Calibration
	alive       int // calibration classes that share the budget

	// What follows from the span and from the peers, worked out when these change.
	keep   float64 // share of a window's weight that is left after one more
	priors [peerClasses]prior

	peerBatch  [peerClasses]peerBatch
	shapeBatch shapeBatch
	sinceFit   time.Duration
}

// NewModel makes a model that has learned nothing. share is the part of a rule's budget of
// false alarms that this space may use; detail spaces follow a shared shape.
func NewModel(span time.Duration, share float64, detail bool, less Ablation) *Model {
	m := &Model{span: span, share: share, detail: detail, less: less}
	m.tails = [calibrationClasses]tail{logistic{}, student{}, student{}}
	if less.StudentOnly {
		m.tails[newcomers] = student{}
	}
	m.keep = Decay(span, 1)
	m.lookAround()
	return m
}

// Prediction is the distribution of one entity's bytes in one window, frozen when the
// window opens.
type Prediction struct {
	Centre  float32 // of y
	Spread  float32 // standard deviation of y
	Season  float32 // the part of Centre that the hour and weekday made
	Silence float32 // −ln of the probability that the entity is active at all
	Class   uint8   // calibration class
}

// Predict says what the series' next window is expected to bring. The series must have been
// brought to the window by SkipTo; table may be nil. active is how probable it is that the entity is
// active at all, by what is known beside its own history; see Series.Activity.
func (m *Model) Predict(s *Series, table *Table, slot Slot, active float64) Prediction {
	prior := &m.priors[s.experience()]
	n := float64(s.N)
	variance := (spreadStrength*prior.missed + float64(s.SS)) / (spreadStrength + n)
	// The weight of the peers' mean is what a normal hierarchy gives it: the variance within
	// an entity over that between entities. A fixed weight would keep the centre of a key that is far from
	// its peers, such as a nightly backup, wrong for weeks.
	k0 := clip(variance/prior.variance, leastCentre, mostCentre)
	level := (k0*prior.mean + n*float64(s.Mean)) / (k0 + n)

	var season float64
	switch {
	case m.less.NoSeason:
	case m.detail:
		season = s.shapeRate() * m.shape.at(slot)
	case table != nil:
		cell := &table[slot.Day]
		season = cell.deviation()
		active = (float64(cell.Active) + activeStrength*active) / (float64(cell.Total) + activeStrength)
	}
	if m.less.NoActivity {
		active = 1
	}
	return Prediction{
		Centre:  float32(level + season),
		Spread:  float32(math.Sqrt(variance + spreadFloor)),
		Season:  float32(season),
		Silence: float32(-math.Log(clip(active, leastActive, 1))),
		Class:   s.calibrationClass(),
	}
}

// Deviation is how many standard deviations above the centre the bytes are.
func (p Prediction) Deviation(bytes int64) float64 {
	return (YOf(bytes) - float64(p.Centre)) / float64(p.Spread)
}

// prior is what an entity starts from: mean and variance of y, and the variance by which its like was missed.
type prior struct{ mean, variance, missed float64 }

// lookAround finds the priors of all classes. It is called whenever the peers have changed.
func (m *Model) lookAround() {
	for k := range m.priors {
		p := &m.priors[k]
		if m.less.NoPeers {
			*p = prior{priorMean, priorSpread, priorSpread}
			continue
		}
		p.mean, p.variance = m.peers.prior(k)
		p.missed = m.peers.missedBy(k, p.variance)
	}
}

// Surprise is −ln of the probability that an entity, given that it is active, sends more than these bytes.
func (m *Model) Surprise(p Prediction, bytes int64) float64 {
	return m.tails[p.Class].surprise(p.Deviation(bytes))
}

// Median of the bytes, given that the entity is active.
func (p Prediction) Median() int64 { return BytesOf(float64(p.Centre)) }

// Verdict is how unusual a sum of bytes is.
type Verdict struct {
	FalseAlarms float64 // a week and rule, if everything as unusual were alerted
	Probability float64 // share of the class' ordinary windows that go as far
	Calibrated  bool    // the tail was fitted to this deployment
	Deviation   float64 // standard deviations above the centre
	Surprise    float64 // see Model.Surprise
}

// Ordinary says whether a window may teach the calibration: it does not reach the budget by the fitted tail as
// it is, without the correction for its optimism.
func (v Verdict) Ordinary(budget float64) bool { return v.FalseAlarms >= optimism*budget }

// Judge weighs bytes against a prediction.
func (m *Model) Judge(p Prediction, bytes int64) Verdict {
	c, z := &m.calibration[p.Class], p.Deviation(bytes)
	surprise := m.tails[p.Class].surprise(z)
	perWeek := c.perWeek(surprise + float64(p.Silence))
	return Verdict{
		FalseAlarms: optimism * perWeek / m.classShare(c),
		Probability: min(1, perWeek/max(c.pace, 1)),
		Calibrated:  c.fitted,
		Deviation:   z,
		Surprise:    surprise,
	}
}

// classShare is the part of the budget that one calibration class may use.
func (m *Model) classShare(c *Calibration) float64 {
	n := m.alive
	if !c.alive() {
		n++
	}
	return m.share / float64(n)
}

// Threshold is the least number of bytes, at least floor, whose false alarms a week do not exceed
// the given ones: partial sums only grow, so that the first record to reach it decides.
// math.MaxInt64 means never.
func (m *Model) Threshold(p Prediction, falseAlarms float64, floor int64) int64 {
	if falseAlarms <= 0 {
		return math.MaxInt64
	}
	c := &m.calibration[p.Class]
	z := m.tails[p.Class].deviation(c.surpriseAt(falseAlarms/optimism*m.classShare(c)) - float64(p.Silence))
	if math.IsInf(z, -1) {
		return floor
	}
	return max(floor, BytesOf(float64(p.Centre)+z*float64(p.Spread)))
}

// Learn takes the final bytes of a window for which p was predicted. It updates the series and its table at once and
// collects what the entities share for EndWindow. windows that are not ordinary teach the calibration nothing.
func (m *Model) Learn(s *Series, table *Table, slot Slot, p Prediction, bytes int64, ordinary bool) {
	m.LearnJudged(s, table, slot, p, m.Judge(p, bytes), ordinary)
}

// LearnJudged does as Learn, of bytes that were judged so.
func (m *Model) LearnJudged(s *Series, table *Table, slot Slot, p Prediction, v Verdict, ordinary bool) {
	k := s.experience()
	centre, spread := float64(p.Centre), float64(p.Spread)
	m.calibration[p.Class].count(v.Surprise+float64(p.Silence), ordinary && !m.justBegun(s, p))

	y := centre + clip(v.Deviation, -winsor, winsor)*spread
	m.peerBatch[k].add(&m.peers[k], y, y-centre)

	keep := float32(m.keep)
	before, mean := s.N, float64(s.Mean)
	// The error is taken against the own mean, not against the level shrunk to the peers: where every
	// key starts at once there are no peers, and the first errors would spoil the spread for weeks.
	own := y - mean - float64(p.Season)
	s.N = s.N*keep + 1
	s.SS *= keep
	if before > 0.5 {
		s.SS += float32(own * own)
	}
	level := y
	if m.detail {
		level -= float64(p.Season)
	}
	s.Mean += float32((level - mean) / float64(s.N))

	if table != nil {
		table[slot.Day].learn(y - float64(s.Mean))
	}
	if m.detail && before > shapeMinOwn {
		shape := m.shape.at(slot)
		residual := clip(y-float64(s.Mean), -3, 3)
		m.shapeBatch.add(&m.shape, slot, residual-(s.shapeRate()-1)*shape)
		s.ShapeXY = shapeRateKeep*s.ShapeXY + float32(shape*residual)
		s.ShapeXX = shapeRateKeep*s.ShapeXX + float32(shape*shape)
	}

	s.Active = s.Active*keep + 1
	s.Total = s.Total*keep + 1
	s.Next++
}

// Withhold lets a window of the series pass as if it had been silent: the series stays a newcomer.
func (m *Model) Withhold(s *Series, p Prediction) {
	m.calibration[p.Class].closed++
	s.SkipTo(s.Next+1, m.span)
}

// justBegun says whether a series is a newcomer only because observation has just begun: the
// busiest ports come on the first day, and say nothing of what newcomers do.
func (m *Model) justBegun(s *Series, p Prediction) bool {
	return p.Class == newcomers && float64(s.Total)*float64(m.span) < float64(acquaintance)
}

// WantsTable says whether an entity has been active often enough for a season table.
func (m *Model) WantsTable(s *Series) bool { return !m.detail && s.Active >= tableFrom }

// EndWindow applies what Learn collected since the last call. Where the window ends a day, it
// fits the calibration anew.
func (m *Model) EndWindow(slot Slot, endsDay bool) {
	for k := range m.peers {
		m.peers[k].learn(&m.peerBatch[k])
	}
	clear(m.peerBatch[:])
	m.lookAround()
	m.shape.learn(m.shapeBatch, slot)
	m.shapeBatch = shapeBatch{}
	m.alive = 0
	m.sinceFit += m.span
	for i := range m.calibration {
		c := &m.calibration[i]
		c.pass(m.span)
		if endsDay && !m.less.NoCalibration {
			c.fit(m.sinceFit, m.tails[i].prior())
		}
		if c.alive() {
			m.alive++
		}
	}
	if endsDay {
		m.sinceFit = 0
	}
}

// LeansOnPeers says whether a series has too little history of its own to outweigh its peers.
func (m *Model) LeansOnPeers(s *Series) bool { return s.N < mostCentre }
