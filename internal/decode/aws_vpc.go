package decode

import "github.com/otel-exfil/exfil/internal/flow"

// aws is an AWS VPC flow log record: its columns as attributes (with hyphens as in files or
// underscores as in tables), the attributes that the collector's AWS log encoding
// makes of it, or the line itself. Each direction is a record of its own.
type aws struct {
	ends                                 endpoints
	bytes, status, action, direction     keys
	time                                 keys
	plainDestination, packetsDestination keys

	columns *columns // of lines, as configured; nil: AWS's default order
}

func newAWS(c *compiler, names []string) format {
	f := &aws{
		ends: endpoints{
			source:          append(append(c.keys("pkt-srcaddr", "pkt_srcaddr"), c.signs("srcaddr")...), c.keys("source.address")...),
			sourcePort:      c.keys("srcport", "source.port"),
			destination:     append(append(c.keys("pkt-dstaddr", "pkt_dstaddr"), c.signs("dstaddr")...), c.keys("destination.address")...),
			destinationPort: c.keys("dstport", "destination.port"),
		},
		bytes:              append(c.keys("bytes"), c.signs("aws.vpc.flow.bytes")...),
		status:             append(c.keys("log-status", "log_status"), c.signs("aws.vpc.flow.status")...),
		action:             append(c.keys("action"), c.signs("aws.vpc.flow.action")...),
		direction:          c.keys("flow-direction", "flow_direction", "network.io.direction"),
		time:               c.keys("end", "aws.vpc.flow.end"),
		plainDestination:   c.keys("dstaddr"),
		packetsDestination: c.keys("pkt-dstaddr", "pkt_dstaddr"),
	}
	if len(names) > 0 {
		f.columns = &columns{}
		f.columns.set(names)
	}
	return f
}

func (f *aws) read(s *Scratch, dst []flow.Record) ([]flow.Record, Reason) {
	return one{f}.read(s, dst)
}

func (f *aws) record(s *Scratch, r *flow.Record) Reason {
	if why := verdict(s.text(f.status), s.text(f.action)); why != Accepted {
		return why
	}
	if transit(s.text(f.plainDestination), s.text(f.packetsDestination)) {
		return Duplicate
	}
	if why := readOneWay(s, r, f.bytes, nil); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	r.Direction = awsDirection(s.text(f.direction))
	return Accepted
}

// verdict says whether a record stands for bytes that were let through.
func verdict(status, action string) Reason {
	switch {
	case status == "NODATA" || status == "SKIPDATA":
		return NoData
	case action == "REJECT":
		return Rejected
	}
	return Accepted
}

// transit says whether packets only passed this interface on their way to another
// address, as at a NAT gateway. They are recorded again where they leave.
func transit(destination, packets string) bool {
	return !missing(destination) && !missing(packets) && destination != packets
}

// awsDirection reads flow-direction, also as the AWS log encoding translates it. It is the
// interface's and for one-way records the organisation's too: what leaves an
// interface of ours has a source of ours.
func awsDirection(t string) flow.Direction {
	switch t {
	case "egress", "transmit":
		return flow.Outbound
	case "ingress", "receive":
		return flow.Inbound
	}
	return flow.Undeclared
}
