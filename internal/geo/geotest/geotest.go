// Package geotest writes small MaxMind DB files for tests and demonstrations: sound ones
// of every schema that package geo reads, and damaged ones.
package geotest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Entry is what a database says of one network. An empty field is left out of its record.
type Entry struct {
	Network      string // CIDR; reserved and documentation networks are as good as any
	Country      string // ISO 3166-1 alpha-2
	CountryName  string
	Region       string // English name of the first subdivision
	RegionISO    string // second part of its ISO 3166-2 code
	City         string
	ASN          uint32
	Organization string
}

// Built is the time at which every file of this package claims to have been built.
func Built() time.Time { return time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC) }

// WriteCity writes a City database in MaxMind's schema.
func WriteCity(path string, entries []Entry) error {
	return write(path, mmdbwriter.Options{DatabaseType: "GeoLite2-City"}, entries, cityRecord)
}

// WriteCountry writes a Country database in MaxMind's schema. Regions and cities are left out.
func WriteCountry(path string, entries []Entry) error {
	return write(path, mmdbwriter.Options{DatabaseType: "GeoLite2-Country"}, entries, countryRecord)
}

// WriteRegistered writes a City database that knows of each network only the country
// that it is registered in.
func WriteRegistered(path string, entries []Entry) error {
	return write(path, mmdbwriter.Options{DatabaseType: "GeoLite2-City"}, entries, func(e Entry) mmdbtype.Map {
		return mmdbtype.Map{"registered_country": country(e)}
	})
}

// WriteASN writes an ASN database in MaxMind's schema.
func WriteASN(path string, entries []Entry) error {
	return write(path, mmdbwriter.Options{DatabaseType: "GeoLite2-ASN"}, entries, func(e Entry) mmdbtype.Map {
		m := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(e.ASN)}
		put(m, "autonomous_system_organization", e.Organization)
		return m
	})
}

// WriteFlat writes a database in the flat schema, for IPv4 or for IPv6 alone as
// ipVersion, 4 or 6, says. Like those in circulation it has no description.
func WriteFlat(path string, ipVersion int, entries []Entry) error {
	o := mmdbwriter.Options{
		DatabaseType:        fmt.Sprintf("city ipv%d", ipVersion),
		IPVersion:           ipVersion,
		DisableIPv4Aliasing: true,
	}
	return write(path, o, entries, func(e Entry) mmdbtype.Map {
		m := mmdbtype.Map{"state2": mmdbtype.String(""), "postcode": mmdbtype.String("")}
		put(m, "country_code", e.Country)
		put(m, "state1", e.Region)
		put(m, "city", e.City)
		return m
	})
}

// WriteOther writes a sound database whose records are of no use to package geo.
func WriteOther(path string, entries []Entry) error {
	return write(path, mmdbwriter.Options{DatabaseType: "Weather"}, entries, func(Entry) mmdbtype.Map {
		return mmdbtype.Map{"sky": mmdbtype.String("overcast")}
	})
}

// WriteFile puts content in path's place as updaters of databases do: in one step, by
// renaming a new file.
func WriteFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("writing %q: %w", temporary, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("putting %q in place: %w", filepath.Base(path), err)
	}
	return nil
}

func write(path string, o mmdbwriter.Options, entries []Entry, record func(Entry) mmdbtype.Map) error {
	o.BuildEpoch = Built().Unix()
	o.IncludeReservedNetworks = true
	o.RecordSize = 24
	tree, err := mmdbwriter.New(o)
	if err != nil {
		return fmt.Errorf("new %s database: %w", o.DatabaseType, err)
	}
	for _, e := range entries {
		_, network, err := net.ParseCIDR(e.Network)
		if err != nil {
			return fmt.Errorf("entry of %s database: %w", o.DatabaseType, err)
		}
		if err := tree.Insert(network, record(e)); err != nil {
			return fmt.Errorf("inserting %s: %w", e.Network, err)
		}
	}
	var content bytes.Buffer
	if _, err := tree.WriteTo(&content); err != nil {
		return fmt.Errorf("serialising %s database: %w", o.DatabaseType, err)
	}
	return WriteFile(path, content.Bytes())
}

func cityRecord(e Entry) mmdbtype.Map {
	m := countryRecord(e)
	if e.Region != "" || e.RegionISO != "" {
		region := named(e.Region)
		put(region, "iso_code", e.RegionISO)
		m["subdivisions"] = mmdbtype.Slice{region, named("second subdivision, to be left unread")}
	}
	if e.City != "" {
		m["city"] = named(e.City)
	}
	m["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(1.5), "longitude": mmdbtype.Float64(2.5)}
	return m
}

func countryRecord(e Entry) mmdbtype.Map {
	m := mmdbtype.Map{}
	if e.Country != "" {
		m["country"] = country(e)
		m["registered_country"] = mmdbtype.Map{"iso_code": mmdbtype.String("AQ")}
	}
	return m
}

func country(e Entry) mmdbtype.Map {
	m := named(e.CountryName)
	put(m, "iso_code", e.Country)
	return m
}

func named(name string) mmdbtype.Map {
	m := mmdbtype.Map{}
	if name != "" {
		m["names"] = mmdbtype.Map{"en": mmdbtype.String(name), "de": mmdbtype.String("nicht " + name)}
	}
	return m
}

func put(m mmdbtype.Map, key, value string) {
	if value != "" {
		m[mmdbtype.String(key)] = mmdbtype.String(value)
	}
}
