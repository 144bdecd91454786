package rule

import "slices"

// SeverityBand gives all alerts from a score on one severity, whatever their rules say.
type SeverityBand struct {
	From     float64  `mapstructure:"from"`     // the least score, above 0 and at most 100
	Severity Severity `mapstructure:"severity"` // of the alerts that reach it
}

// SeverityAt returns the severity of the highest of the bands, in whatever order, that a score reaches;
// ok is false where it reaches none.
func SeverityAt(bands []SeverityBand, score float64) (severity Severity, ok bool) {
	from := 0.0
	for _, band := range bands {
		if score >= band.From && (!ok || band.From > from) {
			severity, from, ok = band.Severity, band.From, true
		}
	}
	return severity, ok
}

// Rank orders severities, from 0 for low; it is negative for what is none.
func (s Severity) Rank() int {
	return slices.Index([]Severity{Low, Medium, High, Critical}, s)
}
