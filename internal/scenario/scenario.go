// Package scenario reads the folders of testdata/scenarios: traffic, a processor's configuration
// and the alerts expected, all as files, so that a case can be read, and added, without reading Go.
//
//	<what_happens>/input.yaml    the traffic, see Input
//	<what_happens>/config.yaml   the processor's configuration, as it stands under processors: exfil:
//	<what_happens>/alerts.yaml   the alerts, one mapping each
package scenario

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Input is traffic: habits that make an ordinary background, and events that happen once.
type Input struct {
	Format string    `yaml:"format"` // an encoding of bench/encode
	Start  time.Time `yaml:"start"`
	Days   int       `yaml:"days"`
	Seed   uint64    `yaml:"seed"`
	Habits []Habit   `yaml:"habits"`
	Events []Event   `yaml:"events"`
}

// TenantAttribute is the key of the resource attribute that names the tenant of a delivery.
const TenantAttribute = "tenant.id"

// Parties are the two ends of a flow, where the far one is, and whose the flow is.
type Parties struct {
	Tenant      string     `yaml:"tenant"` // "": nobody's in particular
	Source      netip.Addr `yaml:"source"`
	SourcePort  uint16     `yaml:"source_port"`
	Destination netip.Addr `yaml:"destination"`
	Port        uint16     `yaml:"port"`
	Host        string     `yaml:"host"`
	User        string     `yaml:"user"`
	Process     string     `yaml:"process"`
	Region      string     `yaml:"region"`
	Country     string     `yaml:"country"`
}

// Habit is a flow that comes again and again.
type Habit struct {
	Parties `yaml:",inline"`
	Every   time.Duration `yaml:"every"`
	At      time.Duration `yaml:"at"`       // the first one, after midnight of the first day
	Hours   []int         `yaml:"hours"`    // first hour and the one after the last; none: all day
	Weekend bool          `yaml:"weekend"`  // on Saturdays and Sundays, too
	FromDay int           `yaml:"from_day"` // the first day is 0
	Bytes   bytesize.Size `yaml:"bytes"`    // median of a flow's, sent by the source
	Reply   bytesize.Size `yaml:"reply"`    // median of what the destination answers
	Spread  float64       `yaml:"spread"`   // standard deviation of ln bytes
	Growth  float64       `yaml:"growth"`   // of the bytes from one day to the next: 1 doubles them
}

// Event is a number of flows that happen once, evenly within a time.
type Event struct {
	Parties `yaml:",inline"`
	At      time.Time     `yaml:"at"`
	Lasts   time.Duration `yaml:"lasts"`
	Flows   int           `yaml:"flows"`
	Bytes   bytesize.Size `yaml:"bytes"` // of all flows
	Reply   bytesize.Size `yaml:"reply"`
	FlowIDs string        `yaml:"flow_ids"` // begins the ids of the flows, their number ends them; none: they have none
}

// ReadInput reads an input file. Unknown keys are errors.
func ReadInput(path string) (*Input, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	in := &Input{Format: "ecs"}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(in); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return in, nil
}

// Delivery is what one tenant delivers at once.
type Delivery struct {
	Tenant  string
	Records []flow.Record
}

// Deliveries plays the input, in the order of time, in deliveries of at most so many records. The same input gives the same.
func (in *Input) Deliveries(most int) []Delivery {
	var all []Delivery
	for _, f := range in.play() {
		last := len(all) - 1
		if last < 0 || all[last].Tenant != f.tenant || len(all[last].Records) == most {
			all = append(all, Delivery{Tenant: f.tenant})
			last++
		}
		all[last].Records = append(all[last].Records, f.Record)
	}
	return all
}

// Records are those of all deliveries.
func (in *Input) Records() (all []flow.Record) {
	for _, f := range in.play() {
		all = append(all, f.Record)
	}
	return all
}

// played is a flow, and whose it is.
type played struct {
	flow.Record
	tenant string
}

func (in *Input) play() []played {
	var all []played
	for i := range in.Habits {
		all = in.Habits[i].play(in, rand.New(rand.NewPCG(in.Seed, uint64(i))), all)
	}
	for i := range in.Events {
		all = in.Events[i].play(all)
	}
	slices.SortStableFunc(all, func(a, b played) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

func (h *Habit) play(in *Input, r *rand.Rand, all []played) []played {
	end := in.Start.AddDate(0, 0, in.Days)
	first := in.Start.AddDate(0, 0, h.FromDay)
	for at := first.Add(h.At); at.Before(end); at = at.Add(h.Every) {
		noise := math.Exp(h.Spread * r.NormFloat64())
		weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
		if weekend && !h.Weekend || len(h.Hours) == 2 && (at.Hour() < h.Hours[0] || at.Hour() >= h.Hours[1]) {
			continue
		}
		size := noise * math.Pow(1+h.Growth, math.Floor(at.Sub(first).Hours()/24))
		all = append(all, played{h.record(at, float64(h.Bytes)*size, float64(h.Reply)*size), h.Tenant})
	}
	return all
}

func (e *Event) play(all []played) []played {
	n := max(1, e.Flows)
	for i := range n {
		at := e.At.Add(e.Lasts * time.Duration(i) / time.Duration(n))
		r := e.record(at, float64(e.Bytes)/float64(n), float64(e.Reply)/float64(n))
		if e.FlowIDs != "" {
			r.ID.Text = fmt.Sprint(e.FlowIDs, i+1)
		}
		all = append(all, played{r, e.Tenant})
	}
	return all
}

func (p *Parties) record(at time.Time, sent, received float64) flow.Record {
	place := flow.Place{Region: p.Region, Country: p.Country}
	r := flow.Record{
		Time:   at.UnixNano(),
		Source: p.Source, SourcePort: cmp.Or(p.SourcePort, 50_000), Destination: p.Destination, DestinationPort: p.Port,
		Sent: int64(sent), Received: int64(received),
		Host: p.Host, User: p.User, Process: p.Process,
	}
	if p.Source.IsPrivate() {
		r.DestinationPlace = place
	} else {
		r.SourcePlace = place
	}
	return r
}
