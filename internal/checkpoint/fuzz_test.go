package checkpoint

import (
	"context"
	"runtime"
	"testing"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

func FuzzLoad(f *testing.F) {
	c := saved(f, set{"a": "1", "b": "2"})
	content := func(key string) []byte { return c.Peek(key)[headerSize:] }
	f.Add(c.Peek(manifestKey), c.Peek(manifestCopyKey), c.Peek(ledgerKey), c.Peek(slotKey(0)), c.Peek(slotKey(1)), false)
	f.Add(content(manifestKey), []byte(nil), content(ledgerKey), content(slotKey(0)), content(slotKey(1)), true)
	f.Add([]byte(nil), content(manifestKey), []byte{0, 1, 0, 0}, []byte("1"), []byte{}, true)
	f.Fuzz(func(t *testing.T, manifest, manifestCopy, ledger, first, second []byte, framed bool) {
		c := checkpointtest.New()
		size := 0
		poke := func(key string, k kind, b []byte) {
			size += len(b)
			if framed { // so that more than the checksum is tried
				b = seal(k, version, b, sumOf(prefix(k, version, len(b)), b))
			}
			c.Poke(key, b)
		}
		poke(manifestKey, manifestKind, manifest)
		poke(manifestCopyKey, manifestKind, manifestCopy)
		poke(asideKey, manifestKind, manifestCopy)
		poke(ledgerKey, ledgerKind, ledger)
		poke(slotKey(0), shardKind, first)
		poke(slotKey(1), shardKind, second)

		if taken := leastTaken(t, c); taken > uint64(1<<20+256*size) {
			t.Fatalf("%d bytes made it take %d", size, taken)
		}
		s := openAtNoon(c)
		report, err := s.Load(context.Background(), ignore)
		if err != nil {
			t.Fatal(err)
		}
		if report.Unreadable != nil && report.Shards+len(report.Lost) > 0 {
			t.Fatalf("unreadable, and yet %+v", report)
		}
		next := set{"a": "10", "c": "3"}
		mustSave(t, s, next)
		if got, report := mustLoad(t, openAtNoon(c)); !equal(got, next) {
			t.Fatalf("saved %v, loaded %v: %+v", next, got, report)
		}
	})
}

func ignore(string, []byte) error { return nil }

// leastTaken is how many bytes it takes to load what c has. What else goes on in the process is counted, too, so the
// least of some times is what counts.
func leastTaken(t *testing.T, c *checkpointtest.Client) (least uint64) {
	for range 5 {
		var before, after runtime.MemStats
		s := openAtNoon(c.Clone())
		runtime.ReadMemStats(&before)
		_, err := s.Load(context.Background(), ignore)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; least == 0 || taken < least {
			least = taken
		}
		if least < 1<<20 {
			break
		}
	}
	return least
}
