package checkpoint

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/codec"
)

// damages are what can happen to the bytes under a key.
func damages() map[string]func([]byte) []byte {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	return map[string]func([]byte) []byte{
		"nothing left":       func([]byte) []byte { return []byte{} },
		"cut off":            func(b []byte) []byte { return b[:len(b)-1] },
		"cut in its header":  func(b []byte) []byte { return b[:headerSize-1] },
		"bytes after it":     func(b []byte) []byte { return append(b, 0) },
		"its magic":          flip(0),
		"its version":        flip(4),
		"its version, newer": flip(5),
		"its length":         flip(15),
		"its checksum":       flip(prefixSize),
		"its content":        func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"another thing":      func(b []byte) []byte { copy(b, ledgerKind); return b },
	}
}

func TestADamagedShardCostsItselfAndStaysToBeLookedAt(t *testing.T) {
	for what, damage := range damages() {
		t.Run(what, func(t *testing.T) {
			c := saved(t, set{"a": "1", "b": "2", "c": "3"})
			key := keyOf(t, c, "b")
			damaged := damage(c.Peek(key))
			c.Poke(key, damaged)

			s := openAtNoon(c)
			got, report := mustLoad(t, s)
			require.Equal(t, set{"a": "1", "c": "3"}, got)
			require.NoError(t, report.Unreadable)
			require.Len(t, report.Lost, 1)
			require.Equal(t, "b", report.Lost[0].Name)
			require.Equal(t, key, report.Lost[0].Key)
			require.ErrorIs(t, report.Lost[0].Err, ErrDamaged)
			require.ErrorContains(t, report.Lost[0].Err, `"b"`)

			// The same content again is written, for what is there is not it.
			again := set{"a": "1", "b": "2", "c": "3"}
			mustSave(t, s, again)
			got, report = mustLoad(t, openAtNoon(c))
			require.Equal(t, again, got)
			require.Empty(t, report.Lost)
			require.Equal(t, damaged, c.Peek(key))
			requireOnly(t, c, 4)
		})
	}
}

func TestAShardInAnothersPlaceIsNotTakenForIt(t *testing.T) {
	c := saved(t, set{"a": "1", "b": "2"})
	c.Poke(keyOf(t, c, "b"), c.Peek(keyOf(t, c, "a")))
	got, report := mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"a": "1"}, got)
	require.ErrorIs(t, report.Lost[0].Err, ErrDamaged)
}

func TestAShardOfANewerVersionIsLost(t *testing.T) {
	c := saved(t, set{"a": "1"})
	content := []byte("1")
	c.Poke(keyOf(t, c, "a"), seal(shardKind, 2, content, sumOf(prefix(shardKind, 2, 1), content)))
	_, report := mustLoad(t, openAtNoon(c))
	require.ErrorIs(t, report.Lost[0].Err, ErrNewer)
}

func TestAMissingShardCostsItself(t *testing.T) {
	c := saved(t, set{"a": "1", "b": "2"})
	c.Poke(keyOf(t, c, "b"), nil)
	s := openAtNoon(c)
	got, report := mustLoad(t, s)
	require.Equal(t, set{"a": "1"}, got)
	require.Len(t, report.Lost, 1)
	require.Equal(t, "b", report.Lost[0].Name)
	require.Empty(t, report.Lost[0].Key)
	require.ErrorIs(t, report.Lost[0].Err, ErrMissing)

	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Keep("a"))
	require.ErrorIs(t, tx.Keep("b"), ErrUnknown)
	require.NoError(t, tx.Put(t.Context(), "b", []byte("2")))
	require.NoError(t, tx.Commit(t.Context()))
	got, _ = mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"a": "1", "b": "2"}, got)
	requireOnly(t, c, 2)
	m, err := decodeManifest(c.Peek(manifestKey), version)
	require.NoError(t, err)
	require.Empty(t, m.kept, "there is nothing to look at")
}

func TestTheDamagedShardsFoundLastAreKept(t *testing.T) {
	c := saved(t, shards(6, "x"))
	var keys []string
	for round := range 6 {
		key := keyOf(t, c, fmt.Sprintf("ports/%03d", round))
		c.Poke(key, []byte{byte(round)})
		keys = append(keys, key)
		s := openAtNoon(c)
		mustLoad(t, s)
		mustSave(t, s, shards(6, "x"))
	}
	for round, key := range keys {
		if round >= len(keys)-maxKept {
			require.Equal(t, []byte{byte(round)}, c.Peek(key), "round %d", round)
		}
	}
	requireOnly(t, c, 6+maxKept)
	mustSave(t, openAtNoon(c), set{})
	requireOnly(t, c, maxKept)
}

func TestOfADamagedManifestThereIsACopy(t *testing.T) {
	for what, damage := range damages() {
		for _, key := range []string{manifestKey, manifestCopyKey} {
			t.Run(what+" of "+key, func(t *testing.T) {
				state := set{"a": "1", "b": "2"}
				c := saved(t, set{"a": "0"}, state)
				sound := c.Peek(key)
				c.Poke(key, damage(c.Peek(key)))
				s := openAtNoon(c)
				got, report := mustLoad(t, s)
				require.Equal(t, state, got)
				require.NoError(t, report.Unreadable)

				tx, err := s.Begin(t.Context())
				require.NoError(t, err)
				require.Equal(t, sound, c.Peek(key), "mended before anything else changes")
				tx.Abort(t.Context())
				mustSave(t, s, state)
				requireOnly(t, c, 2)
			})
		}
	}
}

func TestAManifestThatIsMissingIsMended(t *testing.T) {
	for _, key := range []string{manifestKey, manifestCopyKey} {
		c := saved(t, set{"a": "1"})
		c.Poke(key, nil)
		s := openAtNoon(c)
		got, _ := mustLoad(t, s)
		require.Equal(t, set{"a": "1"}, got)
		c.Fail(1, checkpointtest.Nothing)
		_, err := s.Begin(t.Context())
		require.ErrorIs(t, err, checkpointtest.ErrFailed)
		mustSave(t, s, set{"a": "1"})
		requireOnly(t, c, 1)
	}
}

// What both manifests' damage makes unreadable is kept, and the next process starts anew beside it.
func TestWithoutAnyManifestNothingLoadsAndNothingIsDestroyed(t *testing.T) {
	old := set{"a": "1", "b": "2"}
	c := saved(t, old)
	before := map[string][]byte{}
	for _, name := range names(old) {
		before[keyOf(t, c, name)] = c.Peek(keyOf(t, c, name))
	}
	manifest := c.Peek(manifestKey)
	c.Poke(manifestKey, manifest[:100])
	c.Poke(manifestCopyKey, nil)

	s := openAtNoon(c)
	got, report := mustLoad(t, s)
	require.Empty(t, got)
	require.ErrorIs(t, report.Unreadable, ErrDamaged)
	require.ErrorContains(t, report.Unreadable, manifestKey)
	require.Zero(t, report.Generation)

	next := set{"a": "10"}
	mustSave(t, s, next)
	mustSave(t, s, next)
	got, _ = mustLoad(t, openAtNoon(c))
	require.Equal(t, next, got)
	require.Equal(t, manifest[:100], c.Peek(asideKey))
	for key, frame := range before {
		require.Equal(t, frame, c.Peek(key))
	}

	mustSave(t, Open(c, at(noon.Add(retention))), next)
	require.NotNil(t, c.Peek(asideKey))
	mustSave(t, Open(c, at(noon.Add(retention+time.Second))), next)
	requireOnly(t, c, 1)
}

func TestAClockThatWasAheadDoesNotKeepForever(t *testing.T) {
	c := saved(t, set{"a": "1"})
	c.Poke(manifestKey, []byte("?"))
	c.Poke(manifestCopyKey, []byte("?"))
	mustSave(t, Open(c, at(noon.AddDate(50, 0, 0))), set{"a": "2"})
	mustSave(t, openAtNoon(c), set{"a": "2"})
	mustSave(t, Open(c, at(noon.Add(retention))), set{"a": "2"})
	require.NotNil(t, c.Peek(asideKey))
	mustSave(t, Open(c, at(noon.Add(retention+1))), set{"a": "2"})
	requireOnly(t, c, 1)
}

// A downgrade, and back again.
func TestANewerVersionGetsBackWhatItSaved(t *testing.T) {
	c := checkpointtest.New()
	newer := set{"a": "baseline of months", "b": "2"}
	mustSave(t, openAtNoon(c), set{"a": "older"})
	mustSave(t, ofVersion(2, c, noon), newer)

	older := openAtNoon(c)
	got, report := mustLoad(t, older)
	require.Empty(t, got)
	require.ErrorIs(t, report.Unreadable, ErrNewer)
	require.ErrorContains(t, report.Unreadable, "version 2")
	for day := range 3 {
		mustSave(t, older, set{"a": fmt.Sprint("baseline of days: ", day), "c": "3"})
	}
	got, _ = mustLoad(t, openAtNoon(c))
	require.Equal(t, "baseline of days: 2", got["a"])

	back := ofVersion(2, c, noon.Add(24*time.Hour))
	for range 2 { // it is the same until it saves
		got, report = mustLoad(t, back)
		require.Equal(t, newer, got)
		require.True(t, report.Restored)
	}
	mustSave(t, back, newer)
	got, report = mustLoad(t, ofVersion(2, c, noon))
	require.Equal(t, newer, got)
	require.False(t, report.Restored)
	requireOnly(t, c, 2)
}

func TestAnOldManifestDoesNotWin(t *testing.T) {
	c := saved(t, set{"a": "1"})
	old := c.Peek(manifestKey)
	mustSave(t, openAtNoon(c), set{"a": "2"})
	c.Poke(manifestKey, old)
	got, _ := mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"a": "2"}, got)
}

func TestOfTwoDowngradesTheLastOneIsTakenBack(t *testing.T) {
	c := checkpointtest.New()
	mustSave(t, ofVersion(3, c, noon), set{"a": "of 3"})
	mustSave(t, ofVersion(2, c, noon), set{"a": "of 2"})
	mustSave(t, openAtNoon(c), set{"a": "of 1"})
	two := ofVersion(2, c, noon)
	got, report := mustLoad(t, two)
	require.Equal(t, set{"a": "of 2"}, got)
	require.True(t, report.Restored)
	mustSave(t, two, set{"a": "of 2 again"})
	got, report = mustLoad(t, ofVersion(2, c, noon))
	require.Equal(t, set{"a": "of 2 again"}, got)
	require.False(t, report.Restored)
	requireOnly(t, c, 1)
}

// Which of two unreadable manifests is newer says more than that the other one is damaged.
func TestANewerManifestIsToldWhicheverIsDamaged(t *testing.T) {
	for _, key := range []string{manifestKey, manifestCopyKey} {
		c := checkpointtest.New()
		mustSave(t, ofVersion(2, c, noon), set{"a": "1"})
		c.Poke(key, []byte("?"))
		_, report := mustLoad(t, openAtNoon(c))
		require.ErrorIs(t, report.Unreadable, ErrNewer)
	}
}

func TestAShardWrittenAnewIsLostNoMore(t *testing.T) {
	c := saved(t, set{"a": "1"})
	c.Poke(keyOf(t, c, "a"), []byte("?"))
	s := openAtNoon(c)
	mustLoad(t, s)
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Put(t.Context(), "a", []byte("2")))
	c.Fail(1, checkpointtest.Everything) // the manifest's Set: committed, though it says not
	require.ErrorIs(t, tx.Commit(t.Context()), checkpointtest.ErrFailed)

	tx, err = s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Keep("a"))
	require.NoError(t, tx.Commit(t.Context()))
	got, _ := mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"a": "2"}, got)
	requireOnly(t, c, 2)
}

func TestAnUpgradeLoadsWhatTheOlderVersionSaved(t *testing.T) {
	c := saved(t, set{"a": "1"})
	s := ofVersion(2, c, noon)
	got, _ := mustLoad(t, s)
	require.Equal(t, set{"a": "1"}, got)
	mustSave(t, s, set{"a": "1", "b": "2"})
	got, report := mustLoad(t, ofVersion(2, c, noon))
	require.Equal(t, set{"a": "1", "b": "2"}, got)
	require.Empty(t, report.Lost)
	requireOnly(t, c, 2)
}

func TestANewerSetSurvivesACrashOfTheOlderVersionsFirstSave(t *testing.T) {
	newer, older := set{"a": "newer", "b": "2"}, set{"a": "older"}
	base := checkpointtest.New()
	mustSave(t, ofVersion(2, base, noon), set{"a": "newest but one"})
	mustSave(t, ofVersion(2, base, noon), newer)
	surviveEachCrash(t, base, 1, older, newer, older)
}

func TestANewerSetSurvivesACrashOnItsReturn(t *testing.T) {
	newer, next := set{"a": "newer", "b": "2"}, set{"a": "newest"}
	base := checkpointtest.New()
	mustSave(t, ofVersion(2, base, noon), newer)
	mustSave(t, openAtNoon(base), set{"a": "older"})
	for day := range 5 {
		mustSave(t, openAtNoon(base), set{"a": "older", "c": fmt.Sprint(day)})
	}
	surviveEachCrash(t, base, 2, next, newer, next)
}

// surviveEachCrash saves state with a version, which crashes at each of its calls in turn. What version 2 then
// loads must be newer, or what was saved if that was version 2, and what stays in the storage no more than a set.
func surviveEachCrash(t *testing.T, base *checkpointtest.Client, v uint32, state, newer, later set) {
	dry := base.Clone()
	require.NoError(t, loadAndSave(t.Context(), ofVersion(v, dry, noon), state))
	for n := 1; n <= dry.Calls(); n++ {
		for _, effect := range checkpointtest.Effects() {
			c := base.Clone()
			c.Crash(n, effect)
			err := loadAndSave(t.Context(), ofVersion(v, c, noon), state)

			c = c.Clone()
			s := ofVersion(2, c, noon)
			got, report := mustLoad(t, s)
			require.NoError(t, report.Unreadable)
			require.Empty(t, report.Lost)
			if v != 2 || err != nil && equal(got, newer) {
				require.Equal(t, newer, got, "call %d, %s", n, effect)
			} else {
				require.Equal(t, state, got, "call %d, %s", n, effect)
			}
			mustSave(t, s, later)
			requireOnly(t, c, len(later))
		}
	}
}

func TestALedgerThatIsLostCostsNothing(t *testing.T) {
	state := set{"a": "1", "b": "2"}
	for what, ledger := range map[string][]byte{
		"missing": nil,
		"damaged": []byte("XFLL"),
		"behind":  encodeLedger(1),
		"absurd":  encodeLedger(1 << 31),
	} {
		t.Run(what, func(t *testing.T) {
			c := saved(t, shards(300, "many"), state)
			c.Poke(slotKey(200), []byte("left over by a crash"))
			c.Poke(ledgerKey, ledger)
			s := openAtNoon(c)
			got, report := mustLoad(t, s)
			require.Equal(t, state, got)
			require.Empty(t, report.Lost)
			mustSave(t, s, set{"a": "10", "b": "20"})
			requireOnly(t, c, 2)
			got, _ = mustLoad(t, openAtNoon(c))
			require.Equal(t, set{"a": "10", "b": "20"}, got)
		})
	}
}

func TestTheLedgerShrinksWithTheSet(t *testing.T) {
	c := saved(t, shards(300, "many"), shards(2, "few"))
	require.Greater(t, decodeLedger(c.Peek(ledgerKey)), uint32(300))
	s := openAtNoon(c)
	mustSave(t, s, shards(2, "still few"))
	mustSave(t, openAtNoon(c), shards(2, "and again"))
	require.EqualValues(t, ledgerStep, decodeLedger(c.Peek(ledgerKey)))
}

func TestWhereWhatIsUnreadableLeavesNoRoomItGoes(t *testing.T) {
	c := saved(t, set{"a": "1"})
	c.Poke(manifestKey, []byte("?"))
	c.Poke(manifestCopyKey, []byte("?"))
	c.Poke(ledgerKey, encodeLedger(maxSlots))
	mustSave(t, openAtNoon(c), set{"b": "2"})
	got, _ := mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"b": "2"}, got)
	requireOnly(t, c, 1, asideKey, asideCopyKey)
}

func TestWithoutALedgerAllSlotsAreSetAside(t *testing.T) {
	c := saved(t, set{"a": "1"})
	c.Poke(manifestKey, []byte("?"))
	c.Poke(manifestCopyKey, []byte("?"))
	c.Poke(ledgerKey, nil)
	mustSave(t, openAtNoon(c), set{"b": "2"})
	require.NotNil(t, c.Peek(slotKey(0)))
	require.NotNil(t, c.Peek(slotKey(ordinarySlots)))
	mustSave(t, Open(c, at(noon.Add(retention+1))), set{"b": "2"})
	mustSave(t, Open(c, at(noon.Add(retention+1))), set{"b": "3"})
	requireOnly(t, c, 1)
}

// sealed frames a manifest's content as one that was written.
func sealed(content []byte) []byte {
	return seal(manifestKind, version, content, sumOf(prefix(manifestKind, version, len(content)), content))
}

func TestAManifestThatCannotBeIsRefusedBeforeItCosts(t *testing.T) {
	sum := string(make([]byte, len(checksum{})))
	head := func(w *codec.Writer, n uint64) { w.Uint(1); w.Time(noon); w.Uint(n) }
	entry := func(w *codec.Writer, name string, slot, length uint64, sum string) {
		w.Text(name)
		w.Uint(slot)
		w.Uint(length)
		w.Text(sum)
	}
	tail := func(w *codec.Writer) { w.Uint(0); w.Uint(0); w.Time(time.Time{}) }
	one := func(name string, slot, length uint64, sum string) func(*codec.Writer) {
		return func(w *codec.Writer) { head(w, 1); entry(w, name, slot, length, sum); tail(w) }
	}
	two := func(a, b string, slot uint64) func(*codec.Writer) {
		return func(w *codec.Writer) { head(w, 2); entry(w, a, 0, 0, sum); entry(w, b, slot, 0, sum); tail(w) }
	}
	for what, write := range map[string]func(*codec.Writer){
		"a billion shards":       func(w *codec.Writer) { head(w, 1<<30) },
		"more shards than may":   func(w *codec.Writer) { head(w, MaxShards+1); w.Data = append(w.Data, make([]byte, 40*MaxShards)...) },
		"a name without end":     func(w *codec.Writer) { head(w, 1); w.Uint(1 << 40); w.Data = append(w.Data, make([]byte, 64)...) },
		"a long name":            one(string(bytes.Repeat([]byte("n"), MaxNameSize+1)), 0, 0, sum),
		"no name":                one("", 0, 0, sum),
		"a slot that is none":    one("a", maxSlots, 0, sum),
		"a shard of an exabyte":  one("a", 0, 1<<60, sum),
		"a large shard":          one("a", 0, MaxShardSize+1, sum),
		"half a checksum":        one("a", 0, 0, sum[:16]),
		"a checksum and a half":  one("a", 0, 0, sum+sum[:16]),
		"two of a name":          two("a", "a", 1),
		"names in disorder":      two("b", "a", 1),
		"two in a slot":          two("a", "b", 0),
		"the last generation":    func(w *codec.Writer) { w.Uint(1<<64 - 1); w.Time(noon); w.Uint(0); tail(w) },
		"generation 0":           func(w *codec.Writer) { w.Uint(0); w.Time(noon); w.Uint(0); tail(w) },
		"too many that are kept": func(w *codec.Writer) { head(w, 0); w.Uint(maxKept + 1); w.Data = append(w.Data, make([]byte, 64)...) },
		"all slots set aside":    func(w *codec.Writer) { head(w, 0); w.Uint(0); w.Uint(maxSlots); w.Time(noon) },
		"something after it":     func(w *codec.Writer) { head(w, 0); tail(w); w.Uint(0) },
		"nothing":                func(*codec.Writer) {},
	} {
		t.Run(what, func(t *testing.T) {
			var w codec.Writer
			write(&w)
			frame := sealed(w.Data)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decodeManifest(frame, version)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, ErrDamaged)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10+8*len(frame)))
		})
	}
	_, err := decodeManifest(make([]byte, maxManifestSize+1), version)
	require.ErrorIs(t, err, ErrDamaged)
	var w codec.Writer
	one("a", 0, 0, sum)(&w)
	_, err = decodeManifest(sealed(w.Data), version)
	require.NoError(t, err, "the one that all of these differ from")
	frame := sealed(w.Data)
	content, _, err := open(manifestKind, frame, version)
	require.NoError(t, err)
	_, err = decodeManifest(seal(manifestKind, 0, content, sumOf(prefix(manifestKind, 0, len(content)), content)), version)
	require.ErrorIs(t, err, ErrDamaged, "version 0")
}
