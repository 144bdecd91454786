package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// evidence collects the artefacts of a finding: first what is known of the unusual traffic as a whole, then
// one for each contributor, with its bytes. Which sender met which receiver is not known, so
// each of those names one end only.
type evidence struct {
	list        pcommon.Slice
	observables observables
	fields      pcommon.Map // what is known of all of the traffic, as attributes of the schema otel
	asn         networks
}

func (s *ocsf) putEvidence(body, fields pcommon.Map, f *detector.Finding) {
	e := evidence{
		list:        body.PutEmptySlice("evidences"),
		observables: observables{list: pcommon.NewSlice(), seen: make(map[observable]bool)},
		fields:      fields,
		asn:         s.asn,
	}
	e.whole(f)
	for _, c := range f.Contributors {
		for i := range c.Values {
			e.contributor(c.Field, c.Values[i], c.Bytes[i])
		}
	}
	if e.observables.list.Len() > 0 {
		e.observables.list.MoveAndAppendTo(body.PutEmptySlice("observables"))
	}
	if host := e.text(flow.Host); host != "" {
		resource := body.PutEmptySlice("resources").AppendEmpty().SetEmptyMap()
		resource.PutStr("name", host)
		resource.PutStr("type", "host")
		resource.PutInt("role_id", ocsfAffected)
		resource.PutStr("role", "Affected")
	}
}

// text returns what is known of a field, "" where nothing is.
func (e *evidence) text(field flow.Field) string {
	v, ok := e.fields.Get(field.String())
	if !ok {
		return ""
	}
	return v.AsString()
}

// add begins a piece of evidence; kind says what it is.
func (e *evidence) add(kind string, bytes int64) pcommon.Map {
	m := e.list.AppendEmpty().SetEmptyMap()
	m.PutStr("name", kind)
	m.PutEmptyMap("data").PutInt("bytes", bytes)
	return m
}

func (e *evidence) whole(f *detector.Finding) {
	m := e.add("exfil.entity", f.Actual)
	connection := m.PutEmptyMap("connection_info")
	connection.PutInt("direction_id", ocsfOutbound)
	connection.PutStr("direction", "Outbound")
	e.source(m, e.text(flow.SourceAddress), e.text(flow.Host))
	e.destination(m, e.text(flow.DestinationAddress))
	e.actor(m, e.text(flow.User), e.text(flow.Process))
}

// contributor adds evidence of who took part. Ports, regions and countries are no one's names: they are told of each
// destination where all of the traffic has the same, and under unmapped.
func (e *evidence) contributor(field flow.Field, text string, bytes int64) {
	if text == "" || text == detector.OverflowValue {
		return
	}
	kind := "exfil.contributors." + contributorNames[field]
	text = value(text)
	switch field {
	case flow.SourceAddress:
		e.source(e.add(kind, bytes), text, "")
	case flow.Host:
		e.source(e.add(kind, bytes), "", text)
	case flow.User:
		e.actor(e.add(kind, bytes), text, "")
	case flow.Process:
		e.actor(e.add(kind, bytes), "", text)
	case flow.DestinationAddress:
		e.destination(e.add(kind, bytes), text)
	}
}

func (e *evidence) source(m pcommon.Map, address, host string) {
	if address == "" && host == "" {
		return
	}
	endpoint := m.PutEmptyMap("src_endpoint")
	e.address(endpoint, "evidences.src_endpoint.", address)
	if host != "" {
		endpoint.PutStr("hostname", host)
		e.observables.add("evidences.src_endpoint.hostname", hostnameObservable, host)
	}
}

// destination tells an address and what is known of all of the traffic: port and place. An endpoint
// needs an address or a name, so without one there is none.
func (e *evidence) destination(m pcommon.Map, address string) {
	if address == "" {
		return
	}
	endpoint := m.PutEmptyMap("dst_endpoint")
	e.address(endpoint, "evidences.dst_endpoint.", address)
	if port, ok := e.fields.Get(flow.DestinationPort.String()); ok {
		endpoint.PutInt("port", port.Int())
		e.observables.add("evidences.dst_endpoint.port", portObservable, port.AsString())
	}
	e.place(endpoint)
	if number, name, ok := e.asn.find(address); ok {
		system := endpoint.PutEmptyMap("autonomous_system")
		system.PutInt("number", int64(number))
		putText(system, "name", value(name))
	}
}

// address tells an address as ip where it is one, else as a name.
func (e *evidence) address(endpoint pcommon.Map, path, text string) {
	if text == "" {
		return
	}
	ip, ok := plainIP(text)
	if !ok {
		endpoint.PutStr("name", text)
		return
	}
	endpoint.PutStr("ip", ip)
	e.observables.add(path+"ip", addressObservable, ip)
}

func (e *evidence) place(endpoint pcommon.Map) {
	region, country := e.text(flow.DestinationRegion), e.text(flow.DestinationCountry)
	if !isCountryCode(country) {
		country = ""
	}
	if region == "" && country == "" {
		return
	}
	location := endpoint.PutEmptyMap("location")
	putText(location, "region", region)
	if country != "" {
		location.PutStr("country", country)
		e.observables.add("evidences.dst_endpoint.location.country", countryObservable, country)
	}
}

// isCountryCode says whether a text may be one of ISO 3166-1: two capital letters.
func isCountryCode(text string) bool {
	capital := func(b byte) bool { return 'A' <= b && b <= 'Z' }
	return len(text) == 2 && capital(text[0]) && capital(text[1])
}

// actor tells who sent. A process is known by its name only, which the schema's process object, that needs
// a number or an id, has no room for; it is the application's name here.
func (e *evidence) actor(m pcommon.Map, user, process string) {
	if user == "" && process == "" {
		return
	}
	actor := m.PutEmptyMap("actor")
	if user != "" {
		actor.PutEmptyMap("user").PutStr("name", user)
		e.observables.add("evidences.actor.user.name", userObservable, user)
	}
	if process != "" {
		actor.PutStr("app_name", process)
		e.observables.add("evidences.actor.app_name", processObservable, process)
	}
}

// observableType is a type_id of an observable.
type observableType int64

const (
	hostnameObservable observableType = 1
	addressObservable  observableType = 2
	userObservable     observableType = 4
	processObservable  observableType = 9
	portObservable     observableType = 11
	countryObservable  observableType = 14
)

// observableCaptions are the captions of the types.
var observableCaptions = map[observableType]string{
	hostnameObservable: "Hostname",
	addressObservable:  "IP Address",
	userObservable:     "User Name",
	processObservable:  "Process Name",
	portObservable:     "Port",
	countryObservable:  "Country",
}

type observable struct {
	path, value string
}

// observables lists each value once for each attribute that it is in.
type observables struct {
	list pcommon.Slice
	seen map[observable]bool
}

func (o *observables) add(path string, kind observableType, text string) {
	key := observable{path, text}
	if o.seen[key] {
		return
	}
	o.seen[key] = true
	m := o.list.AppendEmpty().SetEmptyMap()
	m.PutStr("name", path)
	m.PutInt("type_id", int64(kind))
	m.PutStr("type", observableCaptions[kind])
	m.PutStr("value", text)
}
