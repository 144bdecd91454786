package alert

import (
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

func written(a Alert) []byte {
	var w codec.Writer
	AppendAlert(&w, a)
	return w.Data
}

func reread(t testing.TB, a Alert) Alert {
	t.Helper()
	r := codec.NewReader(written(a))
	got, err := ReadAlert(r)
	require.NoError(t, err)
	require.NoError(t, r.End())
	return got
}

// distinct gives everything in v, however deep, a value of its own that is not zero. Names that only some values
// have are taken from those.
func distinct(v reflect.Value, n *int64) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(*n, *n).UTC()
		return
	case *flow.Field:
		*x = flow.Field(1 + *n%int64(flow.FieldCount-1))
		return
	case *detector.Phase:
		*x = detector.Closing
		return
	case *detector.State:
		*x = detector.Warming
		return
	case *Status:
		*x = StateLost
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			distinct(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			distinct(v.Index(i), n)
		}
	case reflect.String:
		v.SetString("text\x00\x1b" + strconv.FormatInt(*n, 10))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Float64:
		v.SetFloat(1 / float64(*n))
	default:
		panic("a field of a kind that this test cannot set: " + v.Type().String())
	}
}

// A field that is added to an alert and not written is lost here: its value comes back as zero.
func TestEveryFieldOfAnAlertIsWritten(t *testing.T) {
	var n int64
	for _, a := range []any{&Anomaly{}, &Overflow{}, &Suppression{}, &Health{}} {
		v := reflect.ValueOf(a).Elem()
		distinct(v, &n)
		assert.Equal(t, v.Interface(), reread(t, v.Interface().(Alert)))
	}
}

func TestAlertsAreReadAsTheyWereWritten(t *testing.T) {
	closed := countryFinding()
	odd := portFinding()
	odd.Score, odd.Why.Surprise, odd.Why.Deviation = math.MaxFloat64, math.Inf(1), math.Inf(-1)
	odd.Values = []string{"\xff\"\n"}
	for name, a := range map[string]Alert{
		"port":     anomaly(portFinding()),
		"region":   anomaly(regionFinding()),
		"update":   Anomaly{Finding: closed, UID: findingUID(&closed, stateUpdate), UpdateOf: findingUID(&closed, stateNew), Suppressed: 3},
		"odd":      anomaly(odd),
		"overflow": Overflow{Start: windowStart, End: now, MaxPerInterval: 100, Alerts: 7, Others: 5},
		"dry run":  Anomaly{Finding: closed, UID: findingUID(&closed, stateNew), DryRun: true},
		"held":     Suppression{Rule: "unusual_region", Fields: []flow.Field{flow.Host}, Values: []string{"ws-17"}, Windows: 2, Bytes: 3, Score: 80, First: windowStart, Last: now, Until: now, Alert: "a"},
		"health":   Health{Time: now, Status: DatabaseOld, Subject: "/geo.mmdb", Detail: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			got := reread(t, a)
			assert.Equal(t, a, got)
			assert.Equal(t, a.ID(), got.ID())
			assert.Equal(t, record(t, newWriter(t), a).Attributes().AsRaw(), record(t, newWriter(t), got).Attributes().AsRaw())
			for n := range written(a) {
				_, err := ReadAlert(codec.NewReader(written(a)[:n]))
				require.ErrorIs(t, err, codec.ErrMalformed, "cut after %d bytes", n)
			}
		})
	}
	nan := portFinding()
	nan.Probability = math.NaN()
	assert.True(t, math.IsNaN(reread(t, anomaly(nan)).(Anomaly).Finding.Probability))
}

// What a later version may know by name is an error that says it.
func TestNamesThatNobodyKnows(t *testing.T) {
	change := func(change func(f *detector.Finding)) Alert {
		f := portFinding()
		change(&f)
		return Anomaly{Finding: f}
	}
	for says, a := range map[string]Alert{
		`state "dreaming"`:      change(func(f *detector.Finding) { f.State = "dreaming" }),
		`unknown field "unkn`:   change(func(f *detector.Finding) { f.Contributors[0].Field = 99 }),
		`field "unknown"`:       change(func(f *detector.Finding) { f.Fields = []flow.Field{99} }),
		`status "on_fire"`:      Health{Status: "on_fire"},
		"-3 where a count":      Anomaly{Finding: portFinding(), Suppressed: -3},
		`kind ""`:               nil,
		"-1 where a count belo": Overflow{Alerts: -1},
	} {
		_, err := ReadAlert(codec.NewReader(append(written(a), 0)))
		require.ErrorIs(t, err, codec.ErrMalformed)
		require.ErrorContains(t, err, says)
	}
	phase := written(anomaly(portFinding()))
	for i := range phase {
		if string(phase[i:min(len(phase), i+8)]) == "crossing" {
			phase[i] = 'C'
		}
	}
	_, err := ReadAlert(codec.NewReader(phase))
	require.ErrorContains(t, err, `phase "Crossing"`)
}

func FuzzReadAlert(f *testing.F) {
	for _, a := range []Alert{
		full(), anomaly(regionFinding()),
		Overflow{Start: windowStart, End: now, Rules: []OverflowRule{{"a", 1}}, Entities: []OverflowEntity{{Rule: "a", Fields: []flow.Field{1}, Values: []string{"b"}}}},
		Suppression{Rule: "a", Windows: 3, DryRun: true},
		Health{Time: now, Status: Ready, Subject: "s"},
	} {
		f.Add(written(a))
	}
	w := newWriter(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadAlert(codec.NewReader(data))
		if err != nil {
			return
		}
		record(t, w, a)
		if again := reread(t, a); again.ID() != a.ID() {
			t.Fatalf("%+v became %+v", a, again)
		}
	})
}

// Given an alert that waited when the first version was stopped, then it leaves, without what that did not know.
func TestAnAnomalyOfTheFirstVersionIsRead(t *testing.T) {
	a := anomaly(portFinding())
	var w codec.Writer
	w.Text("anomaly")
	appendFinding(&w, &a.Finding)
	w.Text(a.UID)
	w.Text("")
	w.Int(0)
	r := codec.NewReader(w.Data)
	got, err := ReadAlert(r)
	require.NoError(t, err)
	require.NoError(t, r.End())
	a.Finding.FlowIDs = nil
	for i := range a.Finding.Contributors {
		a.Finding.Contributors[i].FirstSeen = nil
	}
	assert.Equal(t, a, got)
	lr := record(t, newWriter(t), got)
	_, told := lr.Attributes().Get("exfil.contributors.user.name.first_seen")
	assert.False(t, told)
}
