package flow

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	inside    = "10.1.2.3"
	inside6   = "fd00::5"
	outside   = "203.0.113.9"
	outside6  = "2001:db8::9"
	ours      = "198.51.100.7" // public, but listed as internal
	unlisted  = "192.0.2.7"    // public and not listed
	multicast = "224.0.0.251"
)

func scope() *Scope {
	return NewScope([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
}

// connection is one opened by source, who sent 700 bytes and got 9000.
func connection(source string, sourcePort uint16, destination string, destinationPort uint16) Record {
	return Record{
		Time: 42, Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination),
		SourcePort: sourcePort, DestinationPort: destinationPort, Sent: 700, Received: 9000,
		Host: "laptop-17", User: "mara", Process: "curl", Total: 5, Final: true,
		SourcePlace: Place{Region: "Source"}, DestinationPlace: Place{Region: "Destination"},
	}
}

// oneWay is what a router reports of 700 bytes.
func oneWay(source string, sourcePort uint16, destination string, destinationPort uint16) Record {
	r := connection(source, sourcePort, destination, destinationPort)
	r.OneWay, r.Received = true, UnknownBytes
	return r
}

func declared(d Direction, r Record) Record {
	r.Direction = d
	return r
}

func TestUploadLeavesUnderTheServicesPort(t *testing.T) {
	r := connection(inside, 51234, outside, 4444)
	var f Flow
	require.Equal(t, Leaves, scope().Resolve(&r, &f))
	assert.Equal(t, Flow{
		Time: 42, Bytes: 700, Source: r.Source, Destination: r.Destination, Port: 4444,
		Host: "laptop-17", User: "mara", Process: "curl", Place: Place{Region: "Destination"}, Total: 5, Final: true,
	}, f)
}

func TestReplyLeavesUnderTheInsideServicesPortToTheClientsPlace(t *testing.T) {
	r := connection(outside, 40000, inside, 443)
	var f Flow
	require.Equal(t, Leaves, scope().Resolve(&r, &f))
	assert.Equal(t, Flow{
		Time: 42, Bytes: 9000, Source: r.Destination, Destination: r.Source, Port: 443,
		Host: "laptop-17", User: "mara", Process: "curl", Place: Place{Region: "Source"}, Total: 5, Final: true,
	}, f)
}

// Flows are written over those of the batch before.
func TestNothingIsLeftOfTheFlowThatWasThereBefore(t *testing.T) {
	r := connection(inside, 51234, outside, 4444)
	var want Flow
	require.Equal(t, Leaves, scope().Resolve(&r, &want))
	left := Flow{
		Time: 1, Bytes: 2, Source: netip.MustParseAddr(inside6), Destination: netip.MustParseAddr(outside6), Port: 3,
		Host: "host", User: "user", Process: "process", Place: Place{Region: "region", Country: "country", City: "city", Coarse: true},
		Total: 4, Final: true, ID: ID{Text: "id", Number: 5, Opaque: true}, NoAlert: 6, NoLearning: 7,
	}
	for i, fields := 0, reflect.ValueOf(left); i < fields.NumField(); i++ {
		require.False(t, fields.Field(i).IsZero(), "something must be there before of %s", fields.Type().Field(i).Name)
	}
	require.Equal(t, Leaves, scope().Resolve(&r, &left))
	assert.Equal(t, want, left)
}

func TestWhoIsInside(t *testing.T) {
	with := func(r Record, change func(*Record)) Record { change(&r); return r }
	for name, c := range map[string]struct {
		record Record
		want   Outcome
	}{
		"to the outside":                      {connection(inside, 1, outside, 2), Leaves},
		"to the outside by IPv6":              {connection(inside6, 1, outside6, 2), Leaves},
		"from a network of ours":              {connection(ours, 1, outside, 2), Leaves},
		"within":                              {connection(inside, 1, inside6, 2), InsideOnly},
		"to a network of ours":                {connection(inside, 1, ours, 2), InsideOnly},
		"loopback":                            {connection("127.0.0.1", 1, "127.0.0.1", 2), InsideOnly},
		"shared address space":                {connection("100.64.0.1", 1, "100.127.255.254", 2), InsideOnly},
		"beyond shared address space":         {connection("100.64.0.1", 1, "100.128.0.1", 2), Leaves},
		"link-local":                          {connection("fe80::1", 1, "169.254.0.9", 2), InsideOnly},
		"nobody known":                        {connection(outside, 1, outside6, 2), Undecidable},
		"nobody known, one way":               {oneWay(outside, 1, outside6, 2), Undecidable},
		"one way in":                          {oneWay(outside, 1, inside, 2), InboundOnly},
		"in, reply not counted":               {with(connection(outside, 1, inside, 2), func(r *Record) { r.Received = UnknownBytes }), InboundOnly},
		"in, no reply":                        {with(connection(outside, 1, inside, 2), func(r *Record) { r.Received = 0 }), InboundOnly},
		"out, nothing sent":                   {with(connection(inside, 1, outside, 2), func(r *Record) { r.Sent = 0 }), NothingSent},
		"out, not counted":                    {with(connection(inside, 1, outside, 2), func(r *Record) { r.Sent = UnknownBytes }), NothingSent},
		"one way in, whatever it says":        {with(oneWay(outside, 1, inside, 2), func(r *Record) { r.Received = 9 }), InboundOnly},
		"to multicast":                        {connection(inside, 1, multicast, 2), NotUnicast},
		"to IPv6 multicast":                   {connection(inside6, 1, "ff02::fb", 2), NotUnicast},
		"to broadcast":                        {connection(inside, 1, "255.255.255.255", 2), NotUnicast},
		"to nowhere":                          {connection(inside, 1, "0.0.0.0", 2), NotUnicast},
		"to nowhere by IPv6":                  {connection(inside6, 1, "::", 2), NotUnicast},
		"from nowhere":                        {connection("0.0.0.0", 1, outside, 2), NotUnicast},
		"no destination":                      {with(connection(inside, 1, outside, 2), func(r *Record) { r.Destination = netip.Addr{} }), NotUnicast},
		"multicast even if said to go out":    {declared(Outbound, connection(inside, 1, multicast, 2)), NotUnicast},
		"said to go out, source not listed":   {declared(Outbound, connection(unlisted, 1, outside, 2)), Leaves},
		"said to come in, ours not listed":    {declared(Inbound, connection(outside, 1, unlisted, 2)), Leaves},
		"said to stay in, not listed":         {declared(Internal, connection(inside, 1, unlisted, 2)), InsideOnly},
		"said to be others'":                  {declared(External, connection(outside, 1, unlisted, 2)), OutsideOnly},
		"said to be others', but leaves":      {declared(External, connection(inside, 1, outside, 2)), Leaves},
		"said to go out, but stays in":        {declared(Outbound, connection(inside, 1, inside6, 2)), InsideOnly},
		"said to come in, but goes out":       {declared(Inbound, connection(inside, 1, outside, 2)), Leaves},
		"said to go out, but comes in":        {declared(Outbound, oneWay(outside, 1, inside, 2)), InboundOnly},
		"said to come in by one way":          {declared(Inbound, oneWay(outside, 1, unlisted, 2)), InboundOnly},
		"said to go out by one way, unlisted": {declared(Outbound, oneWay(unlisted, 1, outside, 2)), Leaves},
	} {
		t.Run(name, func(t *testing.T) {
			untouched := Flow{Bytes: -7}
			f := untouched
			got := scope().Resolve(&c.record, &f)
			assert.Equal(t, c.want.String(), got.String())
			if got == Leaves {
				assert.Positive(t, f.Bytes)
			} else {
				assert.Equal(t, untouched, f, "nothing leaves, so nothing is said")
			}
		})
	}
}

// A router sees the reply of an inside web server as bytes to an ephemeral port.
func TestOneWayRepliesKeepTheServicesPort(t *testing.T) {
	for name, c := range map[string]struct{ source, destination, want uint16 }{
		"upload to a well-known service":         {51234, 443, 443},
		"upload to a registered service":         {51234, 4444, 4444},
		"reply of a well-known service":          {443, 51234, 443},
		"reply of a registered service":          {8080, 51234, 8080},
		"well-known before registered":           {53, 1025, 53},
		"both well-known: where it is sent":      {123, 53, 53},
		"both registered, reply to a translator": {8080, 20000, 8080},
		"both registered, request of one":        {20000, 8080, 8080},
		"both ephemeral: where it is sent":       {40000, 50000, 50000},
		"both ephemeral, the lower one sent to":  {50000, 40000, 40000},
		"first ephemeral against last":           {32767, 32768, 32767},
		"no source port":                         {0, 50000, 50000},
		"no destination port":                    {50000, 0, 50000},
		"no ports":                               {0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := oneWay(inside, c.source, outside, c.destination)
			var f Flow
			require.Equal(t, Leaves, scope().Resolve(&r, &f))
			assert.Equal(t, c.want, f.Port)
		})
	}
}

// Whoever names an entity or a contributor, in either direction.
func TestNamesOfWhatLeavesAreFitToBeShown(t *testing.T) {
	for _, text := range hostile() {
		for _, r := range []Record{connection(inside, 51234, outside, 4444), connection(outside, 40000, inside, 443)} {
			r.Host, r.User, r.Process = text, text, text
			r.SourcePlace, r.DestinationPlace = Place{Region: text, City: text}, Place{Region: text, City: text}
			var f Flow
			require.Equal(t, Leaves, scope().Resolve(&r, &f))
			for _, name := range []string{f.Host, f.User, f.Process, f.Place.Region, f.Place.City} {
				assert.Equal(t, Name(text), name)
				assert.NotEqual(t, text, name)
			}
		}
	}
}

func TestOutcomesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for i, o := range Outcomes() {
		assert.EqualValues(t, i, o)
		assert.Regexp(t, "^[a-z_]+$", o.String())
		assert.False(t, seen[o.String()], o)
		seen[o.String()] = true
	}
	assert.True(t, seen["leaves"])
	assert.Equal(t, "unknown", Outcome(200).String())
}

func TestResolvingDoesNotAllocate(t *testing.T) {
	s := scope()
	out, in := connection(inside, 51234, outside, 443), connection(outside6, 51234, inside6, 443)
	var f Flow
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s.Resolve(&out, &f)
		s.Resolve(&in, &f)
	}))
}

func BenchmarkResolve(b *testing.B) {
	s := scope()
	r := connection(inside, 51234, outside, 443)
	var f Flow
	b.ReportAllocs()
	for b.Loop() {
		s.Resolve(&r, &f)
	}
}
