package flow

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFieldsAreFoundByTheirNames(t *testing.T) {
	for i := range FieldCount {
		f, err := ParseField(Field(i).String())
		require.NoError(t, err)
		assert.Equal(t, Field(i), f)
	}
	for name, want := range map[string]Field{"destination.ip": DestinationAddress, "source.ip": SourceAddress} {
		f, err := ParseField(name)
		require.NoError(t, err)
		assert.Equal(t, want, f)
	}
	_, err := ParseField("destination.prot")
	require.ErrorIs(t, err, ErrUnknownField)
	assert.ErrorContains(t, err, `"destination.prot"`)
	assert.ErrorContains(t, err, "destination.port")
	assert.Equal(t, "unknown", Field(200).String())
}

func TestFieldsOfAFlow(t *testing.T) {
	fl := Flow{
		Source: netip.MustParseAddr(inside), Destination: netip.MustParseAddr(outside), Port: 4444,
		User: "mara", Process: "curl", Place: Place{Region: "California", Country: "US", City: "San José"},
	}
	for field, want := range map[Field]string{
		DestinationPort: "4444", DestinationRegion: "California", DestinationCountry: "US", DestinationAddress: outside,
		SourceAddress: inside, User: "mara", Process: "curl",
		Host:       inside, // the address stands for the host
		Field(200): "",
	} {
		assert.Equal(t, want, field.Value(&fl), field)
	}
	fl.Host, fl.Port = "laptop-17", 0
	assert.Equal(t, "laptop-17", Host.Value(&fl))
	assert.Empty(t, DestinationPort.Value(&fl), "no port is no value")
}
