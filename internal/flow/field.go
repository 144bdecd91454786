package flow

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field is a property of a flow that a rule may key on and that an alert may name.
type Field uint8

// The fields, named in configuration and alerts as String gives them.
const (
	DestinationPort Field = iota
	DestinationRegion
	DestinationCountry
	DestinationAddress
	Host
	SourceAddress
	User
	Process
	FieldCount int = iota
)

var fieldNames = [FieldCount]string{
	DestinationPort:    "destination.port",
	DestinationRegion:  "destination.geo.region_name",
	DestinationCountry: "destination.geo.country_iso_code",
	DestinationAddress: "destination.address",
	Host:               "host.name",
	SourceAddress:      "source.address",
	User:               "user.name",
	Process:            "process.name",
}

// String returns the field's attribute name, for example "destination.port".
func (f Field) String() string {
	if int(f) >= FieldCount {
		return "unknown"
	}
	return fieldNames[f]
}

// ErrUnknownField is wrapped by ParseField's error.
var ErrUnknownField = errors.New("unknown field")

// ParseField is the inverse of Field.String. "destination.ip" and "source.ip", as ECS
// says, are taken for the addresses.
func ParseField(name string) (Field, error) {
	switch name {
	case "destination.ip":
		return DestinationAddress, nil
	case "source.ip":
		return SourceAddress, nil
	}
	if i := slices.Index(fieldNames[:], name); i >= 0 {
		return Field(i), nil
	}
	return 0, fmt.Errorf("%w %q; known are %s", ErrUnknownField, name, strings.Join(fieldNames[:], ", "))
}

// Value returns the flow's value of f as text, "" where the flow has none. The
// host of a flow that names none is its source address. It may allocate.
func (f Field) Value(fl *Flow) string {
	switch f {
	case DestinationPort:
		if fl.Port == 0 {
			return ""
		}
		return strconv.Itoa(int(fl.Port))
	case DestinationRegion:
		return fl.Place.Region
	case DestinationCountry:
		return fl.Place.Country
	case DestinationAddress:
		return AddressText(fl.Destination)
	case Host:
		if fl.Host != "" {
			return fl.Host
		}
		return AddressText(fl.Source)
	case SourceAddress:
		return AddressText(fl.Source)
	case User:
		return fl.User
	case Process:
		return fl.Process
	}
	return ""
}
