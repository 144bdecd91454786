package traffic_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

func TestSeriesComeInSeveralForms(t *testing.T) {
	want := traffic.Series{
		Step: 5 * time.Minute, Keys: []string{"Graz", "Wien"},
		Rows: []traffic.Row{
			{Time: monday, Bytes: []int64{1, 20}},
			{Time: monday.Add(5 * time.Minute), Bytes: []int64{-1, 30}},
			{Time: monday.Add(15 * time.Minute), Bytes: []int64{0, 40}},
		},
	}
	wide := "time_utc,Wien,Graz\n2025-01-06 00:15:00,40.0,0\n2025-01-06 00:00:00,20,1\n2025-01-06 00:05:00,30,\n"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(wide))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, text := range map[string]string{
		"wide":              wide,
		"compressed":        packed.String(),
		"byte order mark":   "\xef\xbb\xbf" + wide,
		"RFC 3339":          "t,Graz,Wien\n2025-01-06T01:00:00+01:00,1,20\n2025-01-06T00:05:00Z,,30\n2025-01-06T00:15:00Z,0,4e1\n",
		"long, Unix second": "time,city,Bytes\n1736121600,Wien,20\n1736121600,Graz,1\n1736121900,Wien,30\n1736122500,Graz,0\n1736122500,Wien,40\n",
	} {
		path := filepath.Join(t.TempDir(), "series.csv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		got, err := traffic.ReadSeries(path)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

func TestASeriesThatCannotBeReadSaysWhere(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "no first row"},
		{"\x1f\x8bnot really", "gzip"},
		{"time\n1\n", "1 column"},
		{"time,a\n1,1\n", "1 times; give two"},
		{"time,a\n1,1\nnever,2\n", `row 3: time "never"`},
		{"time,a\n1,1\n99999999999999999,2\n", "row 3: time"},
		{"time,a\n1,-1\n", `row 2: key "a": bytes "-1"`},
		{"time,a\n1,NaN\n", "NaN"},
		{"time,a\n1,1e30\n", "1e30"},
		{"time,a\n1,1e18\n1,1e18\n", `row 3: key "a": more than 2^60 bytes at 1970`},
		{"time,a,a,b\n1,1,2,3\n", "same name"},
		{"time,a\n1,2,3\n", "wrong number of fields"},
	} {
		_, err := traffic.DecodeSeries(strings.NewReader(c.text))
		require.ErrorIs(t, err, traffic.ErrSeries, c.text)
		assert.ErrorContains(t, err, c.says)
	}
	var sparse strings.Builder
	sparse.WriteString("time,key,bytes\n")
	for i := range 8000 {
		fmt.Fprintf(&sparse, "%d,key %d,1\n", i+1, i)
	}
	_, err := traffic.DecodeSeries(strings.NewReader(sparse.String()))
	require.ErrorIs(t, err, traffic.ErrSeries)
	require.ErrorContains(t, err, "8000 keys at 8000 times", "a small file must not take up a large memory")

	_, err = traffic.ReadSeries(filepath.Join(t.TempDir(), "none.csv"))
	require.ErrorIs(t, err, traffic.ErrSeries)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestAClockThatWasPutForwardIsNoObstacle(t *testing.T) {
	// As a monitor of 2014 wrote it: an hour of five-minute rows that all bear the hour's end, and the next row comes a minute later.
	var text strings.Builder
	text.WriteString("timestamp,value\n")
	for i := range 12 {
		fmt.Fprintf(&text, "2014-03-09 01:%02d:00,100\n", 1+5*i)
	}
	text.WriteString(strings.Repeat("2014-03-09 03:00:00,7\n", 12) + "2014-03-09 03:00:00,\n2014-03-09 03:01:00,100\n")
	s, err := traffic.DecodeSeries(strings.NewReader(text.String()))
	require.NoError(t, err)
	assert.Equal(t, 5*time.Minute, s.Step, "neither the gap nor the minute")
	require.Len(t, s.Rows, 14)
	assert.Equal(t, []int64{84}, s.Rows[12].Bytes, "what has one time adds up")
}

func FuzzDecodeSeries(f *testing.F) {
	f.Add([]byte("time,a,b\n1,2,3\n2,,4\n"))
	f.Add([]byte("time,key,bytes\n2025-01-06 00:00:00,x,3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := traffic.DecodeSeries(bytes.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, traffic.ErrSeries)
			return
		}
		require.Positive(t, s.Step)
		for _, r := range s.Rows {
			require.Len(t, r.Bytes, len(s.Keys))
		}
	})
}

// twoCities is ten days of two cities, one of which moves ten times as much by day as by night.
func twoCities(t *testing.T) traffic.Series {
	t.Helper()
	var text strings.Builder
	text.WriteString("time,Graz,Wien\n")
	for i := range 10 * 24 * 12 {
		at := monday.Add(time.Duration(i) * 5 * time.Minute)
		wien := 100_000
		if at.Hour() >= 8 && at.Hour() < 20 {
			wien *= 10
		}
		fmt.Fprintf(&text, "%d,%d,%d\n", at.Unix(), 1000+i%24, wien)
	}
	s, err := traffic.DecodeSeries(strings.NewReader(text.String()))
	require.NoError(t, err)
	return s
}

func TestTheftsAreInjectedIntoARealBackground(t *testing.T) {
	s := twoCities(t)
	assert.InDelta(t, 12e6, s.HourlyP99("Wien"), 0)
	assert.Zero(t, s.HourlyP99("Linz"))
	b, err := traffic.Inject(s, traffic.Injection{Thefts: 8, NewKeys: 0.4, Seed: 3})
	require.NoError(t, err)
	require.Len(t, b.Thefts, 8)

	stolen, background := map[string]int64{}, map[string]int64{}
	last := int64(0)
	for l := range b.Flows() {
		require.GreaterOrEqual(t, l.Time, last)
		last = l.Time
		require.Equal(t, flow.Outbound, l.Direction)
		if l.Theft == "" {
			background[l.DestinationPlace.Region] += l.Sent
		} else {
			stolen[l.Theft] += l.Sent
		}
	}
	var wien int64
	for _, r := range s.Rows {
		wien += r.Bytes[1]
	}
	assert.Equal(t, wien, background["Wien"])
	assert.Len(t, background, 2)

	var fresh int
	for _, theft := range b.Thefts {
		assert.Equal(t, theft.Bytes, stolen[theft.Name])
		assert.False(t, theft.Start.Before(monday.AddDate(0, 0, 5)), "five days of history")
		assert.False(t, theft.End().After(s.End()))
		assert.Contains(t, []float64{1, 3, 10}, theft.Multiple)
		yardstick := s.HourlyP99(theft.Region)
		if theft.RegionUse == traffic.Unused {
			fresh++
			assert.Zero(t, yardstick)
			yardstick = s.HourlyP99("Graz")
		}
		assert.InDelta(t, theft.Multiple*yardstick, float64(theft.Bytes), 1)
		near := slices.ContainsFunc(b.Thefts, func(o traffic.Theft) bool {
			return o.Name != theft.Name && o.Region == theft.Region && o.Start.Sub(theft.Start).Abs() < 24*time.Hour
		})
		assert.False(t, near)
	}
	assert.Positive(t, fresh)
	assert.Less(t, fresh, 8)
	for range b.Flows() {
		break // a reader may stop
	}

	again, err := traffic.Inject(s, traffic.Injection{Thefts: 8, NewKeys: 0.4, Seed: 3})
	require.NoError(t, err)
	assert.Equal(t, b, again)
}

func TestAnInjectionThatCannotBeIsRefused(t *testing.T) {
	s := twoCities(t)
	for says, in := range map[string]traffic.Injection{
		"give fewer":     {Thefts: 50},
		"-1 thefts":      {Thefts: -1},
		"share 2":        {NewKeys: 2},
		"multiples [-1]": {Multiples: []float64{-1}},
		"injection from": {From: monday.Add(-time.Hour)},
	} {
		_, err := traffic.Inject(s, in)
		require.ErrorIs(t, err, traffic.ErrSeries, says)
		assert.ErrorContains(t, err, says)
	}
	_, err := traffic.Inject(traffic.Series{}, traffic.Injection{})
	assert.ErrorIs(t, err, traffic.ErrSeries)

	silent := twoCities(t)
	for _, r := range silent.Rows {
		clear(r.Bytes)
	}
	_, err = traffic.Inject(silent, traffic.Injection{Thefts: 1, NewKeys: 1})
	assert.ErrorIs(t, err, traffic.ErrSeries, "nothing to measure by")
}
