package decode_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/decode"
)

// fuzz decodes JSON documents, as attributes and as body, and other text as body, by one
// format alone and by all. Seeds are the scenario in the encoding.
func fuzz(f *testing.F, encoding string, input decode.Input) {
	for _, seed := range seeds(f, encoding) {
		f.Add(seed)
	}
	for _, r := range scenario() {
		if line, err := encode.Line(encoding, r); err == nil {
			f.Add(string(line))
		}
	}
	alone, all := newDecoder(f, input), everything(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []*decode.Decoder{alone, all} {
			for _, record := range records(text) {
				got, why := logOne(d, record)
				assertSound(t, got, why)
			}
		}
	})
}

// seeds are the encoded scenario's attributes as JSON, for encodings without lines.
func seeds(f *testing.F, encoding string) []string {
	logs, err := encode.Logs(encoding, scenario())
	require.NoError(f, err)
	var out []string
	for _, lr := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		text, err := json.Marshal(lr.Attributes().AsRaw())
		require.NoError(f, err)
		out = append(out, string(text))
	}
	return out
}

// records are the ways in which a text may arrive.
func records(text string) []plog.LogRecord {
	plain := plog.NewLogRecord()
	plain.Body().SetStr(text)
	out := []plog.LogRecord{plain}
	var doc map[string]any
	if json.NewDecoder(strings.NewReader(text)).Decode(&doc) != nil {
		return out
	}
	attributes, body := plog.NewLogRecord(), plog.NewLogRecord()
	if attributes.Attributes().FromRaw(doc) == nil && body.Body().SetEmptyMap().FromRaw(doc) == nil {
		out = append(out, attributes, body)
	}
	return out
}

func FuzzOTel(f *testing.F)      { fuzz(f, "otel", decode.Input{Name: "otel"}) }
func FuzzECS(f *testing.F)       { fuzz(f, "ecs", decode.Input{Name: "ecs"}) }
func FuzzNetflow(f *testing.F)   { fuzz(f, "netflow", decode.Input{Name: "netflow"}) }
func FuzzGoflow2(f *testing.F)   { fuzz(f, "goflow2", decode.Input{Name: "goflow2"}) }
func FuzzAWS(f *testing.F)       { fuzz(f, "aws_vpc", decode.Input{Name: "aws_vpc"}) }
func FuzzGCP(f *testing.F)       { fuzz(f, "gcp_vpc", decode.Input{Name: "gcp_vpc"}) }
func FuzzAzureVNet(f *testing.F) { fuzz(f, "azure_vnet", decode.Input{Name: "azure_vnet"}) }
func FuzzAzureNSG(f *testing.F)  { fuzz(f, "azure_nsg", decode.Input{Name: "azure_vnet"}) }
func FuzzZeek(f *testing.F)      { fuzz(f, "zeek", decode.Input{Name: "zeek"}) }
func FuzzSuricata(f *testing.F)  { fuzz(f, "suricata", decode.Input{Name: "suricata"}) }
func FuzzCustom(f *testing.F) {
	fuzz(f, "custom", decode.Input{Name: "proxy", Fields: encode.CustomFields()})
}

// FuzzAWSColumns reads lines in a custom format.
func FuzzAWSColumns(f *testing.F) {
	fuzz(f, "aws_vpc_line", decode.Input{Name: "aws_vpc", Columns: []string{"bytes", "srcaddr", "dstaddr", "flow-direction"}})
}
