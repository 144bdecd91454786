package decode

import "github.com/otel-exfil/exfil/internal/flow"

// gcp is a Google Cloud VPC flow log entry: its JSON payload, wrapped or not, or the
// attributes that the collector's Google Cloud log entry encoding makes of it.
//
// Each direction is a record of its own, and between two VMs both ends report it.
// Bytes that leave always have a source of ours, which reports them as SRC; so what
// DEST reports of bytes from another VM is the same once more.
type gcp struct {
	ends                    endpoints
	bytes, reporter         keys
	time                    keys
	sourceVM, destinationVM keys
	sourceAt, destinationAt placeKeys
}

func newGCP(c *compiler) format {
	return one{&gcp{
		ends: endpoints{
			source:          append(c.signs(payload("connection.src_ip")...), c.keys("source.address")...),
			sourcePort:      append(c.keys(payload("connection.src_port")...), c.keys("source.port")...),
			destination:     append(c.signs(payload("connection.dest_ip")...), c.keys("destination.address")...),
			destinationPort: append(c.keys(payload("connection.dest_port")...), c.keys("destination.port")...),
		},
		bytes:    append(c.keys(payload("bytes_sent")...), c.signs("gcp.vpc.flow.bytes_sent")...),
		reporter: append(c.keys(payload("reporter")...), c.signs("gcp.vpc.flow.reporter")...),
		time:     c.keys(append(payload("end_time"), "gcp.vpc.flow.end_time")...),
		sourceVM: c.keys(append(payload("src_instance.vm_name"), "gcp.vpc.flow.source.instance.vm.name")...),
		destinationVM: c.keys(append(payload("dest_instance.vm_name"),
			"gcp.vpc.flow.destination.instance.vm.name")...),
		sourceAt:      gcpPlace(c, "src_location.", "gcp.vpc.flow.source.geo."),
		destinationAt: gcpPlace(c, "dest_location.", "gcp.vpc.flow.destination.geo."),
	}}
}

// payload returns a key as it is with and without the log entry around it.
func payload(key string) []string {
	return []string{key, "jsonPayload." + key}
}

// gcpPlace reads region and city; the country is in alpha-3 there, which placeKeys
// leaves out, so that the address decides on it.
func gcpPlace(c *compiler, end, attributes string) placeKeys {
	return placeKeys{
		region:  c.keys(append(payload(end+"region"), attributes+"region")...),
		country: c.keys(payload(end + "country")...),
		city:    c.keys(append(payload(end+"city"), attributes+"city")...),
	}
}

func (f *gcp) record(s *Scratch, r *flow.Record) Reason {
	source, destination := s.text(f.sourceVM), s.text(f.destinationVM)
	switch s.text(f.reporter) {
	case "DEST", "DEST_GATEWAY":
		if source != "" {
			return Duplicate
		}
		r.Direction, r.Host = flow.Inbound, destination
	case "SRC":
		r.Direction, r.Host = flow.Outbound, source
		if destination != "" {
			r.Direction = flow.Internal
		}
	}
	if why := readOneWay(s, r, f.bytes, nil); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	f.sourceAt.read(s, &r.SourcePlace)
	f.destinationAt.read(s, &r.DestinationPlace)
	return Accepted
}
