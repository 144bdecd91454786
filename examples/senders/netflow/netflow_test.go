package netflow

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	switchedOn = time.Date(2025, time.January, 6, 0, 0, 0, 0, time.UTC) // 0x677b1d00
	now        = switchedOn.Add(time.Minute)                            // 0x677b1d3c; 0xea60 ms on
)

// upload is 300 bytes (0x12c) in 2 packets from port 50000 (0xc350) to 443 (0x1bb), from second 1
// (0x3e8 ms) to second 2 (0x7d0 ms).
func upload(source, destination string) Flow {
	return Flow{
		Source:      netip.AddrPortFrom(netip.MustParseAddr(source), 50000),
		Destination: netip.AddrPortFrom(netip.MustParseAddr(destination), 443),
		Protocol:    6, Start: switchedOn.Add(time.Second), End: switchedOn.Add(2 * time.Second),
		Bytes: 300, Packets: 2,
	}
}

// octets reads what is written in hexadecimal digits, with blanks for the eye.
func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

func only(t *testing.T, e Exporter, flows ...Flow) []byte {
	t.Helper()
	datagrams, err := e.Export(now, flows)
	require.NoError(t, err)
	require.Len(t, datagrams, 1)
	return datagrams[0]
}

func TestVersion5HasTheLayoutThatCiscoPublished(t *testing.T) {
	e, err := NewV5(switchedOn, 100)
	require.NoError(t, err)
	want := octets(t, `
		0005 0001 0000ea60 677b1d3c 00000000 00000000 00 00 4064
		0a000001 08080808 00000000 0001 0002 00000002 0000012c 000003e8 000007d0
		c350 01bb 00 00 06 00 0000 0000 00 00 0000`)
	assert.Equal(t, want, only(t, e, upload("10.0.0.1", "8.8.8.8")))
	// The next one counts the flow before.
	want[19] = 1
	assert.Equal(t, want, only(t, e, upload("10.0.0.1", "8.8.8.8")))
}

func TestVersion9TellsTemplatesAndThenRefersToThem(t *testing.T) {
	e := NewV9(switchedOn, 100)
	templates := `
		0000 0054
		0100 0009 0008 0004 000c 0004 0007 0002 000b 0002 0004 0001 0001 0008 0002 0008 0016 0004 0015 0004
		0101 0009 001b 0010 001c 0010 0007 0002 000b 0002 0004 0001 0001 0008 0002 0008 0016 0004 0015 0004
		0001 0014 0102 0004 0004 0001 0004 0022 0004 0000
		0102 000c 00000007 00000064`
	v4 := `
		0100 002c 0a000001 08080808 c350 01bb 06 000000000000012c 0000000000000002 000003e8 000007d0 000000`
	v6 := `
		0101 0044 fd000000000000000000000000000001 20010db8000000000000000000000008
		c350 01bb 06 000000000000012c 0000000000000002 000003e8 000007d0 000000`
	ipv4, ipv6 := upload("10.0.0.1", "8.8.8.8"), upload("fd00::1", "2001:db8::8")
	assert.Equal(t, octets(t, `0009 0006 0000ea60 677b1d3c 00000000 00000007`+templates+v4+v6), only(t, e, ipv4, ipv6))
	assert.Equal(t, octets(t, `0009 0001 0000ea60 677b1d3c 00000001 00000007`+v6), only(t, e, ipv6), "one datagram later")
}

func TestIPFIXTellsEnterprisesAndVariableLengths(t *testing.T) {
	e := NewIPFIX(100)
	more := `0001 0008 0002 0008 0098 0008 0099 0008 0052 ffff 8001 0008 00007279`
	templates := `
		0002 006c
		0100 000b 0008 0004 000c 0004 0007 0002 000b 0002 0004 0001 ` + more + `
		0101 000b 001b 0010 001c 0010 0007 0002 000b 0002 0004 0001 ` + more + `
		0003 0014 0102 0002 0001 0095 0004 0022 0004 0000
		0102 000c 00000007 00000064`
	v4 := `
		0100 0040 0a000001 08080808 c350 01bb 06 000000000000012c 0000000000000002
		0000019438e94be8 0000019438e94fd0 04 77616e30 0000010000000000 0000`
	got := only(t, e, upload("10.0.0.1", "8.8.8.8"))
	assert.Equal(t, octets(t, `000a 00dc 677b1d3c 00000000 00000007`+templates+v4), got)
	// The sequence counts data records, the one that told the sampling rate among them.
	got = only(t, e, upload("10.0.0.1", "8.8.8.8"))
	assert.Equal(t, octets(t, `000a 0050 677b1d3c 00000002 00000007`+v4), got)
}

func TestAFirewallTellsWhatBothEndsHaveSent(t *testing.T) {
	got := only(t, NewFirewall(switchedOn), upload("10.0.0.1", "8.8.8.8"))
	assert.Equal(t, octets(t, `
		0009 0003 0000ea60 677b1d3c 00000000 00000007
		0000 0044
		0100 0007 0008 0004 000c 0004 0007 0002 000b 0002 0004 0001 00e7 0004 00e8 0004
		0101 0007 001b 0010 001c 0010 0007 0002 000b 0002 0004 0001 00e7 0004 00e8 0004
		0100 001c 0a000001 08080808 c350 01bb 06 0000012c 00000096 000000`), got)
}

// Version 9 tells the time in whole seconds: a router that reports in between must not shift its flows.
func TestVersion9TellsUptimeAndTimeOfTheSameInstant(t *testing.T) {
	datagrams, err := NewV9(switchedOn, 1).Export(now.Add(-time.Millisecond), []Flow{upload("10.0.0.1", "8.8.8.8")})
	require.NoError(t, err)
	assert.Equal(t, octets(t, `0000ea60 677b1d3c`), datagrams[0][4:12])
}

func TestManyFlowsFillManyDatagrams(t *testing.T) {
	v5, err := NewV5(switchedOn, 1)
	require.NoError(t, err)
	many := make([]Flow, 1000)
	for i := range many {
		many[i] = upload("10.0.0.1", "8.8.8.8")
	}
	for name, c := range map[string]struct {
		exporter Exporter
		count    func(datagram []byte) int // of flows
	}{
		"v5":    {v5, func(d []byte) int { return int(binary.BigEndian.Uint16(d[2:])) }},
		"v9":    {NewV9(switchedOn, 1), func(d []byte) int { return strings.Count(string(d), string(octets(t, "0a00000108080808"))) }},
		"IPFIX": {NewIPFIX(1), func(d []byte) int { return strings.Count(string(d), string(octets(t, "0a00000108080808"))) }},
	} {
		t.Run(name, func(t *testing.T) {
			datagrams, err := c.exporter.Export(now, many)
			require.NoError(t, err)
			total := 0
			for _, d := range datagrams {
				assert.LessOrEqual(t, len(d), maxDatagram)
				total += c.count(d)
			}
			assert.Equal(t, len(many), total)
			assert.Less(t, len(datagrams), 80, "datagrams are filled")
		})
	}
}

func TestTemplatesAreSentAgain(t *testing.T) {
	isTemplates := map[string]func(d []byte) bool{
		"v9":    func(d []byte) bool { return binary.BigEndian.Uint16(d[v9Header:]) == v9Templates },
		"IPFIX": func(d []byte) bool { return binary.BigEndian.Uint16(d[ipfixHeader:]) == ipfixTemplates },
	}
	for name, e := range map[string]Exporter{"v9": NewV9(switchedOn, 1), "IPFIX": NewIPFIX(1)} {
		for i := range 2*templatesEvery + 1 {
			d := only(t, e, upload("10.0.0.1", "8.8.8.8"))
			assert.Equal(t, i%templatesEvery == 0, isTemplates[name](d), "%s, datagram %d", name, i)
		}
	}
}

func TestWhatAProtocolCannotCarryIsRefused(t *testing.T) {
	v5, err := NewV5(switchedOn, 1)
	require.NoError(t, err)
	v9, firewall, ipfix := NewV9(switchedOn, 1), NewFirewall(switchedOn), NewIPFIX(1)
	good := upload("10.0.0.1", "8.8.8.8")
	early, late, huge := good, good, good
	early.Start = switchedOn.Add(-time.Millisecond)
	late.End = switchedOn.Add(1 << 32 * time.Millisecond)
	huge.Bytes = 1 << 32
	mixed := upload("10.0.0.1", "2001:db8::8")
	for name, c := range map[string]struct {
		exporter Exporter
		flow     Flow
		err      error
	}{
		"v5, IPv6":             {v5, upload("fd00::1", "2001:db8::8"), ErrFamily},
		"v5, 4 GiB":            {v5, huge, ErrCount},
		"v5, before it was on": {v5, early, ErrTime},
		"v5, 50 days later":    {v5, late, ErrTime},
		"v9, two families":     {v9, mixed, ErrFamily},
		"v9, before it was on": {v9, early, ErrTime},
		"v9, 50 days later":    {v9, late, ErrTime},
		"a firewall, 4 GiB":    {firewall, huge, ErrCount},
		"IPFIX, two families":  {ipfix, mixed, ErrFamily},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.exporter.Export(now, []Flow{c.flow})
			require.ErrorIs(t, err, c.err)
			_, err = c.exporter.Export(now, []Flow{good, c.flow})
			require.ErrorIs(t, err, c.err, "behind one that can be carried")
		})
	}
	for _, e := range []Exporter{v5, v9} {
		_, err := e.Export(switchedOn.Add(-time.Second), []Flow{good})
		require.ErrorIs(t, err, ErrTime, "a report from before the router was on")
	}
	for _, rate := range []int{0, -1, 1 << 14} {
		_, err := NewV5(switchedOn, rate)
		require.ErrorIs(t, err, ErrCount, "sampling one packet in %d", rate)
	}
}

func TestNoFlowsMakeNoDatagram(t *testing.T) {
	v5, err := NewV5(switchedOn, 1)
	require.NoError(t, err)
	for _, e := range []Exporter{v5, NewV9(switchedOn, 1), NewIPFIX(1)} {
		datagrams, err := e.Export(now, nil)
		require.NoError(t, err)
		assert.Empty(t, datagrams)
	}
}
