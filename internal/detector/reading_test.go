package detector

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// readAll feeds flows in batches of a hundred and returns what was found and every window that closed.
func readAll(t testing.TB, d *Detector, flows []flow.Flow) (found []Finding, closed []ClosedWindow) {
	t.Helper()
	for batch := range slices.Chunk(flows, 100) {
		found = d.Observe(batch, farAhead, found)
		more, lost := d.ClosedWindows()
		require.Zero(t, lost)
		closed = append(closed, more...)
	}
	return found, closed
}

func readingDetector(t testing.TB, top int) *Detector {
	t.Helper()
	d := newDetector(t, twoRules())
	d.KeepReadings(top)
	return d
}

func TestReadingsChangeNothing(t *testing.T) {
	flows := append(office(9, monday, 16), within(monday.AddDate(0, 0, 12).Add(15*time.Hour), time.Hour, 30, "ws-c", 4444, "Oslo", 400e6)...)
	sortByTime(flows)
	without, with := newDetector(t, twoRules()), readingDetector(t, 3)
	want := run(t, without, flows, 100)
	require.NotEmpty(t, want)
	got, closed := readAll(t, with, flows)
	require.NotEmpty(t, closed)
	assert.Equal(t, want, got)
	assert.Equal(t, without.Fingerprint(), with.Fingerprint())
}

func TestWithoutBeingAskedNothingIsRead(t *testing.T) {
	d := newDetector(t, twoRules())
	_, closed := readAll(t, d, office(9, monday, 2))
	assert.Empty(t, closed)
	require.Positive(t, d.Stats().WindowsClosed)
}

// Whatever the top is: the same as if everything had been summed, sorted and cut by hand.
func TestTheTopAreThoseWithTheMostBytes(t *testing.T) {
	flows := office(10, monday, 3)
	for i := range flows { // so coarse that many ports send the same
		flows[i].Bytes = 1000
		flows[i].Port = uint16(1 + i%31)
	}
	sums := map[string]int64{}
	window := func(at time.Time, rule, value string) string { return fmt.Sprint(at.Unix(), rule, value) }
	for i := range flows {
		start := time.Unix(0, flows[i].Time).Truncate(3 * time.Hour)
		sums[window(start, "port", flow.DestinationPort.Value(&flows[i]))] += flows[i].Bytes
		sums[window(start, "region", flows[i].Place.Region)] += flows[i].Bytes
	}
	_, all := readAll(t, readingDetector(t, 10_000), flows)
	require.Len(t, all, 3*8-1, "all but the one that is open")
	for _, w := range all {
		assert.Equal(t, 3*time.Hour, w.Span)
		assert.Equal(t, w.Start.Add(w.Span), w.End)
		require.Len(t, w.Rules, 2, "and none for the finer keys")
		assert.Equal(t, []flow.Field{flow.DestinationPort}, w.Rules[0].Fields)
		for _, r := range w.Rules {
			assert.True(t, slices.IsSortedFunc(r.Readings, func(a, b Reading) int {
				return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), slices.Compare(a.Values, b.Values))
			}))
			for _, reading := range r.Readings {
				assert.Equal(t, sums[window(w.Start, r.Rule, reading.Values[0])], reading.Bytes)
			}
		}
		require.Len(t, w.Rules[0].Readings, 31)
	}
	for _, top := range []int{1, 2, 7, 30, 31} {
		_, some := readAll(t, readingDetector(t, top), flows)
		require.Len(t, some, len(all))
		for i, w := range some {
			for j, r := range w.Rules {
				whole := all[i].Rules[j].Readings
				assert.Equal(t, whole[:min(top, len(whole))], r.Readings, "top %d", top)
			}
		}
	}
	_, none := readAll(t, readingDetector(t, 0), flows)
	assert.Empty(t, none)
}

func TestReadingsDoNotDependOnTheOrderOfRecords(t *testing.T) {
	flows := office(11, monday, 9)
	_, want := readAll(t, readingDetector(t, 5), flows)
	r := rand.New(rand.NewPCG(1, 1))
	for from := 0; from < len(flows); { // all within four minutes, less than the allowed lateness
		n := slices.IndexFunc(flows[from:], func(f flow.Flow) bool { return f.Time >= flows[from].Time+int64(4*time.Minute) })
		some := flows[from:]
		if n > 0 {
			some = some[:n]
		}
		r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		from += len(some)
	}
	_, got := readAll(t, readingDetector(t, 5), flows)
	assert.Equal(t, want, got)
}

// What a reading tells is what the alert of the same window told, and what would have been one.
func TestAReadingAgreesWithTheFinding(t *testing.T) {
	at := monday.AddDate(0, 0, 20).Add(15 * time.Hour)
	flows := append(office(12, monday, 21), within(at, time.Hour, 30, "ws-c", 4444, "California", 400e6)...)
	sortByTime(flows)
	found, closed := readAll(t, readingDetector(t, 100), flows)
	told := slices.IndexFunc(found, func(f Finding) bool { return f.Values[0] == "4444" && len(f.DetailFields) == 0 })
	require.GreaterOrEqual(t, told, 0)
	f := found[told]
	for _, w := range closed {
		for _, reading := range w.Rules[0].Readings {
			if w.State == Learning {
				assert.EqualValues(t, NoUpper, reading.Upper, "nothing alerts in the warm-up")
				continue
			}
			assert.Equal(t, reading.Bytes >= reading.Upper, reading.Score >= 75, "%v %+v", w.Start, reading)
		}
	}
	during := slices.IndexFunc(closed, func(w ClosedWindow) bool { return w.Start.Equal(f.WindowStart) })
	require.GreaterOrEqual(t, during, 0)
	theft := closed[during].Rules[0].Readings[slices.IndexFunc(closed[during].Rules[0].Readings, func(r Reading) bool { return r.Values[0] == "4444" })]
	assert.Equal(t, f.Upper, theft.Upper)
	assert.Equal(t, f.Typical, theft.Typical)
	assert.GreaterOrEqual(t, theft.Score, f.Score)
	assert.EqualValues(t, 30*(int64(400e6)/30), theft.Bytes)
}

func TestWindowsThatNobodyTakesAreCounted(t *testing.T) {
	d := readingDetector(t, 10)
	var flows []flow.Flow
	for w := range 13 { // one batch closes all but the last two windows
		flows = append(flows, one(monday.Add(time.Duration(w)*3*time.Hour), "ws-a", 443, "Hesse", int64(1000+w)))
	}
	d.Observe(flows, farAhead, nil)
	closed, lost := d.ClosedWindows()
	assert.EqualValues(t, 3, lost)
	require.Len(t, closed, 8)
	assert.EqualValues(t, 1003, closed[0].Rules[0].Readings[0].Bytes, "the oldest are lost")
	assert.EqualValues(t, 1010, closed[7].Rules[0].Readings[0].Bytes)
	closed, lost = d.ClosedWindows()
	assert.Empty(t, closed)
	assert.Zero(t, lost, "told once")
}

// Bytes that found no room of their own are part of the window.
func TestTheOverflowIsRead(t *testing.T) {
	s := twoRules()
	s.Watches[0].MaxEntities = 2
	d := newDetector(t, s)
	d.KeepReadings(10)
	var flows []flow.Flow
	for port := range uint16(5) {
		flows = append(flows, one(monday.Add(time.Duration(port)*time.Second), "ws-a", 1+port, "Hesse", 1000))
	}
	d.Observe(flows, farAhead, nil)
	d.Observe([]flow.Flow{one(monday.Add(4*time.Hour), "ws-a", 1, "Hesse", 1000)}, farAhead, nil)
	closed, _ := d.ClosedWindows()
	require.Len(t, closed, 1)
	var told []string
	for _, r := range closed[0].Rules[0].Readings {
		told = append(told, fmt.Sprint(r.Values[0], " ", r.Bytes))
	}
	assert.Equal(t, []string{"_overflow 3000", "1 1000", "2 1000"}, told)
}

func TestKeysCompareAsTheirValues(t *testing.T) {
	long := string(slices.Repeat([]byte("x"), 300))
	names := []string{"", "443", "80", "a", "ab", "b", long, long + "y"}
	key := func(host, user string) string {
		return string(appendKey(nil, []flow.Field{flow.Process, flow.User}, &flow.Flow{Process: host, User: user}))
	}
	for _, a := range names {
		for _, b := range names {
			for _, c := range names {
				x, y := key(a, c), key(b, a)
				assert.Equal(t, slices.Compare(keyValues(x), keyValues(y)), compareKeys(x, y))
			}
		}
	}
	assert.Negative(t, compareKeys("", key("a", "")), "the overflow has no name")
}

// Flows of an open window cost nothing, whether readings are asked for or not.
func TestReadingsCostNoRecordAnAllocation(t *testing.T) {
	flows := spread(1000)
	for i := range flows {
		flows[i].Time = monday.Add(time.Hour).UnixNano()
	}
	for name, keep := range map[string]bool{"asked for": true, "not asked for": false} {
		d := newDetector(t, twoRules())
		if keep {
			d.KeepReadings(100)
		}
		var found []Finding
		step := func() {
			found = d.Observe(flows, farAhead, found[:0])
			if closed, _ := d.ClosedWindows(); closed != nil {
				t.Fatal("a window closed")
			}
		}
		step()
		// The pool may lose a scratch to the garbage collector, and loses some on purpose with -race: a few
		// allocations for a thousand flows.
		assert.Less(t, testing.AllocsPerRun(50, step), 20.0, name)
	}
}

func BenchmarkCloseWithReadings(b *testing.B) {
	for _, top := range []int{-1, 0, 100, 10_000} {
		b.Run(fmt.Sprintf("top=%d", top), func(b *testing.B) {
			s := twoRules()
			for i := range s.Watches {
				s.Watches[i].MaxEntities = math.MaxInt32
			}
			s.Watches[0].By, s.Watches[0].Details = []flow.Field{flow.Host}, nil
			d := newDetector(b, s)
			if top >= 0 {
				d.KeepReadings(top)
			}
			flows := spread(5_000_000 / 50)
			for i := range flows {
				flows[i].Host = fmt.Sprintf("host-%06d", i)
			}
			var found []Finding
			window := 0
			for b.Loop() {
				b.StopTimer()
				for i := range flows {
					flows[i].Time = monday.Add(time.Duration(window)*3*time.Hour + time.Hour).UnixNano()
				}
				found = d.Observe(flows, farAhead, found[:0])
				window++
				b.StartTimer()
				found = d.Tick(farAhead.Add(4*time.Hour), found[:0])
				d.ClosedWindows()
			}
		})
	}
}
