package observer

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/backlog"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo"
	"github.com/otel-exfil/exfil/internal/pseudonym"
	"github.com/otel-exfil/exfil/internal/rule"
)

// shared is what nobody learns anything into: it is there once, whoever's traffic is looked at.
type shared struct {
	logger  *zap.Logger
	now     func() time.Time
	config  *config.Config
	version string // of the collector or component, named in alerts
	inForce        // the rules and what follows from them; Observer.cut is held for writing while they change

	partition partition
	decoder   *decode.Decoder
	scope     *flow.Scope
	places    geo.Options
	locator   *geo.Locator // set by Start

	// pseudonyms take the place of names before anything is kept; nil: nothing is hashed.
	pseudonyms *pseudonym.Pseudonyms

	// matcher finds the exceptions that flows fall under. What they spend is each tenant's own.
	matcher  *rule.Exceptions
	calendar *rule.Exceptions // the same of calendars

	// warned has, where tenants are told apart, of which exceptions and calendars that end somebody was warned.
	warned sync.Map

	brief    int  // work of closing windows that is done at once, see backlog.New
	top      int  // entities of a rule and window whose gauges are wanted; 0: none
	discards bool // alerts are not queued: there is nowhere to deliver them to
}

// inForce are the rules that are at work.
type inForce struct {
	rules   []rule.Rule
	digest  string       // see rule.Digest
	watched flow.RuleSet // all of them
	writer  *alert.Writer
}

func (s *shared) newInForce(rules []rule.Rule) (f inForce, err error) {
	f.rules, f.digest = rules, rule.Digest(rules)
	for i := range rules {
		f.watched |= flow.RuleNumber(i)
	}
	f.writer, err = alert.NewWriter(rules, alert.Options{
		Schema: s.config.Alerts.Schema, Version: s.version, ASN: s.asn, SeverityByScore: s.config.Alerts.SeverityByScore,
		Drilldown: s.config.Alerts.Drilldown,
	})
	return f, err
}

func newShared(cfg *config.Config, s Settings) (*shared, error) {
	all, err := cfg.AllRules()
	if err != nil {
		return nil, err
	}
	decoder, err := decode.New(cfg.DecodeInputs())
	if err != nil {
		return nil, err
	}
	sh := &shared{
		logger:    s.Logger,
		now:       s.Now,
		config:    cfg,
		version:   s.BuildVersion,
		brief:     math.MaxInt,
		partition: partitionOf(cfg),
		decoder:   decoder,
		scope:     flow.NewScope(cfg.Networks.Prefixes()),
		places: geo.Options{
			Database:       cfg.Geo.Database,
			ASNDatabase:    cfg.Geo.ASNDatabase,
			ReloadInterval: cfg.Geo.ReloadInterval,
			Logger:         s.Logger,
		},
		pseudonyms: cfg.Contributors.Pseudonyms(),
	}
	if s.Background {
		sh.brief = backlog.Brief
	}
	if err := sh.equipExceptions(all); err != nil {
		return nil, err
	}
	if sh.inForce, err = sh.newInForce(cfg.Enabled(all)); err != nil {
		return nil, err
	}
	return sh, nil
}

// detection is Detection of the rules, with the pseudonyms that flows bring.
func (s *shared) detection(rules []rule.Rule) detector.Settings {
	settings := Detection(s.config, rules)
	settings.Pseudonyms = s.pseudonyms
	return settings
}

// open opens the databases and the files of networks and, if they are to be reloaded, watches them until close.
func (s *shared) open() error {
	locator, err := geo.Open(s.places)
	if err != nil {
		return err
	}
	if err := s.openNetworkFiles(s.places.ReloadInterval); err != nil {
		return err
	}
	s.locator = locator
	locator.Start()
	return nil
}

func (s *shared) close() error {
	s.matcher.Close()
	s.calendar.Close()
	if s.locator == nil {
		return nil
	}
	return s.locator.Close()
}

func (s *shared) asn(addr netip.Addr) (uint32, string, bool) {
	if s.locator == nil {
		return 0, "", false
	}
	return s.locator.ASN(addr)
}

// Databases lists the databases in service; none before Start.
func (s *shared) Databases() []geo.Source {
	if s.locator == nil {
		return nil
	}
	return s.locator.Sources()
}
