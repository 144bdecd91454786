package peers

import (
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// Spec is one of the methods, as its description has it and at its best.
type Spec struct {
	Name   string
	Source string // what describes it, in public
	// Default returns the method untuned. Threshold is the score that the description alarms at; where
	// it leaves the number to the user, a usual one.
	Default   func() score.Method
	Threshold float64
	// Tuned returns the method at its best fixed setting, and TunedThreshold is the score that found most
	// within one false alarm a week and rule, both on the traffic that it was tuned on.
	Tuned          func() score.Method
	TunedThreshold float64
	How            string // how the tuned setting was found
}

// forestSeed is for the methods that draw random numbers.
const forestSeed = 7

// how says how the tuned setting was found, and what it reached there.
func how(settings int, recall, precision float64) string {
	return fmt.Sprintf("go run ./bench/peers/tune: the best of %d settings, each at its best threshold, on the organisations of seeds 1 to 3 "+
		"(six weeks, 32 thefts of the catalogue each): highest recall at one false alarm a week and rule (%.3f), then highest average precision (%.3f)",
		settings, recall, precision)
}

// All returns every method, in the order of how much it knows.
func All() []Spec {
	return []Spec{
		fixedSpec("fixed bytes, 1 h", time.Hour, 1e10, 0.073, 0.117),
		fixedSpec("fixed bytes, 3 h", 3*time.Hour, 1.58e10, 0.073, 0.115),
		firstSeenSpec(),
		weekSpec(),
		sigmaSpec("3 sigma, 1 h", time.Hour, 516, 0.802, 0.777),
		sigmaSpec("3 sigma, 3 h", 3*time.Hour, 232.8, 0.865, 0.815),
		ewmaSpec(),
		decompositionSpec(),
		populationSpec(),
		isolationSpec(),
		randomCutSpec(),
	}
}

func fixedSpec(name string, span time.Duration, threshold, recall, precision float64) Spec {
	const gigabyte = 1e9
	return Spec{
		Name: name, Source: "threshold rules of Splunk, Elastic Security, Grafana",
		Default: FixedBytes{Span: span}.New, Threshold: gigabyte,
		Tuned: FixedBytes{Span: span}.New, TunedThreshold: threshold, How: how(1, recall, precision),
	}
}

func firstSeenSpec() Spec {
	return Spec{
		Name: "first seen", Source: "new-terms rules of Elastic Security; First Time Seen of Splunk Security Essentials",
		Default: FirstSeen{Memory: 14 * day, Span: day}.New, Threshold: 1e7,
		Tuned: FirstSeen{Memory: week, Span: week}.New, TunedThreshold: 7.9e5, How: how(16, 0.781, 0.705),
	}
}

func weekSpec() Spec {
	return Spec{
		Name: "week over week", Source: "Datadog, change alerts and week_before; Splunk, timewrap",
		Default: WeekOverWeek{Span: time.Hour, Floor: 1e6}.New, Threshold: 3,
		Tuned: WeekOverWeek{Span: day, Floor: 3e5}.New, TunedThreshold: 559, How: how(15, 0.198, 0.201),
	}
}

func sigmaSpec(name string, span time.Duration, threshold, recall, precision float64) Spec {
	return Spec{
		Name: name, Source: "Shewhart 1931; Splunk, finding and removing outliers",
		Default: Sigma{Span: span, Back: week}.New, Threshold: 3,
		Tuned: Sigma{Span: span, Back: week, Floor: 1e6}.New, TunedThreshold: threshold, How: how(12, recall, precision),
	}
}

func ewmaSpec() Spec {
	return Spec{
		Name: "EWMA of ln bytes", Source: "Roberts 1959; MacGregor and Harris 1993",
		Default: EWMA{Span: 3 * time.Hour, HalfLife: week, Unit: 1, Least: 0.1}.New, Threshold: 3,
		Tuned: EWMA{Span: 3 * time.Hour, HalfLife: 5 * day, Floor: 3e5, Unit: 3e3, Least: 0.1}.New, TunedThreshold: 5.894, How: how(256, 0.906, 0.829),
	}
}

func decompositionSpec() Spec {
	return Spec{
		Name: "seasonal decomposition", Source: "Microsoft Sentinel, Time series anomaly for data size transferred to public internet; Kusto, series_decompose_anomalies",
		Default: Decomposition{Back: 14 * day, Floor: 1e7}.New, Threshold: 5,
		Tuned: Decomposition{Back: 14 * day, Floor: 1e6, Logs: true, Slack: 0.03}.New, TunedThreshold: 130.9, How: how(54, 0.760, 0.599),
	}
}

func populationSpec() Spec {
	return Spec{
		Name: "population", Source: "Elastic, data exfiltration detection, high_sum over all values of a field",
		Default: Population{Span: 3 * time.Hour, HalfLife: 14 * day}.New, Threshold: 3,
		Tuned: Population{Span: 3 * time.Hour, HalfLife: 56 * day}.New, TunedThreshold: 3.3, How: how(6, 0.062, 0.107),
	}
}

func isolationSpec() Spec {
	return Spec{
		Name: "isolation forest", Source: "Liu, Ting and Zhou 2008",
		Default: IsolationForest{Span: time.Hour, Trees: 100, Seed: forestSeed}.New, Threshold: 0.6,
		Tuned: IsolationForest{Span: 3 * time.Hour, Trees: 100, Floor: 1e6, Own: true, Seed: forestSeed}.New, TunedThreshold: 0.732, How: how(12, 0.271, 0.450),
	}
}

func randomCutSpec() Spec {
	return Spec{
		Name: "random cut forest", Source: "Guha, Mishra, Roy and Schrijvers 2016; Amazon Kinesis; OpenSearch",
		Default: RandomCutForest{Span: 3 * time.Hour, Shingle: 4, Trees: 32, Points: 128, Floor: 1e6, Unit: 1, Seed: forestSeed}.New, Threshold: 16,
		Tuned: RandomCutForest{Span: 3 * time.Hour, Shingle: 1, Trees: 32, Points: 128, Floor: 1e8, Unit: 1, Seed: forestSeed}.New, TunedThreshold: 69.8,
		// Whatever is largest so far displaces all points of a tree, so that many windows share the highest score there is. A lower
		// floor has far more precision on average (0.71 from 1 MB), but no threshold within the budget.
		How: how(16, 0.240, 0.141),
	}
}
