package backlog

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const span = 3 * time.Hour

var (
	monday = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)
	never  = monday.AddDate(10, 0, 0) // the clock, so that no record is from the future
)

func settings() detector.Settings {
	port, region := []flow.Field{flow.DestinationPort}, []flow.Field{flow.DestinationRegion}
	watch := func(rule string, by []flow.Field) detector.Watch {
		return detector.Watch{
			Rule: rule, By: by, Details: [][]flow.Field{{flow.Host, by[0]}, {flow.DestinationPort, flow.DestinationRegion}},
			Spans: []time.Duration{span}, Threshold: 75, Budget: 1, MinBytes: 1e6, MaxEntities: 10_000,
		}
	}
	return detector.Settings{
		Watches:  []detector.Watch{watch("unusual_destination_port", port), watch("unusual_region", region)},
		Lateness: 5 * time.Minute, MaxClockSkew: time.Hour, WarmUp: 48 * time.Hour,
	}
}

// traffic is what so many hosts send in a window, one batch after the other; in the window of a theft one sends far more.
func traffic(hosts, window int, theft bool) (batches [][]flow.Flow) {
	random := rand.New(rand.NewPCG(uint64(window), 1))
	start := monday.Add(time.Duration(window) * span)
	const size = 100
	for from := 0; from < 4*hosts; from += size {
		batch := make([]flow.Flow, 0, size+1)
		for i := range size {
			n := from + i
			host := n % hosts
			batch = append(batch, flow.Flow{
				Time:        start.Add(time.Duration(n) * span / time.Duration(4*hosts)).UnixNano(),
				Bytes:       50_000 + random.Int64N(50_000),
				Source:      netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)}),
				Destination: netip.AddrFrom4([4]byte{198, 51, 100, byte(host)}),
				Port:        uint16(1000 + host%50),
				Host:        fmt.Sprintf("host-%04d", host),
				Place:       flow.Place{Region: fmt.Sprintf("Region %d", host%20), Country: "US"},
			})
		}
		if theft && from == 2*hosts/size*size {
			stolen := batch[0]
			stolen.Port, stolen.Bytes = 4444, 5e9
			batch = append(batch, stolen)
		}
		batches = append(batches, batch)
	}
	return batches
}

// month is twenty days of traffic, in which somebody steals now and then.
func month(hosts int) (batches [][]flow.Flow) {
	for window := range 20 * 8 {
		batches = append(batches, traffic(hosts, window, window > 100 && window%17 == 0)...)
	}
	return batches
}

func newDetectors(t *testing.T, most int) (plain *detector.Detector, queued *Detector) {
	t.Helper()
	plain, err := detector.New(settings())
	require.NoError(t, err)
	queued, err = New(settings(), most)
	require.NoError(t, err)
	return plain, queued
}

// What is found, and what is learned, is the same to the bit as by a detector that closes windows at once, whether deliveries are
// queued or not, and beside snapshots.
func TestFindsTheSameInTheSameOrder(t *testing.T) {
	plain, queued := newDetectors(t, 0)
	plain.KeepReadings(3)
	queued.KeepReadings(3)
	var expected, found []detector.Finding
	var expectedWindows, windows []detector.ClosedWindow
	waited := 0
	for i, batch := range month(200) {
		expected = plain.Observe(batch, never, expected)
		found = queued.Observe(batch, never, found)
		if !queued.Settled() {
			waited++
		}
		if i%50 == 0 {
			save(queued.Detector)
		}
		if i%20 == 0 { // a detector keeps the readings of eight windows for whoever asks, and these have eight batches each
			queued.Settle()
		}
		closed, _ := plain.ClosedWindows()
		expectedWindows = append(expectedWindows, closed...)
		closed, _ = queued.ClosedWindows()
		windows = append(windows, closed...)
	}
	expected = plain.Tick(never.Add(2*span), expected)
	queued.Settle() // or else the flows let time pass
	found = queued.Tick(never.Add(2*span), queued.Collect(found))
	queued.Settle()
	found = queued.Collect(found)
	closed, _ := plain.ClosedWindows()
	expectedWindows = append(expectedWindows, closed...)
	closed, lost := queued.ClosedWindows()
	windows = append(windows, closed...)

	require.NotEmpty(t, expected)
	assert.Positive(t, waited, "some deliveries found windows closing")
	assert.Equal(t, expected, found)
	assert.Equal(t, plain.Fingerprint(), queued.Fingerprint())
	assert.Equal(t, plain.Stats(), queued.Stats())
	assert.Zero(t, lost)
	assert.Equal(t, expectedWindows, windows)
	assert.True(t, queued.Settled())
}

// save goes through all shards of a snapshot.
func save(d *detector.Detector) {
	snapshot := d.Snapshot()
	defer snapshot.Release(true)
	for {
		var w codec.Writer
		if _, _, ok := snapshot.Next(&w); !ok {
			return
		}
	}
}

// slow is a detector whose windows close for as long as the test wants. It has learned.
type slow struct {
	*Detector
	closing chan struct{} // gets a token when windows begin to close
	goOn    chan struct{}
}

func newSlow(t *testing.T, hosts int) *slow {
	t.Helper()
	s := &slow{closing: make(chan struct{}, 1), goOn: make(chan struct{})}
	held := false
	set := settings()
	var once sync.Once
	set.Pace = func(int) {
		if held {
			once.Do(func() {
				s.closing <- struct{}{}
				<-s.goOn
			})
		}
	}
	var err error
	s.Detector, err = New(set, Brief)
	require.NoError(t, err)
	s.KeepReadings(1)
	for window := range 40 {
		for _, batch := range traffic(hosts, window, false) {
			s.Observe(batch, never, nil)
			s.Settle()
		}
		s.ClosedWindows()
	}
	held = true
	return s
}

func TestNobodyWaitsWhileWindowsClose(t *testing.T) {
	const hosts = 1000
	s := newSlow(t, hosts)
	before := s.Stats()
	require.Equal(t, detector.Ready, warmed(before.State))
	for i, batch := range traffic(hosts, 40, true) {
		require.Empty(t, s.Observe(batch, never, nil))
		if i == 2 { // past the allowed lateness: the window before is closing, and goes on when the test says so
			<-s.closing
		}
	}
	assert.False(t, s.Settled())
	assert.Equal(t, before.WindowsClosed, s.Stats().WindowsClosed, "what was true before")
	assert.Empty(t, s.Tick(never.AddDate(0, 0, 1), nil), "flows let time pass themselves")
	closed, _ := s.ClosedWindows()
	assert.Empty(t, closed)

	close(s.goOn)
	s.Settle()
	assert.False(t, s.Settled(), "what was found is not collected yet")
	found := s.Collect(nil)
	assert.True(t, s.Settled())
	assert.True(t, slices.ContainsFunc(found, func(f detector.Finding) bool { return f.Values[0] == "4444" }), "the theft is among what was found")
	assert.Empty(t, s.Collect(nil), "once")
	assert.Equal(t, before.WindowsClosed+1, s.Stats().WindowsClosed)
	closed, _ = s.ClosedWindows()
	assert.Len(t, closed, 1)
}

func warmed(s detector.State) detector.State {
	if s == detector.Learning {
		return s
	}
	return detector.Ready
}

// However many flows come while windows close, no more than some are let in for which the work has not been done.
func TestTheQueueIsBounded(t *testing.T) {
	const hosts = 1000
	s := newSlow(t, hosts)
	batches := traffic(hosts, 40, false)
	flood := func() { // ten times as many as anybody may put in without waiting
		for n := 0; n < 10*freeFlows; {
			for _, batch := range batches {
				s.Observe(batch, never, nil)
				n += len(batch)
				s.progress.Lock()
				ahead := (s.queued-freeFlows)*owedWork - s.done
				assert.True(t, !s.working || ahead <= 0, "%d more work than was done is owed", ahead)
				s.progress.Unlock()
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		flood()
	}()
	<-s.closing
	close(s.goOn)
	<-done
	s.Settle()
	assert.Zero(t, s.Stats().Late)
}

// Whoever delivers, and whoever asks, may do so at once: nothing is lost, and what is learned is the same.
func TestConcurrentUse(t *testing.T) {
	plain, queued := newDetectors(t, 0)
	var senders sync.WaitGroup
	stop, asked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		for {
			select {
			case <-stop:
				return
			default:
				queued.Stats()
				queued.Tick(monday, nil)
				queued.ClosedWindows()
				save(queued.Detector)
				queued.Settle()
			}
		}
	}()
	for window := range 30 {
		batches := traffic(100, window, false)
		for _, batch := range batches {
			plain.Observe(batch, never, nil)
		}
		// The first record of the window comes first, and its last one last: so no sender is ahead of the others.
		last := len(batches) - 1
		queued.Observe(batches[0], never, nil)
		for sender := range 3 {
			senders.Go(func() {
				for i := 1 + sender; i < last; i += 3 {
					queued.Observe(batches[i], never, nil)
				}
			})
		}
		senders.Wait()
		queued.Observe(batches[last], never, nil)
	}
	close(stop)
	<-asked
	queued.Settle()
	assert.Equal(t, plain.Stats().WindowsClosed, queued.Stats().WindowsClosed)
	assert.Equal(t, plain.Stats().Keys, queued.Stats().Keys)
	assert.Equal(t, plain.Fingerprint(), queued.Fingerprint())
}

func TestHeirGoesOn(t *testing.T) {
	plain, queued := newDetectors(t, 0)
	batches := month(100)
	for _, batch := range batches[:len(batches)/2] {
		plain.Observe(batch, never, nil)
		queued.Observe(batch, never, nil)
	}
	queued.Settle()
	heir, _, err := queued.Heir(settings())
	require.NoError(t, err)
	var expected, found []detector.Finding
	for _, batch := range batches[len(batches)/2:] {
		expected = plain.Observe(batch, never, expected)
		found = heir.Observe(batch, never, found)
	}
	heir.Settle()
	found = heir.Collect(found)
	require.NotEmpty(t, expected)
	assert.Equal(t, expected, found)
	assert.Equal(t, plain.Fingerprint(), heir.Fingerprint())

	wrong := settings()
	wrong.Watches = nil
	_, _, err = queued.Heir(wrong)
	require.ErrorIs(t, err, detector.ErrSettings)
	_, err = New(wrong, 0)
	require.ErrorIs(t, err, detector.ErrSettings)
}
