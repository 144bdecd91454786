package alert

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// taken is how long it took from the entity's first record in the window until the decision.
func taken(f *detector.Finding) time.Duration {
	if f.Phase == detector.Closing {
		return f.Span
	}
	return max(0, f.Time.Sub(began(f)))
}

// began is when the entity's first record in the window was.
func began(f *detector.Finding) time.Time {
	if f.First.Before(f.WindowStart) {
		return f.WindowStart
	}
	return f.First
}

// explanation says in plain sentences which part of the verdict weighed how much, what it was
// compared with, and how far it may be trusted.
func explanation(f *detector.Finding) string {
	subject := combination(part(f))
	sentences := make([]string, 0, 8)
	if len(f.DetailFields) > 0 {
		sentences = append(sentences, fmt.Sprintf("What is unusual is %s, not %s as a whole.", subject, combination(f.Fields, f.Values)))
	}
	sentences = append(sentences, surprise(f, subject), silence(f), history(f), trust(f))
	if who := largest(f); who != "" {
		sentences = append(sentences, who)
	}
	if f.State == detector.Warming {
		sentences = append(sentences, "The baselines are young yet: expect more false alarms than later.")
	}
	return strings.Join(sentences, " ")
}

// weights returns the shares of the two parts that add up to the verdict, "" where they are none.
func weights(f *detector.Finding) (surprise, silence string) {
	total := f.Why.Surprise + f.Why.Silence
	if !(total > 0) || math.IsInf(total, 1) || f.Why.Surprise < 0 || f.Why.Silence < 0 {
		return "", ""
	}
	part := math.Round(100 * f.Why.Surprise / total)
	return fmt.Sprintf(" (weight %.0f %%)", part), fmt.Sprintf(" (weight %.0f %%)", 100-part)
}

func surprise(f *detector.Finding, subject string) string {
	weight, _ := weights(f)
	deviations := strconv.FormatFloat(math.Abs(finite(f.Why.Deviation)), 'f', 1, 64)
	side := "above"
	if f.Why.Deviation < 0 {
		side = "below"
	}
	when := ""
	if f.Why.Season {
		when = " at this hour"
	}
	return fmt.Sprintf("The bytes are %s deviations %s the %s that is typical of %s%s%s.",
		deviations, side, size(f.Typical), subject, when, weight)
}

func silence(f *detector.Finding) string {
	_, weight := weights(f)
	windows := "windows"
	if f.Why.Season {
		windows = "windows at such hours"
	}
	return fmt.Sprintf("That it is active at all was to be expected in %s of %s%s.", percent(min(1, math.Exp(-finite(f.Why.Silence)))), windows, weight)
}

func history(f *detector.Finding) string {
	switch {
	case f.FirstSeen:
		return "It was never seen before, so it is compared with what others send when they are new."
	case f.Why.Peers:
		return fmt.Sprintf("It was active in %s before, too few to stand on, so it is mostly compared with others of its age.", count(f.Windows, "window"))
	default:
		return fmt.Sprintf("It is compared with its own %s.", count(f.Windows, "active window"))
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return decimal(n) + " " + noun + "s"
}

// leastExpected is the least number of false alarms a week that is worth a figure: beyond it, the fitted tail is
// stretched further than anybody has observed.
const leastExpected = 0.001

func trust(f *detector.Finding) string {
	if !f.Why.Calibrated {
		return "The score is nominal: there are not yet enough ordinary windows to fit its tail to."
	}
	expected := digits(f.FalseAlarms)
	if f.FalseAlarms < leastExpected {
		expected = "less than " + digits(leastExpected)
	}
	return fmt.Sprintf("By this deployment's own ordinary windows, %s false alarms a week and rule are to be expected at this score.", expected)
}

// largest names the sender of more than half of the bytes.
func largest(f *detector.Finding) string {
	c := machines(f)
	if len(c.Values) == 0 || !dominates(c, f) {
		return ""
	}
	return fmt.Sprintf("%s sent %s of the bytes.", readable(c.Values[0]), percent(min(1, float64(c.Bytes[0])/float64(f.Actual))))
}

// dominates reports whether the largest contributor of a field sent more than half of the bytes.
func dominates(c detector.Contribution, f *detector.Finding) bool {
	return len(c.Bytes) > 0 && c.Bytes[0] > f.Actual/2
}

// combination names an entity: "port 4444", "host ws-17 on port 443", "port 443 towards region California".
func combination(fields []flow.Field, values []string) string {
	var b strings.Builder
	for pass := range 2 { // senders first
		for i, field := range fields {
			if isSender(field) != (pass == 0) {
				continue
			}
			switch {
			case b.Len() == 0:
			case field == flow.DestinationPort:
				b.WriteString(" on ")
			case isSender(field):
				b.WriteString(" with ")
			default:
				b.WriteString(" towards ")
			}
			b.WriteString(phrase(field, values[i], true))
		}
	}
	return b.String()
}
