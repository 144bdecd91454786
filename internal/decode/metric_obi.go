package decode

import "github.com/otel-exfil/exfil/internal/flow"

// obi is the network flow counter of OpenTelemetry eBPF Instrumentation and of Beyla, from
// which it comes. A data point counts the bytes of packets from src to dst; the reply has a data point of
// its own. Names have dots, or underscores after a way through Prometheus.
//
// Its direction says whether the opener of the connection sent (request) or was answered
// (response), and so which port is the service's. Earlier versions wrote there what is iface.direction
// now: whether the packets left (egress) or entered (ingress) the interface that they were seen on. That is
// no direction of the flow, but tells that what enters was not sent by the host that reports.
type obi struct {
	ends                              endpoints
	clientPort, serverPort            keys
	direction, iface                  keys
	sender, reporter                  keys
	sourceCountry, destinationCountry keys
}

// obiMetrics are the names of the counter: as its senders write it, as a Prometheus exporter
// makes of that, and as a Prometheus receiver leaves it that trims suffixes.
func obiMetrics() []string {
	var names []string
	for _, sender := range []string{"obi", "beyla"} {
		names = append(names,
			sender+".network.flow.bytes", sender+".network.flow.bytes_total", sender+".network.flow.bytes.total",
			sender+"_network_flow_bytes", sender+"_network_flow_bytes_total", sender+"_network_flow")
	}
	return names
}

func newOBI(c *compiler) metricFormat {
	return &obi{
		ends: endpoints{
			source:          c.keys("src.address", "src_address", "source.address", "source_address"),
			sourcePort:      c.keys("src.port", "src_port", "source.port", "source_port"),
			destination:     c.keys("dst.address", "dst_address", "destination.address", "destination_address"),
			destinationPort: c.keys("dst.port", "dst_port", "destination.port", "destination_port"),
		},
		clientPort: c.keys("client.port", "client_port"),
		serverPort: c.keys("server.port", "server_port"),
		direction:  c.keys("direction"),
		iface:      c.keys("iface.direction", "iface_direction"),
		// The owner comes first: a pod gets another name and address whenever it is deployed anew.
		sender: c.keys("k8s.src.owner.name", "k8s_src_owner_name", "k8s.src.name", "k8s_src_name",
			"k8s.src.node.name", "k8s_src_node_name", "src.name", "src_name"),
		reporter:           c.keys("host.name", "host_name"),
		sourceCountry:      c.keys("src.country", "src_country"),
		destinationCountry: c.keys("dst.country", "dst_country"),
	}
}

func (f *obi) point(s *Scratch, r *flow.Record) (reply bool, rate int64, why Reason) {
	if why := f.ends.read(s, r); why != Accepted {
		return false, 0, why
	}
	client, why := s.port(f.clientPort)
	if why != Accepted {
		return false, 0, why
	}
	server, why := s.port(f.serverPort)
	if why != Accepted {
		return false, 0, why
	}
	r.SourcePlace.Country = countryCode(s.text(f.sourceCountry))
	r.DestinationPlace.Country = countryCode(s.text(f.destinationCountry))
	direction := s.text(f.direction)
	r.Host = f.host(s, direction)
	switch direction {
	case "request":
		r.SourcePort, r.DestinationPort = either(r.SourcePort, client), either(r.DestinationPort, server)
	case "response":
		r.SourcePort, r.DestinationPort = either(r.SourcePort, server), either(r.DestinationPort, client)
		turn(r)
		reply = true
	default:
		r.OneWay = true
		if r.SourcePort == 0 && r.DestinationPort == 0 {
			r.DestinationPort = server
		}
	}
	return reply, 1, Accepted
}

// host names who sent: by the name that the counter gives the source, else the host that
// reports, unless the bytes came into it from elsewhere.
func (f *obi) host(s *Scratch, direction string) string {
	if name := s.text(f.sender); name != "" {
		// A source without a name is named by its address, which says nothing new.
		if _, is := parseAddress(name); !is {
			return name
		}
	}
	if direction == "ingress" || s.text(f.iface) == "ingress" {
		return ""
	}
	return s.text(f.reporter)
}

func either(a, b uint16) uint16 {
	if a != 0 {
		return a
	}
	return b
}

// turn makes of a reply's packets the connection that they belong to: its source opened it.
func turn(r *flow.Record) {
	r.Source, r.Destination = r.Destination, r.Source
	r.SourcePort, r.DestinationPort = r.DestinationPort, r.SourcePort
	r.SourcePlace, r.DestinationPlace = r.DestinationPlace, r.SourcePlace
}
