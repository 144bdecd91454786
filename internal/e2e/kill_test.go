package e2e

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	// checkpoints is the checkpoint_interval of kept.yaml.
	checkpoints = 100 * time.Millisecond
	// tardiness is how much longer it may be since the last checkpoint began, on a machine that is busy with something
	// else: for the engine to look at the time, for the checkpoint before to be written.
	tardiness = 2 * time.Second
	// pace makes a checkpoint come each few deliveries.
	pace = 8 * time.Millisecond
)

// kills is how often the collector is killed.
func kills() int {
	if testing.Short() || raceDetector {
		return 8
	}
	return 50
}

// moment is when a collector is killed.
type moment struct {
	deliveries int           // begun in this life; 0: none, it is killed as it starts
	after      time.Duration // from there
	settled    bool          // instead, when there is a checkpoint of all that was acknowledged
	stopping   bool          // it was asked to end before: it is killed as it saves, unless it is through by then
}

// moments returns random ones for a number of deliveries in all.
func moments(random *rand.Rand, n, deliveries int) []moment {
	var all []moment
	for i := range n {
		m := moment{deliveries: 1 + random.IntN(2*deliveries/n), after: time.Duration(random.Int64N(int64(30 * time.Millisecond)))}
		switch {
		case i%7 == 6:
			m = moment{after: time.Duration(random.Int64N(int64(500 * time.Millisecond)))}
		case i%10 == 4:
			m.settled = true
		case i%10 == 9:
			m.stopping, m.after = true, time.Duration(random.Int64N(int64(8*time.Millisecond)))
		}
		all = append(all, m)
	}
	return all
}

// working says that the collector is killed in the midst of its work.
func (m moment) working() bool { return m.deliveries > 0 && !m.settled && !m.stopping }

// loss is what a kill has cost.
type loss struct {
	moment
	ended bool          // the collector had ended well before it was killed
	tries []try         // that the collector was killed in or had acknowledged, and that it does not know of
	age   time.Duration // how long before the kill the first of them was acknowledged
}

// acknowledged is how much of it was.
func (l loss) acknowledged() (deliveries, flows int) {
	for _, r := range l.tries {
		if !r.acknowledged.IsZero() {
			deliveries++
			flows += len(visits(r.delivery))
		}
	}
	return deliveries, flows
}

// untilKilled lets a collector live to a moment. Ended: it had ended well by then.
func (s *stream) untilKilled(t *testing.T, m moment) (at time.Time, ended bool) {
	t.Helper()
	if m.deliveries == 0 {
		l := s.begin(t)
		time.Sleep(m.after)
		at = l.kill()
		l.requireKilled()
		return at, false
	}
	l := s.ready(t)
	require.Positive(t, l.said(t, "The state of an earlier run goes on"))
	killed := make(chan time.Time, 1)
	l.sendUntil(min(l.next+m.deliveries-1, l.days*perDay), l.over)
	switch {
	case m.settled:
		l.settle()
		killed <- l.kill()
	case m.stopping:
		l.listening()
		require.NoError(t, l.process.Process.Signal(syscall.SIGTERM))
		fallthrough
	default:
		time.AfterFunc(m.after, func() { killed <- l.kill() })
		l.sendUntil(l.days*perDay, l.over)
	}
	at = <-killed
	if m.stopping && l.end(t) == nil {
		l.leave()
		return at, true
	}
	l.requireKilled()
	return at, false
}

// survived returns the tries that the storage knows of, given those that it knew of when the last life began, and what
// the kill at the end of that life has cost.
func (s *stream) survived(t *testing.T, before []try, lastLife int, killed time.Time) ([]try, loss) {
	t.Helper()
	newest := stateIn(t, s.storage).stats.Newest
	since := s.tries[lastLife:]
	known := 0
	for i, r := range since {
		if s.mark(r).Equal(newest) {
			known = i + 1
		}
	}
	if known == 0 {
		require.Equal(t, s.mark(before[len(before)-1]), newest, "the state is never older than the one that the life began with")
	}
	cost := loss{tries: since[known:]}
	if len(cost.tries) > 0 && !cost.tries[0].acknowledged.IsZero() {
		cost.age = killed.Sub(cost.tries[0].acknowledged)
	}
	return append(before, since[:known]...), cost
}

// killed delivers, and kills the collector at each of the moments. It returns the tries that are known in the end, after
// those before, and what each kill cost.
func (s *stream) killed(t *testing.T, all []moment) (known []try, costs []loss) {
	t.Helper()
	known = slices.Clone(s.tries)
	for _, m := range all {
		life := len(s.tries)
		at, ended := s.untilKilled(t, m)
		var cost loss
		known, cost = s.survived(t, known, life, at)
		deliveries, _ := cost.acknowledged()
		if m.settled || ended {
			require.Zero(t, deliveries, "what was acknowledged before a checkpoint began is in it")
		}
		require.LessOrEqual(t, cost.age, checkpoints+tardiness, "no more is missing than what was acknowledged since the last checkpoint began")
		cost.moment, cost.ended = m, ended
		costs = append(costs, cost)
	}
	return known, costs
}

// report says what kills have cost, and returns how many deliveries one in the midst of work did at the median.
func report(t *testing.T, s *stream, costs []loss) (median int) {
	t.Helper()
	var deliveries, flows []int
	var ages []time.Duration
	total, all, ended := 0, 0, 0
	for _, c := range costs {
		if c.ended {
			ended++
		}
		if !c.working() {
			continue
		}
		d, f := c.acknowledged()
		deliveries, flows, ages = append(deliveries, d), append(flows, f), append(ages, c.age)
		total += f
	}
	for n := range s.next {
		all += len(visits(n))
	}
	slices.Sort(deliveries)
	slices.Sort(flows)
	slices.Sort(ages)
	half, last := len(ages)/2, len(ages)-1
	t.Logf("%d kills, %d of which came too late; of %d in the midst of work are acknowledged and missing at the median %d deliveries, %d flows of %s; at most %d, %d, %s; in all %d of %d flows",
		len(costs), ended, len(ages), deliveries[half], flows[half], ages[half].Round(time.Millisecond), deliveries[last], flows[last], ages[last].Round(time.Millisecond), total, all)
	return deliveries[half]
}

// Given two weeks of an office, of which each delivery is sent until it is acknowledged, when the collector is killed at random
// moments, as it starts and as it works, then each time it goes on from its last checkpoint; in the end it knows, to
// the bit, what a collector knows that was never disturbed and got what was in those checkpoints; what is
// missing was acknowledged since the last one began. Every theft is told, under the identity that it has
// without any kill, and nothing else is.
func TestACollectorThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	random := seed(t)
	w := newWitness(t)
	s := newStream(t, officeDays, hour, w).asMarkedLogs()
	s.live(t, perDay)
	begun := stateIn(t, s.storage)

	s.pace = pace
	learned := len(s.tries)
	known, costs := s.killed(t, moments(random, kills(), officeDays*perDay-perDay))
	// A busy machine may delay checkpoints, and deliveries with them. Half of the kills find one in time.
	assert.LessOrEqual(t, report(t, s, costs), int(3*checkpoints/pace))
	s.pace = 0
	life := len(s.tries)
	s.live(t, s.days*perDay)
	known = append(known, s.tries[life:]...)

	told, knows := begun.undisturbed(t, logsOf(known[learned:]))
	requireSame(t, knows, stateIn(t, s.storage))

	seen := anomaliesIn(w.all())
	for _, a := range anomaliesIn(told) {
		assert.Contains(t, seen, a)
	}
	var all []try
	for n := range officeDays*perDay - perDay {
		all = append(all, try{delivery: perDay + n})
	}
	without, _ := begun.undisturbed(t, logsOf(all))
	requireThefts(t, anomaliesIn(without))
	assert.Subset(t, uids(seen), uids(anomaliesIn(without)))
	assert.Equal(t, entities(anomaliesIn(without)), entities(seen), "nothing else was unusual")
	statuses := statusesIn(w.all())
	assert.Equal(t, []string{"warming_up", "ready"}, slices.Compact(statuses), "no second warm-up, and nothing lost")
	assert.Equal(t, "warming_up", statuses[0])
}

// Given that nobody takes the alerts, when the collector is killed, then the next one delivers them.
func TestAlertsThatNobodyTookSurviveAKill(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	s := newStream(t, officeDays, hour, w).asLogs()
	stolen := (thefts()[0].day*24+thefts()[0].hour)*slotsPerHour + 1
	s.live(t, stolen-1)
	require.Empty(t, anomaliesIn(w.all()))

	w.refuses.Store(true)
	l := s.ready(t)
	l.sendUntil(stolen, never)
	l.settle()
	l.kill()
	l.requireKilled()
	require.Empty(t, anomaliesIn(w.all()))

	w.refuses.Store(false)
	s.live(t, stolen)
	assert.Contains(t, entities(anomaliesIn(w.all())), "unusual_destination_port 4444")
	assert.Len(t, uids(anomaliesIn(w.all())), len(anomaliesIn(w.all())), "once each")
}

// requireThefts requires that each theft was told under the port or region that is new.
func requireThefts(t *testing.T, alerts []told) {
	t.Helper()
	for _, about := range []string{"unusual_destination_port 4444", "unusual_region Tashkent", "unusual_destination_port 6667", "unusual_region Nairobi"} {
		require.Contains(t, entities(alerts), about)
	}
}

// live starts a collector, delivers up to a delivery, and stops it.
func (s *stream) live(t *testing.T, n int) {
	t.Helper()
	l := s.ready(t)
	l.sendUntil(n, never)
	l.listening()
	l.terminate()
}

func logsOf(tries []try) []plog.Logs {
	var all []plog.Logs
	for _, r := range tries {
		all = append(all, visitLogs(r.delivery, r.number))
	}
	return all
}
