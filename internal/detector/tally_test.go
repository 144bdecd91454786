package detector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// counted is a kind as the plainest tally has it.
type counted struct {
	key   uint64
	bytes int64
	first int32
	port  uint16
}

// count does what a tally does, looking at all that there is each time.
func count(all []counted, v counted) []counted {
	i := slices.IndexFunc(all, func(c counted) bool { return c.key == v.key })
	switch {
	case i >= 0:
		v.first = min(v.first, all[i].first)
		v.bytes = flow.AddBytes(v.bytes, all[i].bytes)
	case len(all) < tallySlots:
		return append(all, v)
	default:
		i = 0
		for j := range all {
			if all[j].bytes < all[i].bytes {
				i = j
			}
		}
		v.bytes = flow.AddBytes(v.bytes, all[i].bytes)
	}
	all[i] = v
	return all
}

func listed(t *tally) (all []counted) {
	for i := range t.n {
		all = append(all, counted{t.kind[i].hash, t.bytes[i], t.first[i], t.kind[i].port})
	}
	return all
}

// Given few kinds or many, keys that agree in the bits of which tags are made, equal counts and such as no more fit, then
// each has the slot, the bytes and the hour that it has where all are looked at, in one tally used again and again.
func TestATallyCountsAsThePlainestDoes(t *testing.T) {
	by := newNaming(Contributors{}, nil)
	var pool tallyPool
	r := rand.New(rand.NewPCG(3, 3))
	for _, kinds := range []int{1, 31, 32, 33, 40, 500} {
		for _, most := range []int64{1, 5, 100_000, math.MaxInt64} {
			for _, alike := range []bool{false, true} {
				got := pool.get()
				var want []counted
				for range 2000 {
					kind := r.IntN(kinds)
					key := uint64(kind+1) << 32
					if alike {
						key = uint64(kind + 1)
					}
					f := flow.Flow{Bytes: 1 + r.Int64N(most), Port: uint16(1 + kind)}
					hour := int32(r.IntN(100))
					got.add(key, &f, hourTime(hour).UnixNano(), &by)
					want = count(want, counted{key, f.Bytes, hour, f.Port})
				}
				require.Equal(t, want, listed(got), fmt.Sprint(kinds, most, alike))
				pool.put(got)
			}
		}
	}
	assert.Len(t, pool.free, 1)
}

// Given a full tally that was saved and loaded, then what comes next takes the same places.
func TestALoadedTallyGoesOnAsItWas(t *testing.T) {
	k := newKeyer(twoRules())
	var was, is tally
	add := func(to *tally, i int) {
		f := flow.Flow{Bytes: int64(1 + i*i%977), Port: uint16(1 + i)}
		var of kind
		k.describe(&of, &f)
		to.add(k.tuple(&of), &f, 0, &k.naming)
	}
	for i := range 100 {
		add(&was, i)
	}
	var w codec.Writer
	was.save(&w)
	r := codec.NewReader(w.Data)
	is.load(r, k, 0)
	require.NoError(t, r.End())
	require.Equal(t, was, is)
	for i := range 1000 {
		add(&was, i)
		add(&is, i)
		require.Equal(t, listed(&was), listed(&is))
	}
}
