package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// seed of what happens when: EXFIL_SEED, or else always the same. What the collector is doing at that moment is
// another matter each time.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := uint64(20)
	if v := os.Getenv("EXFIL_SEED"); v != "" {
		var err error
		n, err = strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("EXFIL_SEED=%d", n)
	return rand.New(rand.NewPCG(n, n))
}

// stream is a sender that delivers the office's flows in order to a collector that is ended again and again, and tries each
// delivery until it is acknowledged.
type stream struct {
	program string
	env     []string // of the collector
	storage string   // directory of what it keeps
	deliver func(ctx context.Context, to *grpc.ClientConn, n, try int) error
	mark    func(r try) time.Time // newest event time that is in a state which has a try, and nothing later
	days    int                   // after which it has nothing more to send
	pace    time.Duration         // least time from one try to the next; 0: as fast as it goes

	tries []try
	next  int // delivery
	last  time.Time
}

// try is one time that a delivery was sent.
type try struct {
	delivery, number int
	acknowledged     time.Time // zero: it was not
}

func newStream(t *testing.T, days int, span time.Duration, w *witness) *stream {
	t.Helper()
	s := &stream{program: minimal(t), storage: t.TempDir(), days: days}
	s.env = []string{"E2E_STATE=" + s.storage, "E2E_SPAN=" + span.String(), "E2E_WITNESS=" + w.port}
	reader(t) // or it is skipped here and not later
	return s
}

// branch returns a stream that goes on with a copy of what was kept, and tells another witness.
func (s *stream) branch(t *testing.T, w *witness) *stream {
	t.Helper()
	b := *s
	b.storage = t.TempDir()
	require.NoError(t, os.CopyFS(b.storage, os.DirFS(s.storage)))
	b.env = append(slices.Clone(s.env), "E2E_STATE="+b.storage, "E2E_WITNESS="+w.port)
	b.tries = slices.Clone(s.tries)
	return &b
}

// asLogs delivers logs.
func (s *stream) asLogs() *stream {
	s.asMarkedLogs()
	s.mark = func(r try) time.Time { return slotTime(r.delivery) }
	marked := s.deliver
	s.deliver = func(ctx context.Context, to *grpc.ClientConn, n, _ int) error { return marked(ctx, to, n, 0) }
	return s
}

// asMarkedLogs delivers logs of which it can be told what try they were.
func (s *stream) asMarkedLogs() *stream {
	s.mark = func(r try) time.Time { return slotTime(r.delivery).Add(time.Duration(r.number)) }
	s.deliver = func(ctx context.Context, to *grpc.ClientConn, n, try int) error {
		_, err := plogotlp.NewGRPCClient(to).Export(ctx, plogotlp.NewExportRequestFromLogs(visitLogs(n, try)))
		return err
	}
	return s
}

// asTotals delivers running totals.
func (s *stream) asTotals() *stream {
	all := visitTotals(s.days * perDay)
	s.mark = func(r try) time.Time { return slotTime(r.delivery) }
	s.deliver = func(ctx context.Context, to *grpc.ClientConn, n, _ int) error {
		_, err := pmetricotlp.NewGRPCClient(to).Export(ctx, pmetricotlp.NewExportRequestFromMetrics(all[n]))
		return err
	}
	return s
}

// life is a run of the collector, and the stream's connection to it.
type life struct {
	*stream
	*collector
	t          *testing.T
	connection *grpc.ClientConn
	first      int // its first try
}

// addressTaken is what a collector says whose port somebody else took before it could.
const addressTaken = "address already in use"

// begin starts the collector; awaitReady says when it takes flows.
func (s *stream) begin(t *testing.T) *life {
	t.Helper()
	c := launchWith(t, s.program, s.env, "kept.yaml")
	// A collector that has just been reloaded is found again at once.
	quick := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: pollEvery, Multiplier: 1, MaxDelay: pollEvery}, MinConnectTimeout: patience}
	connection, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(quick))
	require.NoError(t, err)
	return &life{stream: s, collector: c, t: t, connection: connection, first: len(s.tries)}
}

// ready starts the collector and returns when it takes flows.
func (s *stream) ready(t *testing.T) *life {
	t.Helper()
	for {
		l := s.begin(t)
		for l.said(t, ready) == 0 {
			if l.over() {
				break
			}
			time.Sleep(pollEvery)
		}
		if !l.over() {
			return l
		}
		require.Positive(t, l.said(t, addressTaken), "the collector ended before it was ready")
		l.leave()
	}
}

// over says whether the collector has ended.
func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// leave lets go of a collector that has ended.
func (l *life) leave() {
	l.t.Helper()
	<-l.ended
	require.NoError(l.t, l.connection.Close())
}

// send tries to deliver what is next, and says whether it was acknowledged.
func (l *life) send() bool {
	time.Sleep(l.pace - time.Since(l.last))
	l.last = time.Now()
	number := 0
	if n := len(l.tries); n > 0 && l.tries[n-1].delivery == l.next {
		number = l.tries[n-1].number + 1
	}
	l.tries = append(l.tries, try{delivery: l.next, number: number})
	if err := l.deliver(l.t.Context(), l.connection, l.next, number); err != nil {
		return false
	}
	l.tries[len(l.tries)-1].acknowledged = time.Now()
	l.next++
	return true
}

// sendUntil delivers up to a delivery, or until the collector has ended. What a collector that is being reloaded
// did not take is tried again.
func (l *life) sendUntil(n int, done func() bool) {
	l.t.Helper()
	for l.next < n && !done() {
		if l.send() {
			continue
		}
		if l.over() {
			return
		}
		time.Sleep(pollEvery)
	}
}

func never() bool { return false }

// terminate asks the collector to end, and returns when it has.
func (l *life) terminate() {
	l.t.Helper()
	require.NoError(l.t, l.process.Process.Signal(syscall.SIGTERM))
	l.requireStopped()
}

// requireStopped waits for the end of a collector that was asked to, and requires that it has ended well.
func (l *life) requireStopped() {
	l.t.Helper()
	require.NoError(l.t, l.end(l.t))
	l.leave()
	require.Zero(l.t, l.said(l.t, "\terror\t"))
	require.Zero(l.t, l.said(l.t, "panic"))
}

// kill ends the collector as nothing can prevent.
func (l *life) kill() (at time.Time) {
	at = time.Now()
	_ = l.process.Process.Kill() // the test says afterwards how the collector has ended
	return at
}

// requireKilled waits for the end of a collector that is killed, and requires that nothing else has ended it.
func (l *life) requireKilled() {
	l.t.Helper()
	err := l.end(l.t)
	var exit *exec.ExitError
	require.ErrorAs(l.t, err, &exit)
	require.Equal(l.t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal())
	require.Zero(l.t, l.said(l.t, "panic"))
	l.leave()
}

// settle returns when a checkpoint is there that has begun since: the second that is made from now on.
func (l *life) settle() {
	l.t.Helper()
	for range 2 {
		since := time.Now()
		l.await(l.t, "through with a checkpoint", func() bool { return l.saved().After(since) })
	}
}

// listening returns when a collector that takes flows listens to signals, too. It does so after it has said that it is
// ready, without a word, and until then they end it as a kill does. That it has made a checkpoint since it was started is
// long after.
func (l *life) listening() {
	l.t.Helper()
	l.await(l.t, "through with its first checkpoint", func() bool { return !l.saved().IsZero() })
}

var checkpointAge = regexp.MustCompile(`(?m)^otelcol_exfil_checkpoint_age[a-z_]*\{.*\} (\S+)$`)

// saved returns when the collector has made its last checkpoint, or a bit earlier; zero: it has made none yet.
func (l *life) saved() time.Time {
	l.t.Helper()
	asked := time.Now()
	found := checkpointAge.FindStringSubmatch(get(l.t, l.scrape, "/metrics"))
	if found == nil {
		return time.Time{}
	}
	age, err := strconv.ParseFloat(found[1], 64)
	require.NoError(l.t, err)
	return asked.Add(-time.Duration(age * float64(time.Second)))
}
