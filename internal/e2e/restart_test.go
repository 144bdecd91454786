package e2e

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// restarts is how often a collector is stopped and started, and, between, how often it is told to read its configuration
// again.
const restarts, reloads = 10, 6

// disturbed delivers up to a delivery, and stops or reloads the collector at random moments.
func (s *stream) disturbed(t *testing.T, random *rand.Rand, n int) {
	t.Helper()
	lives := random.Perm(restarts + reloads)
	share := (n - s.next) / len(lives)
	l := s.ready(t)
	for _, life := range lives {
		l.sendUntil(min(n, l.next+random.IntN(2*share)), l.over)
		before := l.said(t, ready)
		sig := syscall.SIGTERM
		if life < reloads {
			sig = syscall.SIGHUP
		}
		l.listening()
		signalled := make(chan error, 1)
		time.AfterFunc(time.Duration(random.Int64N(int64(5*time.Millisecond))), func() { signalled <- l.process.Process.Signal(sig) })
		l.sendUntil(n, func() bool { return l.over() || sig == syscall.SIGHUP && l.said(t, ready) > before })
		require.NoError(t, <-signalled)
		if sig == syscall.SIGHUP {
			l.await(t, "ready again", func() bool { return l.said(t, ready) > before })
			continue
		}
		l.requireStopped()
		l = s.ready(t)
	}
	l.sendUntil(n, never)
	l.listening()
	l.terminate()
}

// Given an office whose flows come as logs or as running totals, when the collector is stopped and started, and reloaded, at
// random moments, then what it tells is, to the last attribute, what one tells that never was, each alert once, and so is what
// it keeps, to the bit.
func TestACollectorThatIsStoppedGoesOnAsIfNothingHadHappened(t *testing.T) {
	for name, as := range map[string]func(s *stream) *stream{
		"logs":           (*stream).asLogs,
		"running totals": (*stream).asTotals,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := seed(t)
			w, other := newWitness(t), newWitness(t)
			s := as(newStream(t, officeDays, hour, w))
			s.live(t, perDay)
			disturbed := s.branch(t, other)
			begun := len(statusesIn(w.all()))
			require.Equal(t, 1, begun, "the warm-up has begun")

			s.live(t, officeDays*perDay)
			disturbed.disturbed(t, random, officeDays*perDay)

			told := eventsIn(w.all())
			require.NotEmpty(t, anomaliesIn(w.all()))
			require.Equal(t, []string{"warming_up", "ready"}, statusesIn(w.all()))
			assert.Equal(t, told[begun:], eventsIn(other.all()))
			requireSame(t, stateIn(t, s.storage), stateIn(t, disturbed.storage))
			t.Logf("%d alerts; %d tries of %d deliveries", len(told), len(disturbed.tries), disturbed.next)
		})
	}
}
