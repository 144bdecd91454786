package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/gaissmai/bart"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/condition"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Bounds of what an exception may say, in characters.
const (
	maxExceptionName = 128
	maxOwner         = 128
	maxReason        = 512
)

// NewExceptions compiles a configuration. It reads no file, see Open. Its error names every wrong setting by its path
// below "exceptions" and wraps ErrInvalid.
func NewExceptions(configs []ExceptionConfig, o ExceptionOptions) (*Exceptions, error) {
	if len(configs) > MaxExceptions {
		p := &problems{}
		p.add("exceptions", "%d are too many; at most %d, but one may name any number of networks", len(configs), MaxExceptions)
		return nil, p.err()
	}
	e, err := assemble("exceptions", configs, o, (*Exceptions).compileException)
	if err != nil {
		return nil, err
	}
	e.sieve = newSieve(e.list)
	return e, nil
}

// assemble compiles the entries below a key of the configuration.
func assemble[C any](key string, configs []C, o ExceptionOptions, compile func(*Exceptions, *C, ExceptionOptions, *problems) exception) (*Exceptions, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	e := &Exceptions{
		key: key, list: make([]exception, 0, len(configs)), asn: o.ASN, logger: o.Logger, numbered: new(atomic.Pointer[[]flow.RuleSet]),
	}
	numbers := make([]flow.RuleSet, len(configs))
	named := make(map[string]string, len(configs))
	var errs []error
	for i := range configs {
		path := fmt.Sprintf("%s[%d]", key, i)
		naming, p := &problems{path: path}, &problems{path: path}
		x := compile(e, &configs[i], o, p)
		checkName(naming, x.name, named)
		named[x.name] = path
		numbers[i] = x.number(o.Rules, p)
		x.counts.since = o.Now
		e.list = append(e.list, x)
		errs = append(errs, naming.err(), p.err())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e.numbered.Store(&numbers)
	return e, nil
}

// Renumber makes exceptions and calendars hold for the rules that there are from now on, as ExceptionOptions has them. Flows that are
// matched meanwhile may be matched by the rules before. After an error, as of NewExceptions, all is as it was.
func Renumber(rules []Rule, sets ...*Exceptions) error {
	all := make([][]flow.RuleSet, len(sets))
	var errs []error
	for s, e := range sets {
		all[s] = make([]flow.RuleSet, len(e.list))
		for i := range e.list {
			p := &problems{path: fmt.Sprintf("%s[%d]", e.key, i)}
			all[s][i] = e.list[i].number(rules, p)
			errs = append(errs, p.err())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for s, e := range sets {
		if e.numbered != nil {
			e.numbered.Store(&all[s])
		}
	}
	return nil
}

// checkName holds a name against those before, each with its path.
func checkName(p *problems, name string, named map[string]string) {
	if name == "" {
		p.add("name", "it is missing; a name tells counts and logs what is meant")
	} else if first, ok := named[name]; ok {
		p.add("name", "%q is also the name of %s; names must differ", name, first)
	}
	checkText(p, "name", name, maxExceptionName)
}

// checkText holds a text that telemetry and logs show to one line of a bounded length.
func checkText(p *problems, key, text string, most int) {
	if n := utf8.RuneCountInString(text); n > most {
		p.add(key, "it is %d characters long; at most %d", n, most)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		p.add(key, "%q has characters that cannot be shown; write one line of text", text)
	}
}

func (e *Exceptions) compileException(c *ExceptionConfig, o ExceptionOptions, p *problems) exception {
	if c.Match.namesNothing() {
		p.add("match", "it names nothing and would except all traffic; name networks, ports, hosts or another part")
	}
	x := e.compile(c, o, p)
	x.ends = c.Expires.end()
	return x
}

// compile compiles what exceptions and calendars have in common.
func (e *Exceptions) compile(c *ExceptionConfig, o ExceptionOptions, p *problems) exception {
	x := exception{name: c.Name, owner: c.Owner, reason: c.Reason, rules: c.Rules, ceiling: unlimited}
	checkText(p, "owner", c.Owner, maxOwner)
	checkText(p, "reason", c.Reason, maxReason)
	x.takeActions(c.Action, p)
	if c.MaxBytes != nil {
		x.ceiling = int64(*c.MaxBytes)
		if x.ceiling <= 0 {
			p.add("max_bytes", "%d is not above 0; leave it out for no ceiling", x.ceiling)
		}
	}
	m := &c.Match
	x.takeNetworks(m, p)
	x.files = e.openLater(m.NetworkFiles, p)
	x.takeASNs(m.ASNs, o.ASN, p)
	x.takePorts(m.Ports, p)
	x.takeCountries(m.Countries, p)
	x.regions = patterns(m.Regions, "match.regions", p)
	x.hosts = patterns(m.Hosts, "match.hosts", p)
	x.users = patterns(m.Users, "match.users", p)
	x.processes = patterns(m.Processes, "match.processes", p)
	x.takeConditions(m.Conditions, p)
	return x
}

func (m *ExceptionMatchConfig) namesNothing() bool {
	return len(m.Networks)+len(m.NetworkFiles)+len(m.ASNs)+len(m.Ports)+len(m.Regions)+len(m.Countries)+
		len(m.Hosts)+len(m.Users)+len(m.Processes)+len(m.Conditions) == 0
}

func (x *exception) takeActions(actions []string, p *problems) {
	if actions == nil {
		return
	}
	x.alert, x.learns = true, true
	if len(actions) == 0 {
		p.add("action", "it names nothing, so that nothing would be done; write %s or %s, or leave it out for both", SkipAlert, SkipLearning)
	}
	for i, action := range actions {
		switch action {
		case SkipAlert:
			x.alert = false
		case SkipLearning:
			x.learns = false
		default:
			p.add(fmt.Sprintf("action[%d]", i), "%q is unknown; write %s or %s", action, SkipAlert, SkipLearning)
		}
	}
}

// number returns the set of the rules that it holds for, numbered among those that are enabled. A disabled one is fine, and nothing is
// excepted for it.
func (x *exception) number(rules []Rule, p *problems) (set flow.RuleSet) {
	if x.rules == nil {
		return flow.AllRules
	}
	if len(x.rules) == 0 {
		p.add("rules", "it names none, so that nothing would be done; leave it out for all rules")
	}
	if rules == nil {
		return 0
	}
	for i, id := range x.rules {
		key := fmt.Sprintf("rules[%d]", i)
		at := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
		if at < 0 {
			p.add(key, "no such rule %q; there are %s", id, strings.Join(idsOfRules(rules), ", "))
			continue
		}
		if !rules[at].Enabled {
			continue
		}
		number := 0
		for _, r := range rules[:at] {
			if r.Enabled {
				number++
			}
		}
		if number >= flow.TellableRules {
			p.add(key, "%q is not among the first %d enabled rules by id, and no more are told apart; leave rules out, or disable some",
				id, flow.TellableRules)
		}
		set |= flow.RuleNumber(number)
	}
	return set
}

func idsOfRules(rules []Rule) (ids []string) {
	for i := range rules {
		ids = append(ids, rules[i].ID)
	}
	return ids
}

func (x *exception) takeNetworks(m *ExceptionMatchConfig, p *problems) {
	for i, text := range m.Networks {
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
	switch m.Side {
	case "", DestinationSide:
	case SourceSide:
		x.ofSource = true
	default:
		p.add("match.side", "%q is no side; write %s or %s", m.Side, SourceSide, DestinationSide)
	}
	if m.Side != "" && len(m.Networks)+len(m.NetworkFiles)+len(m.ASNs) == 0 {
		p.add("match.side", "%q is of no use without networks, network_files or asns; name some, or remove it", m.Side)
	}
}

// openLater notes files to read, each once however many exceptions name it.
func (e *Exceptions) openLater(paths []string, p *problems) (files []*networkFile) {
	for i, path := range paths {
		if strings.TrimSpace(path) == "" {
			p.add(fmt.Sprintf("match.network_files[%d]", i), "%q is blank; write the path of a file with one network a line", path)
			continue
		}
		at := slices.IndexFunc(e.files, func(f *networkFile) bool { return f.path == path })
		if at < 0 {
			at = len(e.files)
			e.files = append(e.files, &networkFile{path: path})
		}
		files = append(files, e.files[at])
	}
	return files
}

func (x *exception) takeASNs(asns []any, lookup ASNLookup, p *problems) {
	if len(asns) > 0 && lookup == nil {
		p.add("match.asns", "nothing is known of autonomous systems; set geo.asn_database")
	}
	for i, v := range asns {
		text := strings.TrimPrefix(strings.ToUpper(fmt.Sprint(v)), "AS")
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 {
			p.add(fmt.Sprintf("match.asns[%d]", i), "%v is not the number of an autonomous system; write 64496 or AS64496", v)
			continue
		}
		x.asns = append(x.asns, uint32(n))
	}
	slices.Sort(x.asns)
}

func (x *exception) takePorts(ports []any, p *problems) {
	for i, v := range ports {
		r, err := parsePorts(fmt.Sprint(v))
		if err != nil {
			p.wrap(fmt.Sprintf("match.ports[%d]", i), err)
			continue
		}
		x.ports = append(x.ports, r)
	}
	slices.SortFunc(x.ports, func(a, b portRange) int { return cmp.Compare(a.first, b.first) })
	joined := x.ports[:0]
	for _, r := range x.ports {
		if last := len(joined) - 1; last >= 0 && r.first <= joined[last].last {
			joined[last].last = max(joined[last].last, r.last)
			continue
		}
		joined = append(joined, r)
	}
	x.ports = joined
}

// parsePorts reads a port or a range of ports.
func parsePorts(text string) (portRange, error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, errFirst := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	last, errLast := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	switch {
	case errFirst != nil || errLast != nil:
		return portRange{}, fmt.Errorf("%q is no port; write a number such as 443 or a range such as 6000-6010", text)
	case first < 1 || last < 1 || first > math.MaxUint16 || last > math.MaxUint16:
		return portRange{}, fmt.Errorf("%s is out of 1..65535", text)
	case last < first:
		return portRange{}, fmt.Errorf("%s ends before it begins; write %d-%d", text, last, first)
	}
	return portRange{uint16(first), uint16(last)}, nil
}

func (x *exception) takeCountries(countries []string, p *problems) {
	for i, code := range countries {
		code = strings.ToUpper(code)
		if len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			p.add(fmt.Sprintf("match.countries[%d]", i), "%q is not a country; write the two letters of ISO 3166-1, such as DE", countries[i])
			continue
		}
		x.countries = append(x.countries, code)
	}
}

func (x *exception) takeConditions(texts []string, p *problems) {
	if len(texts) == 0 {
		return
	}
	var err error
	if x.conditions, err = condition.Parse(texts); err != nil {
		p.wrap("match.conditions", err)
	}
}
