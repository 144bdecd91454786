package pseudonym

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/internal/flow"
)

const salt = "0123456789abcdef"

func alice() flow.Flow {
	return flow.Flow{
		Source: netip.MustParseAddr("10.1.2.3"), Destination: netip.MustParseAddr("2001:db8::7"),
		Host: "alice", User: "alice", Process: "ssh", Port: 22, Place: flow.Place{Region: "Hesse", Country: "DE"},
		ID: flow.ID{Text: "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	}
}

// An analyst who has the salt finds the hash of a name again, here with
//
//	printf %s alice | openssl dgst -sha256 -hmac 0123456789abcdef | cut -c 1-32
func TestWhoHasTheSaltFindsAValueAgain(t *testing.T) {
	f := []flow.Flow{alice()}
	New(Fields(), salt).Hide(f)
	assert.Equal(t, "hmac:fdbf8b1cacd3d578e062d0e41104357d", f[0].User)
	assert.Equal(t, f[0].User, f[0].Host, "a value has one hash, whatever it names")
	assert.Equal(t, "hmac:5fb61362ea5bf47e4003a18950fa8196", flow.AddressText(f[0].Source))
	assert.Equal(t, "hmac:1bbbd13901bae3e1c2f73bdb8a2aed5b", flow.AddressText(f[0].Destination))
	assert.Equal(t, alice().Place, f[0].Place, "nothing else is changed")
	assert.Equal(t, alice().Port, f[0].Port)

	other := []flow.Flow{alice()}
	New(Fields(), salt+"!").Hide(other)
	assert.NotEqual(t, f[0].User, other[0].User)
}

func TestOnlyWhatIsListedIsHashed(t *testing.T) {
	for _, field := range Fields() {
		f := []flow.Flow{alice()}
		New([]flow.Field{field}, salt).Hide(f)
		clear := alice()
		for _, other := range Fields() {
			assert.Equal(t, other == field, other.Value(&f[0]) != other.Value(&clear), "%s of %s", other, field)
		}
		tells := field != flow.SourceAddress && field != flow.DestinationAddress
		assert.Equal(t, tells, f[0].ID == clear.ID, "an id that tells addresses goes with them: %s", field)
	}
	f := []flow.Flow{alice(), {}}
	f[0].ID.Opaque = true
	New(Fields(), salt).Hide(f)
	assert.Equal(t, alice().ID.Text, f[0].ID.Text)
	assert.Equal(t, flow.Flow{}, f[1], "what is not there has no hash")

	none := New(nil, salt)
	f = []flow.Flow{alice()}
	none.Hide(f)
	assert.Equal(t, alice(), f[0])
	assert.False(t, none.Hashes(flow.User))
	assert.Equal(t, "alice", none.Name(flow.User, "alice"))
}

// Nobody can take another's hash for a name: what comes from the network is hashed, whatever it looks like.
func TestANameThatLooksLikeAHashIsHashed(t *testing.T) {
	f := []flow.Flow{alice()}
	f[0].User = "hmac:fdbf8b1cacd3d578e062d0e41104357d"
	New(Fields(), salt).Hide(f)
	assert.NotEqual(t, "hmac:fdbf8b1cacd3d578e062d0e41104357d", f[0].User)
}

func TestWhatWasKeptInClearGetsTheSameHash(t *testing.T) {
	p := New([]flow.Field{flow.User, flow.SourceAddress}, salt)
	f := []flow.Flow{alice()}
	p.Hide(f)
	assert.Equal(t, f[0].User, p.Name(flow.User, "alice"))
	assert.Equal(t, f[0].User, p.Name(flow.User, f[0].User), "it is one already")
	assert.Equal(t, "alice", p.Name(flow.Host, "alice"), "not listed")
	assert.Equal(t, flow.OverflowName, p.Name(flow.User, flow.OverflowName))
	assert.Equal(t, flow.AddressText(f[0].Source), p.Name(flow.SourceAddress, "10.1.2.3"))
	assert.Equal(t, f[0].Source, p.Address(flow.SourceAddress, netip.MustParseAddr("10.1.2.3")))
	assert.Equal(t, f[0].Source, p.Address(flow.SourceAddress, f[0].Source))
	assert.Equal(t, f[0].Source, p.Address(flow.DestinationAddress, f[0].Source))
	assert.Equal(t, netip.Addr{}, p.Address(flow.SourceAddress, netip.Addr{}))
}

// Given more names than are remembered, then each has the same hash as ever, and memory is bounded.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	p := New(Fields(), salt)
	flows := make([]flow.Flow, 3*Generation)
	for i := range flows {
		flows[i].User = fmt.Sprint("user ", i)
		flows[i].Source = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	p.Hide(flows)
	assert.LessOrEqual(t, len(p.names.young)+len(p.names.old), 2*Generation)
	assert.LessOrEqual(t, len(p.addresses.young)+len(p.addresses.old), 2*Generation)
	again := []flow.Flow{{User: "user 7"}, {User: fmt.Sprint("user ", 3*Generation-1)}, {User: fmt.Sprint("user ", 2*Generation-1)}}
	p.Hide(again)
	assert.Equal(t, []string{flows[7].User, flows[3*Generation-1].User, flows[2*Generation-1].User},
		[]string{again[0].User, again[1].User, again[2].User})
}

func TestNoAllocationsForWhatComesAgain(t *testing.T) {
	p := New(Fields(), salt)
	clear := make([]flow.Flow, 100)
	for i := range clear {
		clear[i] = alice()
		clear[i].Host = fmt.Sprint("host ", i%10)
	}
	flows := make([]flow.Flow, len(clear))
	step := func() { copy(flows, clear); p.Hide(flows) }
	step()
	assert.Zero(t, testing.AllocsPerRun(100, step))
}

func TestManyHideAtOnce(t *testing.T) {
	p := New(Fields(), salt)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 200 {
				f := []flow.Flow{alice()}
				f[0].Host = fmt.Sprint("host ", i)
				p.Hide(f)
				assert.Equal(t, f[0].Host, p.Name(flow.Host, fmt.Sprint("host ", i)))
			}
		})
	}
	wait.Wait()
}

// BenchmarkHide is the cost of a flow of which everything is hashed, as it comes again and, once in a hundred, anew.
func BenchmarkHide(b *testing.B) {
	for _, anew := range []bool{false, true} {
		b.Run(fmt.Sprintf("anew=%v", anew), func(b *testing.B) {
			p := New(Fields(), salt)
			clear, flows := make([]flow.Flow, 1000), make([]flow.Flow, 1000)
			for i := range clear {
				clear[i] = alice()
				clear[i].Source = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				clear[i].Host = fmt.Sprint("host ", i)
			}
			b.ReportAllocs()
			n := uint32(0)
			for b.Loop() {
				copy(flows, clear)
				if anew {
					for i := 0; i < len(flows); i += 100 {
						n++
						flows[i].Destination = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
					}
				}
				p.Hide(flows)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(flows)), "ns/flow")
		})
	}
}
