package detector

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Given heirs of the same settings that take over at any moments, then all that follows is as without them, to the bit, whatever was
// saved before and with whatever else in between.
func TestAnHeirOfTheSameSettingsGoesOnAlike(t *testing.T) {
	flows := eventful()
	straight := newDetector(t, twoRules())
	want := run(t, straight, flows, 100)
	require.NotEmpty(t, want)

	random := rand.New(rand.NewPCG(5, 5))
	d, kept := newDetector(t, twoRules()), shards{}
	var got []Finding
	for rest := flows; len(rest) > 0; {
		n := min(len(rest), 100*(1+random.IntN(100)))
		got = append(got, run(t, d, rest[:n], 100)...)
		rest = rest[n:]
		kept.snapshot(d, nothing)
		heir, restored, err := d.Heir(twoRules())
		require.NoError(t, err)
		assert.Empty(t, restored.Anew)
		assert.Empty(t, restored.Unused)
		d = heir
	}
	assert.Equal(t, want, got)
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())
	assert.Zero(t, kept.snapshot(d, nothing), "what an heir has is as yet unsaved, all of it")
	again, _ := load(t, twoRules(), kept)
	assert.Equal(t, d.Fingerprint(), again.Fingerprint())
}

// A silent feed's windows close by the clock, whenever an heir takes over.
func TestTimeDoesNotStandStillForAnHeir(t *testing.T) {
	d := newDetector(t, twoRules())
	flows := office(3, monday, 2)
	last := time.Unix(0, flows[len(flows)-1].Time)
	d.Observe(flows, last, nil)
	closed := d.Stats().WindowsClosed
	heir, _, err := d.Heir(twoRules())
	require.NoError(t, err)
	heir.Tick(last.Add(24*time.Hour), nil) // a clock that began anew would begin with this tick
	assert.Greater(t, heir.Stats().WindowsClosed, closed)
}

// Given a theft that stays below the threshold, when the threshold is lowered in the middle of the window, then the next record
// of it is found: the bytes before count.
func TestASettingHoldsInTheOpenWindow(t *testing.T) {
	strict := twoRules()
	for i := range strict.Watches {
		strict.Watches[i].Threshold = 100
	}
	d := newDetector(t, strict)
	require.Empty(t, run(t, d, office(8, monday, 21), 100))
	stolen := theft()
	half := len(stolen) / 2
	require.Empty(t, run(t, d, stolen[:half], 10))

	heir, restored, err := d.Heir(twoRules())
	require.NoError(t, err)
	assert.Empty(t, restored.Anew)
	found := run(t, heir, stolen[half:half+1], 1)
	require.NotEmpty(t, found)
	var before int64
	for i := range stolen[:half+1] {
		before += stolen[i].Bytes
	}
	assert.Equal(t, before, found[0].Actual)
}

// A rule that is new learns before it alerts, one that is gone is told, and the one that stays goes on.
func TestAnHeirKeepsWhatItsSettingsAskFor(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, office(8, monday, 21), 100)
	other := twoRules()
	gone := other.Watches[1].Rule
	other.Watches[1].Rule, other.Watches[1].By, other.Watches[1].Details = "people", []flow.Field{flow.User}, nil
	heir, restored, err := d.Heir(other)
	require.NoError(t, err)
	assert.NotEmpty(t, restored.Anew)
	assert.NotEmpty(t, restored.Unused)
	stats := heir.Stats()
	assert.NotContains(t, stats.Entities, gone)
	assert.Zero(t, stats.Entities["people"])
	assert.Equal(t, d.Stats().Entities[other.Watches[0].Rule] > 0, stats.Entities[other.Watches[0].Rule] > 0)
	found := run(t, heir, theft(), 10)
	require.NotEmpty(t, found)
	for _, f := range found {
		assert.Equal(t, other.Watches[0].Rule, f.Rule)
	}
}

func TestSettingsThatAreNotValidHaveNoHeir(t *testing.T) {
	d := newDetector(t, twoRules())
	before := run(t, d, office(8, monday, 2), 100)
	require.Empty(t, before)
	fingerprint := d.Fingerprint()
	_, _, err := d.Heir(Settings{})
	require.ErrorIs(t, err, ErrSettings)
	assert.Equal(t, fingerprint, d.Fingerprint())
}
