package senders

import (
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/examples/senders/netflow"
)

const (
	// sampling is one packet in how many the routers of the tests look at.
	sampling = 100
	// The theft, in bytes: the first part alone is less than min_bytes, and the second enough for
	// an alert at once.
	firstLoot, secondLoot = 500_000, 400_000_000
	loot                  = firstLoot + secondLoot
)

var thief, receiver = at("10.1.0.13:50123"), at("200.160.2.3:4444") // the built-in table says: Brazil

// theft is what is stolen on the last day, to a port and to a country where nobody sends
// else, as counted by a router that looks at one packet in so many.
func theft(sampling uint64) []netflow.Flow {
	start := firstDay.Add(fortnight)
	record := func(after time.Duration, bytes uint64) netflow.Flow {
		return netflow.Flow{
			Source: thief, Destination: receiver, Protocol: 6, Bytes: bytes / sampling, Packets: bytes/sampling/1000 + 1,
			Start: start.Add(after), End: start.Add(after + time.Minute),
		}
	}
	return []netflow.Flow{record(10*time.Minute, firstLoot), record(11*time.Minute, secondLoot)}
}

// Given two weeks of an office as a router reports them, and a theft after them, when goflow2
// receives the reports and a collector reads its file as examples/goflow2.yaml says, then every
// record is understood, and the theft is noticed with just the bytes that were sent, whichever
// protocol the router speaks.
func TestATheftIsNoticedInWhatARouterReports(t *testing.T) {
	on := firstDay.Add(-5 * 24 * time.Hour)
	v5, err := netflow.NewV5(on, sampling)
	require.NoError(t, err)
	for _, router := range []struct {
		name     string
		exporter netflow.Exporter
		habits   []habit
	}{
		{"NetFlow v5", v5, office()},
		{"NetFlow v9", netflow.NewV9(on, sampling), dualStack()},
		{"IPFIX", netflow.NewIPFIX(sampling), dualStack()},
	} {
		t.Run(router.name, func(t *testing.T) {
			all := append(flows(router.habits, firstDay, fortnight, sampling), theft(sampling)...)
			g := startGoflow2(t)
			c := g.collect(t)
			g.receive(t, router.exporter, all)
			seen := c.read(t, len(all))

			outgoing := len(all)/2 + 1
			assert.Equal(t, len(all), telemetry(t, seen, "otelcol_exfil_records", `outcome="accepted"`), "records that were understood")
			assert.Equal(t, outgoing, telemetry(t, seen, "otelcol_exfil_flows", `outcome="leaves"`), "flows that leave")
			assert.Equal(t, len(all)-outgoing, telemetry(t, seen, "otelcol_exfil_flows", `outcome="inbound_only"`), "flows that come in")
			assert.Zero(t, telemetry(t, seen, "otelcol_exfil_late_flows", ""), "flows that came too late")
			told := alert{source: thief.Addr().String(), bytes: loot, early: true, firstSeen: true}
			assert.ElementsMatch(t, aboutTheft(told), readAlerts(t, c.alerts))
		})
	}
}

// Given a firewall that reports each connection once, with how much its opener has sent in an
// element that goflow2 does not know, when goflow2 has the mapping of examples/, then a theft
// is noticed all the same.
func TestATheftIsNoticedInWhatAFirewallReports(t *testing.T) {
	all := append(flows(office(), firstDay, fortnight, 1), theft(1)...)
	all = slices.DeleteFunc(all, func(f netflow.Flow) bool { return !f.Source.Addr().IsPrivate() })
	g := startGoflow2(t, "-mapping", "../goflow2-mapping.yaml")
	c := g.collect(t)
	g.receive(t, netflow.NewFirewall(firstDay.Add(-time.Hour)), all)
	seen := c.read(t, len(all))

	assert.Equal(t, len(all), telemetry(t, seen, "otelcol_exfil_flows", `outcome="leaves"`), "flows that leave")
	told := alert{source: thief.Addr().String(), bytes: loot, early: true, firstSeen: true}
	assert.ElementsMatch(t, aboutTheft(told), readAlerts(t, c.alerts))
}

// collect starts a collector that reads what goflow2 writes as the example says, from the
// beginning, so that it does not matter which of the two is first. By default file_log hands on
// what a timer flushes beside what fills a batch, and which comes first is chance: that matters
// only where a batch spans hours, as here.
func (g *goflow2) collect(t *testing.T) *collector {
	t.Helper()
	return startCollector(t, "../goflow2.yaml", `
receivers:
  file_log/goflow2: {include: ["`+g.file+`"], start_at: beginning}
exporters:
  file/alerts: {path: "{{.Dir}}/alerts.jsonl"}
extensions:
  file_storage: {directory: "{{.Dir}}/storage"}
`, "--feature-gates", "stanza.synchronousLogEmitter")
}

// goflow2 is a running goflow2 that listens for NetFlow and IPFIX.
type goflow2 struct {
	*process
	address string // where it listens, by UDP
	file    string // what it writes
}

func startGoflow2(t *testing.T, more ...string) *goflow2 {
	t.Helper()
	web := net.JoinHostPort("127.0.0.1", freePort(t, "tcp"))
	g := &goflow2{
		address: net.JoinHostPort("127.0.0.1", freePort(t, "udp")),
		file:    filepath.Join(t.TempDir(), "flows.jsonl"),
	}
	g.process = start(t, built(t, "GOFLOW2"), append(more, "-addr", web, "-listen", "flow://"+g.address+"?workers=1",
		"-format", "json", "-transport", "file", "-transport.file", g.file)...)
	g.await(t, "it listens", func() bool { return get(t, "http://"+web+"/__health") != "" })
	return g
}

// atOnce is how many flows are sent before goflow2 must have written them. UDP drops what
// does not fit into the receiver's buffer, which holds some 200 kB: a quarter of that is sent.
const atOnce = 600

// receive sends the flows as a router does that reports them when the last has ended, and
// returns when goflow2 has written them all.
func (g *goflow2) receive(t *testing.T, router netflow.Exporter, flows []netflow.Flow) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "udp", g.address)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	written := 0
	for chunk := range slices.Chunk(flows, atOnce) {
		for some := range slices.Chunk(chunk, 15) {
			datagrams, err := router.Export(some[len(some)-1].End.Add(time.Second), some)
			require.NoError(t, err)
			for _, d := range datagrams {
				_, err := conn.Write(d)
				require.NoError(t, err)
			}
		}
		written += len(chunk)
		g.await(t, "it has written what it was sent", func() bool { return countLines(t, g.file) >= written })
	}
}
