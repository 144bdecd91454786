package alert

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// sentence says in one line who sent how much where, and what is usual.
func sentence(f *detector.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s sent %s%s in %s", senders(f), size(f.Actual), target(f), elapsed(taken(f)))
	switch most, ok := usual(f); {
	case ok && most < f.Actual:
		fmt.Fprintf(&b, "; usual at most %s (%s×)", size(most), digits(float64(f.Actual)/float64(max(most, 1))))
	case f.Why.Silence < math.Ln2: // active in most windows: a low threshold found it within what is usual
		fmt.Fprintf(&b, "; usual about %s", size(f.Typical))
	case f.Why.Season:
		b.WriteString("; usually silent at this hour")
	default:
		b.WriteString("; usually silent")
	}
	if f.FirstSeen {
		b.WriteString("; first seen")
	}
	return b.String()
}

// senders names who sent: the entity where it is a sender itself, else the largest contributor.
func senders(f *detector.Finding) string {
	var named []string
	fields, values := part(f)
	for i, field := range fields {
		if isSender(field) {
			named = append(named, phrase(field, values[i], field != flow.Host && field != flow.SourceAddress))
		}
	}
	if len(named) > 0 {
		return strings.Join(named, ", ")
	}
	c := machines(f)
	if len(c.Values) == 0 {
		return "Senders that are not known"
	}
	first, others := readable(c.Values[0]), len(c.Values)-1
	switch most := cmp.Or(f.Most, detector.MaxContributors); {
	case most == 1:
		return first + " and perhaps others"
	case len(c.Values) >= most:
		return fmt.Sprintf("%s and %d or more others", first, others)
	case others == 0:
		return first
	case others == 1:
		return first + " and 1 other"
	default:
		return fmt.Sprintf("%s and %d others", first, others)
	}
}

// machines returns the contributing hosts, or source addresses where most bytes come without a
// host's name.
func machines(f *detector.Finding) detector.Contribution {
	hosts, addresses := contribution(f, flow.Host), contribution(f, flow.SourceAddress)
	if 2*sum(hosts) < sum(addresses) {
		return addresses
	}
	return hosts
}

func contribution(f *detector.Finding, field flow.Field) detector.Contribution {
	i := slices.IndexFunc(f.Contributors, func(c detector.Contribution) bool { return c.Field == field })
	if i < 0 {
		return detector.Contribution{}
	}
	return f.Contributors[i]
}

func sum(c detector.Contribution) float64 {
	var bytes float64
	for _, b := range c.Bytes {
		bytes += float64(b)
	}
	return bytes
}

// target names where the bytes went, as far as the entity says; "" if it does not.
func target(f *detector.Finding) string {
	var b strings.Builder
	fields, values := part(f)
	for i, field := range fields {
		if isSender(field) {
			continue
		}
		switch {
		case b.Len() == 0:
			b.WriteString(" to ")
		case field == flow.DestinationRegion || field == flow.DestinationCountry:
			b.WriteString(" in ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(phrase(field, values[i], field != flow.DestinationAddress))
	}
	return b.String()
}

// part returns the fields and values of what was unusual: the finer key where there is one.
func part(f *detector.Finding) ([]flow.Field, []string) {
	if len(f.DetailFields) > 0 {
		return f.DetailFields, f.DetailValues
	}
	return f.Fields, f.Values
}

func isSender(f flow.Field) bool {
	switch f {
	case flow.Host, flow.SourceAddress, flow.User, flow.Process:
		return true
	}
	return false
}

// nouns are the fields' names in sentences.
var nouns = [flow.FieldCount]struct{ one, many string }{
	flow.DestinationPort:    {"port", "ports"},
	flow.DestinationRegion:  {"region", "regions"},
	flow.DestinationCountry: {"country", "countries"},
	flow.DestinationAddress: {"address", "addresses"},
	flow.Host:               {"host", "hosts"},
	flow.SourceAddress:      {"source", "sources"},
	flow.User:               {"user", "users"},
	flow.Process:            {"process", "processes"},
}

// phrase names a value in a sentence, after the noun of its field if that is asked for.
func phrase(field flow.Field, name string, noun bool) string {
	switch {
	case name == detector.OverflowValue:
		return nouns[field].many + " too rare to be told apart"
	case noun:
		return nouns[field].one + " " + readable(name)
	default:
		return readable(name)
	}
}
