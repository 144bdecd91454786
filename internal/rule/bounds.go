package rule

import (
	"math"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Bound is what the value of a key may be, as far as it can be said without looking at another key. The schemas for
// editors are made of it; whether it is what the validation holds is tested.
type Bound struct {
	// From and To are the least and the most: of a number, of a duration in nanoseconds, of a size in bytes, of a list in
	// elements. Both zero: nothing is said. To may be infinite.
	From, To float64
	// Above says that From itself is too little.
	Above bool
	// OneOf lists all texts that there are; of a mapping, its keys.
	OneOf []string
	// Pattern is a regular expression that texts match; of a mapping, its keys.
	Pattern string
	// Required says that the key must be there where the mapping is.
	Required bool
}

// Patterns of texts.
const (
	notBlank    = `\S`
	uuidPattern = `^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`
	address     = `^https?://[^/]`
	notEmpty    = `[\s\S]`
	nameGlob    = `^[^\[\]{}\\]+$` // a pattern for names
)

// Severities lists what a severity may be, in their order.
func Severities() []string {
	return []string{string(Low), string(Medium), string(High), string(Critical)}
}

// Bounds returns the bounds of what an Override may say, by its keys; [] stands for the elements of a list.
func Bounds() map[string]Bound {
	unlimited := math.Inf(1)
	key := Bound{From: 1, To: maxFields}
	field := Bound{OneOf: FieldNames()}
	return map[string]Bound{
		"by": key, "by[]": field,
		"details": {To: maxDetails}, "details[]": key, "details[][]": field,
		"threshold":    {To: 100},
		"alert_budget": {Above: true, To: unlimited},
		"min_bytes":    {To: unlimited},
		"max_entities": {From: 1, To: maxMaxEntities},
		"windows":      {From: 1, To: unlimited},
		"windows[]":    {From: float64(time.Minute), To: float64(day)},
		"suppress_for": {To: float64(4 * week)},
		"suppress_by":  GroupBound(), "suppress_by[]": {OneOf: GroupParts()},
		"severity":           {OneOf: Severities()},
		"risk_score":         {To: 100},
		"name":               {Pattern: notBlank},
		"version":            {Pattern: notBlank},
		"uuid":               {Pattern: uuidPattern},
		"reference":          {Pattern: "^$|" + address},
		"related[].id":       {Required: true, Pattern: notEmpty},
		"threat[].framework": {Required: true, Pattern: notEmpty},
		"threat[].tactic":    {Required: true},
		"threat[].tactic.id": {Required: true, Pattern: notEmpty},
	}
}

// FieldNames lists the fields that a key may have, by all names that they have.
func FieldNames() []string {
	names := []string{"destination.ip", "source.ip"} // as ECS says
	for f := range flow.FieldCount {
		names = append(names, flow.Field(f).String())
	}
	return names
}

// GroupBound is how many parts a group may have, as suppress_by says it.
func GroupBound() Bound { return Bound{To: maxGroupParts} }

// GroupParts lists what parts a group may have.
func GroupParts() []string {
	return append([]string{GroupEntity, GroupSource, GroupRule}, FieldNames()...)
}

// ExceptionBounds returns the bounds of what an ExceptionConfig may say, as Bounds does.
func ExceptionBounds() map[string]Bound {
	bounds := trafficBounds()
	bounds["match"] = Bound{Required: true}
	return bounds
}

// CalendarBounds returns the bounds of what a CalendarConfig may say, as Bounds does.
func CalendarBounds() map[string]Bound {
	bounds := trafficBounds()
	bounds["when"] = Bound{From: 1, To: maxWhen, Required: true}
	bounds["when[].start"] = Bound{Required: true}
	bounds["when[].rrule"] = Bound{Pattern: `^$|[fF][rR][eE][qQ]=([dDwWyY]|[mM][oO])`} // daily to yearly
	bounds["when[].duration"] = Bound{Above: true, To: float64(longestAgain)}
	return bounds
}

// trafficBounds are those of what both say.
func trafficBounds() map[string]Bound {
	unlimited := math.Inf(1)
	some := Bound{From: 1, To: unlimited}
	return map[string]Bound{
		"name":      {Required: true, Pattern: notEmpty},
		"action":    some,
		"action[]":  {OneOf: []string{SkipAlert, SkipLearning}},
		"rules":     some,
		"max_bytes": {Above: true, To: unlimited},
	}
}

// MatchBounds returns the bounds of what an ExceptionMatchConfig may say, as Bounds does.
func MatchBounds() map[string]Bound {
	names := Bound{Pattern: nameGlob}
	return map[string]Bound{
		"network_files[]": {Pattern: notBlank},
		"asns[]":          {From: 1, To: math.MaxUint32, Pattern: `^([aA][sS])?[0-9]+$`},
		"side":            {OneOf: []string{SourceSide, DestinationSide}},
		"ports[]":         {From: 1, To: math.MaxUint16, Pattern: `^\s*[0-9]+\s*(-\s*[0-9]+\s*)?$`},
		"countries[]":     {Pattern: `^[A-Za-z]{2}$`},
		"regions[]":       names, "hosts[]": names, "users[]": names, "processes[]": names,
	}
}
