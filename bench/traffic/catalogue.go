package traffic

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed catalogue.yaml
var catalogue []byte

// ErrCatalogue is wrapped by every error about a catalogue that cannot be read.
var ErrCatalogue = errors.New("catalogue of thefts")

// Kind is one way to steal: an entry of the catalogue, with one value for each
// of its lists.
type Kind struct {
	Name         string
	Shape        Shape
	Port, Region Rarity
	PortNumber   uint16  // if not 0: this port, however much it is used
	Multiple     float64 // size in each window in which it is active, in yardsticks (see Profile.Yardstick); 0: Bytes
	Bytes        int64   // in all; 0: Multiple
	Duration     time.Duration
	Hosts        int
	Flows        int            // of each host; 0: one a minute, each of 200 kB at least
	Days         []time.Weekday // of a trickle
	Process      string
}

// entry is how the catalogue's file says it.
type entry struct {
	Kind      string          `yaml:"kind"`
	Shape     Shape           `yaml:"shape"`
	Ports     []Rarity        `yaml:"ports"`
	Regions   []Rarity        `yaml:"regions"`
	Port      uint16          `yaml:"port"`
	Sizes     []string        `yaml:"sizes"`
	Durations []time.Duration `yaml:"durations"`
	Hosts     []int           `yaml:"hosts"`
	Flows     int             `yaml:"flows"`
	Days      []string        `yaml:"days"`
	Process   string          `yaml:"process"`
}

// Catalogue returns the built-in kinds of thefts.
func Catalogue() ([]Kind, error) { return ParseCatalogue(catalogue) }

// ParseCatalogue reads a catalogue of thefts: YAML, a list of entries as catalogue.yaml
// explains them. Each entry gives one kind for each combination of its lists' values.
// What cannot be read gives an error that wraps [ErrCatalogue].
func ParseCatalogue(text []byte) ([]Kind, error) {
	var entries []entry
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&entries); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalogue, err)
	}
	var kinds []Kind
	for i := range entries {
		more, err := entries[i].kinds()
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d, %q: %w", ErrCatalogue, i+1, entries[i].Kind, err)
		}
		kinds = append(kinds, more...)
	}
	return kinds, nil
}

func (e *entry) kinds() ([]Kind, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	days, err := weekdays(e.Days)
	if err != nil {
		return nil, err
	}
	ports, hosts := e.Ports, e.Hosts
	if e.Port != 0 {
		ports = []Rarity{""}
	}
	if len(hosts) == 0 {
		hosts = []int{1}
	}
	var kinds []Kind
	for _, text := range e.Sizes {
		multiple, size, err := parseSize(text)
		if err != nil {
			return nil, err
		}
		for _, port := range ports {
			for _, region := range e.Regions {
				for _, long := range e.Durations {
					for _, n := range hosts {
						kinds = append(kinds, Kind{
							Name: e.Kind, Shape: e.Shape, Port: port, Region: region, PortNumber: e.Port,
							Multiple: multiple, Bytes: size, Duration: long, Hosts: n, Flows: e.Flows, Days: days, Process: e.Process,
						})
					}
				}
			}
		}
	}
	return kinds, nil
}

func (e *entry) validate() error {
	known := []Rarity{Unused, Rare, Quiet, Busy}
	unknown := func(r Rarity) bool { return !slices.Contains(known, r) }
	switch {
	case e.Kind == "":
		return errors.New("it has no kind; give it a name")
	case !slices.Contains(shapes(), e.Shape):
		return fmt.Errorf("shape %q; known are %v", e.Shape, shapes())
	case (e.Port == 0) == (len(e.Ports) == 0):
		return errors.New("give either ports, by how much they are used, or one port by number")
	case len(e.Regions) == 0 || len(e.Sizes) == 0 || len(e.Durations) == 0:
		return errors.New("regions, sizes and durations must each have at least one value")
	case slices.ContainsFunc(e.Ports, unknown) || slices.ContainsFunc(e.Regions, unknown):
		return fmt.Errorf("ports %v to regions %v; known are %v", e.Ports, e.Regions, known)
	case slices.ContainsFunc(e.Durations, func(d time.Duration) bool { return d < time.Second }):
		return fmt.Errorf("durations %v; give a second at least", e.Durations)
	case slices.ContainsFunc(e.Hosts, func(n int) bool { return n < 1 }):
		return fmt.Errorf("hosts %v; give at least 1", e.Hosts)
	case e.Flows < 0:
		return fmt.Errorf("flows is %d; give 0 or more", e.Flows)
	}
	return nil
}

// parseSize reads "3x" (yardsticks a window) or "300 MB" (bytes in all; kB, MB, GB, decimal).
func parseSize(text string) (multiple float64, size int64, err error) {
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"x", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		number, found := strings.CutSuffix(text, u.suffix)
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0 && v*u.factor < 1e15) {
			break
		}
		if u.suffix == "x" {
			return v, 0, nil
		}
		return 0, int64(v * u.factor), nil
	}
	return 0, 0, fmt.Errorf("size %q; give yardsticks a window, as in 3x, or bytes, as in 300 MB", text)
}

func weekdays(names []string) ([]time.Weekday, error) {
	var days []time.Weekday
	for _, name := range names {
		found := false
		for d := time.Sunday; d <= time.Saturday; d++ {
			if strings.EqualFold(d.String(), name) {
				days, found = append(days, d), true
			}
		}
		if !found {
			return nil, fmt.Errorf("day %q; give a day of the week in English", name)
		}
	}
	return days, nil
}
