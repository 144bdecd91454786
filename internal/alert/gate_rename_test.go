package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// renewed is a naming by which all names are new ones.
func renewed() Naming {
	return Naming{
		By: func(rule string) []flow.Field {
			if rule != "unusual_destination_port" {
				return nil
			}
			return []flow.Field{flow.DestinationPort}
		},
		Name: func(_ []flow.Field, values []string) []string {
			return mapped(values, func(value string) string {
				if value == "" {
					return ""
				}
				return "new " + strings.TrimPrefix(value, "new ")
			})
		},
	}
}

// Given what has alerted under one name and then goes by another, then it is held back as ever under that, what was held back is
// summed up under it, and the old names are nowhere any more.
func TestWhatHasAlertedIsHeldBackUnderItsNewName(t *testing.T) {
	for name, by := range map[string]rule.Grouping{
		"by entity and source": {Entity: true, Source: true},
		"by source":            {Source: true},
		"by user and process":  {Fields: []flow.Field{flow.User, flow.Process}},
		"by both":              {Entity: true, Source: true, Fields: []flow.Field{flow.User}},
	} {
		t.Run(name, func(t *testing.T) {
			make := func() *Gate {
				return newGate(func(o *GateOptions) {
					o.Policy = func(string) Policy { return Policy{SuppressFor: 24 * time.Hour, Grouping: by} }
				})
			}
			of := func(prefix string, after time.Duration) detector.Finding {
				f := portFinding()
				f.Values = []string{prefix + "port"}
				f.Contributors = []detector.Contribution{
					{Field: flow.SourceAddress, Values: []string{prefix + "source"}, Bytes: []int64{f.Actual}},
					{Field: flow.User, Values: []string{prefix + "user"}, Bytes: []int64{f.Actual}},
					{Field: flow.Process, Values: []string{prefix + "process"}, Bytes: []int64{f.Actual}},
				}
				f.Time, f.WindowStart, f.WindowEnd = f.Time.Add(after), f.WindowStart.Add(after), f.WindowEnd.Add(after)
				return f
			}
			g := make()
			require.Len(t, g.Admit([]detector.Finding{of("", 0)}, nil), 1)
			require.Empty(t, g.Admit([]detector.Finding{of("", 3*time.Hour)}, nil))

			g.Rename(renewed())
			assert.Empty(t, g.Admit([]detector.Finding{of("new ", 3*time.Hour), of("new ", 6*time.Hour)}, nil))
			var w codec.Writer
			g.Save(&w)
			for _, old := range []string{"\x04port", "\x06source", "\x04user", "\x07process"} {
				assert.NotContains(t, string(w.Data), old)
			}
			again := make()
			require.NoError(t, again.Load(codec.NewReader(w.Data), of("", 6*time.Hour).Time))
			out := again.Tick(of("", 25*time.Hour).Time, nil)
			require.Len(t, out, 1)
			sum, ok := out[0].(Suppression)
			require.True(t, ok)
			assert.Equal(t, 2, sum.Windows, "the one that was held back before is the same one")
			for _, value := range sum.Values {
				assert.Contains(t, value, "new ")
			}
		})
	}
}

func TestTwoThatBecomeOneAreRememberedAsTheLater(t *testing.T) {
	g := newGate(nil)
	early, late := portFinding(), portFinding()
	early.Values, late.Values = []string{"both"}, []string{"new both"}
	late.Time = late.Time.Add(time.Minute)
	require.Len(t, g.Admit([]detector.Finding{early, late}, nil), 2)
	g.Rename(renewed())
	assert.Equal(t, 1, g.live.entities.len())
	e, _ := g.live.entities.oldest()
	assert.Equal(t, late.Time, e.at)
	assert.LessOrEqual(t, g.live.groups.len(), 1)
}

func TestKeysThatMakeNoSenseKeepTheirName(t *testing.T) {
	n := renewed()
	for _, key := range []string{"", "\xff", "\x09ab", string(appendPart(appendPart(nil, "gone"), "4444")), "\x00\x01a\x03bad\x01x", "\x00\x01a\xff"} {
		assert.Equal(t, key, n.groupKey(key), "%q", key)
	}
}
