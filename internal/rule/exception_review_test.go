package rule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

const kept = `
exceptions:
  - {name: move, owner: ana, reason: the office moves, match: {ports: [22]}, expires: 2027-07-20}
  - {name: backup, match: {ports: [443]}, max_bytes: 10kB}
`

// news is what a review tells, by name.
func news(e *Exceptions, at time.Time) map[string]ExceptionStatus {
	told := map[string]ExceptionStatus{}
	for _, r := range e.Review(at) {
		told[r.Name] = r.Status
	}
	return told
}

// Given an exception until the 20th of July and one that nobody uses, then each is told of once when it comes to that.
func TestExceptionsThatNeedSomebodyAreToldOfOnce(t *testing.T) {
	e := compiled(t, kept)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) } // from the 30th of June
	use := func(port uint16, at time.Time) {
		f := backupFlow(func(f *flow.Flow) { f.Port, f.Time = port, at.UnixNano() })
		e.Admit(first(e, f), f, at)
	}
	assert.Empty(t, news(e, day(0)))
	assert.Equal(t, map[string]ExceptionStatus{"move": ExceptionExpiring}, news(e, day(8)))
	assert.Empty(t, news(e, day(9)))
	use(443, day(9))
	assert.Equal(t, map[string]ExceptionStatus{"move": ExceptionExpired}, news(e, day(21)))
	assert.Equal(t, map[string]ExceptionStatus{"backup": ExceptionIdle}, news(e, day(39)))
	use(443, day(40))
	assert.Empty(t, news(e, day(40)))
	assert.Equal(t, map[string]ExceptionStatus{"backup": ExceptionIdle}, news(e, day(75)), "idle once more")
}

func TestWhatFallsUnderAnExceptionIsCounted(t *testing.T) {
	e := compiled(t, kept)
	for range 3 {
		f := backupFlow(func(f *flow.Flow) { f.Bytes = 4000 })
		e.Admit(first(e, f), f, noon)
	}
	reports := e.Reports(noon)
	require.Len(t, reports, 2)
	assert.Equal(t, ExceptionReport{
		Name: "move", Owner: "ana", Reason: "the office moves", Expires: "2027-07-20", Status: ExceptionActive, Since: noon,
	}, reports[0])
	assert.Equal(t, ExceptionReport{
		Name: "backup", Status: ExceptionActive, Since: noon, Flows: 2, Bytes: 8000, AboveFlows: 1, AboveBytes: 4000,
	}, reports[1])
	assert.Len(t, ExceptionStatuses(), 4)
}

// Given a restart, then an exception has spent what it had, and how long it has matched nothing counts on.
func TestExceptionsRememberOverARestart(t *testing.T) {
	before := compiled(t, kept)
	f := backupFlow(func(f *flow.Flow) { f.Bytes = 9000 })
	require.True(t, before.Admit(first(before, f), f, noon))
	var w codec.Writer
	before.Note()(&w)

	memories, err := ReadExceptionMemories(codec.NewReader(w.Data))
	require.NoError(t, err)
	after := compiled(t, kept+"  - {name: other, match: {ports: [53]}}\n")
	after.list[0].counts.since = noon.AddDate(1, 0, 0)
	after.Remember(memories)
	assert.Equal(t, noon, after.list[0].counts.since.UTC())
	assert.False(t, after.Admit(1, backupFlow(func(f *flow.Flow) { f.Bytes = 1001 }), noon), "9 of 10 kB are spent")

	busy := compiled(t, kept)
	require.True(t, busy.Admit(1, backupFlow(func(f *flow.Flow) { f.Bytes = 1000 }), noon))
	busy.Remember(memories)
	assert.True(t, busy.Admit(1, backupFlow(func(f *flow.Flow) { f.Bytes = 9000 }), noon), "what was counted meanwhile stands")
}

func TestAStateOfExceptionsThatCannotBeReadIsRefused(t *testing.T) {
	var w, spent codec.Writer
	w.Uint(exceptionsVersion + 1)
	spent.Uint(exceptionsVersion)
	spent.Uint(1)
	spent.Text("a")
	spent.Time(noon)
	for range 3 {
		spent.Int(-1)
	}
	for _, data := range [][]byte{w.Data, spent.Data, spent.Data[:4], nil} {
		_, err := ReadExceptionMemories(codec.NewReader(data))
		require.ErrorIs(t, err, codec.ErrMalformed)
	}
}
