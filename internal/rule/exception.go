package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gaissmai/bart"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ExceptionConfig is one entry of the configuration's exceptions.
type ExceptionConfig struct {
	Name  string               `mapstructure:"name"`
	Match ExceptionMatchConfig `mapstructure:"match"`
	// MaxBytes is how much of the traffic is excepted in a window of ExceptionSpan; nil: all.
	MaxBytes *bytesize.Size `mapstructure:"max_bytes"`
	// Expires is the last day on which it holds; the zero Date: it holds for ever.
	Expires Date `mapstructure:"expires"`
}

// ExceptionMatchConfig says which traffic is excepted: all parts that are named must match,
// a part by any one of its values. At least one part must be named.
type ExceptionMatchConfig struct {
	Networks []string `mapstructure:"networks"` // destinations, in CIDR notation or single addresses
	Ports    []int    `mapstructure:"ports"`    // service ports
	Hosts    []string `mapstructure:"hosts"`    // host names, * for any characters and ? for one
}

// Unmarshal implements confmap.Unmarshaler: an unquoted date, which YAML reads as an
// instant, is taken like the quoted one.
func (c *ExceptionConfig) Unmarshal(conf *confmap.Conf) error {
	if instant, ok := conf.Get("expires").(time.Time); ok {
		text := map[string]any{"expires": instant.Format(time.DateOnly)}
		if err := conf.Merge(confmap.NewFromStringMap(text)); err != nil {
			return err
		}
	}
	return conf.Unmarshal(c)
}

// Date is a calendar day in UTC. The zero Date is no day.
type Date struct{ day time.Time }

// UnmarshalText implements encoding.TextUnmarshaler for days such as 2027-06-30; the empty
// text is no day.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%w: %q is not a day; write it as 2027-06-30", ErrInvalid, text)
	}
	*d = Date{day: day}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the day as 2027-06-30, "" for no day.
func (d Date) String() string {
	if d.day.IsZero() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

// end returns the first nanosecond since the Unix epoch after the day, 0 for no day.
func (d Date) end() int64 {
	if d.day.IsZero() {
		return 0
	}
	return d.day.AddDate(0, 0, 1).UnixNano()
}

// ExceptionSpan is the span of the windows, aligned to the epoch, over which an exception's
// max_bytes counts.
const ExceptionSpan = 3 * time.Hour

// Exceptions decides which flows are known and expected and therefore kept out of the
// baselines. The zero value excepts nothing.
type Exceptions struct {
	list []exception
}

type exception struct {
	name     string
	networks *bart.Lite // nil: any
	ports    []uint16   // nil: any; sorted
	hosts    []string   // nil: any; patterns in lower case
	ends     int64      // nanoseconds since the epoch; 0: never
	ceiling  int64      // bytes a window; unlimited if none
	spent    ledger
}

const unlimited = -1

// NewExceptions compiles a configuration. Its error names every wrong setting by its path
// below "exceptions" and wraps ErrInvalid.
func NewExceptions(configs []ExceptionConfig) (*Exceptions, error) {
	e := &Exceptions{list: make([]exception, 0, len(configs))}
	named := make(map[string]int, len(configs))
	var errs []error
	for i, c := range configs {
		p := &problems{path: fmt.Sprintf("exceptions[%d]", i)}
		if c.Name == "" {
			p.add("name", "it is missing; a name tells counts and logs which exception is meant")
		} else if first, ok := named[c.Name]; ok {
			p.add("name", "%q is also the name of exceptions[%d]; names must differ", c.Name, first)
		}
		named[c.Name] = i
		e.list = append(e.list, compile(c, p))
		errs = append(errs, p.err())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return e, nil
}

func compile(c ExceptionConfig, p *problems) exception {
	x := exception{name: c.Name, ends: c.Expires.end(), ceiling: unlimited}
	if len(c.Match.Networks)+len(c.Match.Ports)+len(c.Match.Hosts) == 0 {
		p.add("match", "it names nothing and would except all traffic; name networks, ports or hosts")
	}
	if c.MaxBytes != nil {
		x.ceiling = int64(*c.MaxBytes)
		if x.ceiling <= 0 {
			p.add("max_bytes", "%d is not above 0; leave it out for no ceiling", x.ceiling)
		}
	}
	for i, text := range c.Match.Networks {
		prefix, err := parseNetwork(text)
		if err != nil {
			p.wrap(fmt.Sprintf("match.networks[%d]", i), err)
			continue
		}
		if x.networks == nil {
			x.networks = new(bart.Lite)
		}
		x.networks.Insert(prefix)
	}
	for i, port := range c.Match.Ports {
		if port < 1 || port > 65535 {
			p.add(fmt.Sprintf("match.ports[%d]", i), "%d is out of 1..65535", port)
			continue
		}
		x.ports = append(x.ports, uint16(port))
	}
	slices.Sort(x.ports)
	for i, pattern := range c.Match.Hosts {
		if pattern == "" || len(pattern) > maxHostPattern || strings.ContainsAny(pattern, `[]{}\`) {
			p.add(fmt.Sprintf("match.hosts[%d]", i),
				"%q is not a pattern; write a host name of at most %d characters with * for any characters and ? for one",
				pattern, maxHostPattern)
			continue
		}
		x.hosts = append(x.hosts, strings.ToLower(pattern))
	}
	return x
}

// parseNetwork reads a CIDR or a single address, IPv4-mapped ones as the IPv4 they stand for.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write it as 198.51.100.0/24 or 2001:db8::/32", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has address bits beyond its length; write %s", text, prefix.Masked())
	}
	const mapped = 96 // ::ffff:0:0/96, RFC 4291
	if prefix.Addr().Is4In6() && prefix.Bits() >= mapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped)
	}
	return prefix, nil
}

// Name returns the name of the exception with index i, as Match returned it.
func (e *Exceptions) Name(i int) string { return e.list[i].name }

// Expired names the exceptions that no longer hold at an instant, to warn about.
func (e *Exceptions) Expired(at time.Time) []string {
	var expired []string
	for _, x := range e.list {
		if x.ends != 0 && at.UnixNano() >= x.ends {
			expired = append(expired, x.name)
		}
	}
	return expired
}

// Match returns the index of the first exception that f falls under, -1 if none. Whether an
// exception has expired is decided by the flow's event time, so that a replay decides as
// the stream did. A flow without a host name is matched by its source address instead.
// Match allocates nothing and is safe for concurrent use.
func (e *Exceptions) Match(f *flow.Flow) int {
	for i := range e.list {
		if e.list[i].matches(f) {
			return i
		}
	}
	return -1
}

func (x *exception) matches(f *flow.Flow) bool {
	if x.ends != 0 && f.Time >= x.ends {
		return false
	}
	if x.networks != nil && !x.networks.Contains(f.Destination) {
		return false
	}
	if x.ports != nil {
		if _, ok := slices.BinarySearch(x.ports, f.Port); !ok {
			return false
		}
	}
	return x.hosts == nil || matchesHost(x.hosts, f)
}

// Admit counts the bytes of f, which Match found under the exception with index i, and
// reports whether f is excepted: false once the bytes of the flow's window exceed max_bytes,
// from when on the exception's flows are ordinary traffic. It counts f.Bytes as they are, so
// running totals must have been made increments before. now is the clock's time: a flow from
// further ahead than a window is not excepted and not counted, so that a wrong clock
// somewhere cannot spend or renew the ceiling; a flow from before the last two windows counts
// in the older of them.
// Admit is not safe for concurrent use.
func (e *Exceptions) Admit(i int, f *flow.Flow, now time.Time) bool {
	x := &e.list[i]
	if x.ceiling == unlimited {
		return true
	}
	if f.Time > now.Add(ExceptionSpan).UnixNano() {
		return false
	}
	return x.spent.add(f.Time, f.Bytes) <= x.ceiling
}
