package netflow

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Elements by which Cisco's firewalls count, after their NetFlow implementation guide: they report a
// connection once, and so tell what either end has sent.
const (
	firewallSent  = 231 // octets of who opened the connection
	firewallReply = 232
)

// NewFirewall returns a firewall, as Cisco's ASA is one, that was switched on at the given time. It
// does not sample, and tells no time of a flow but that of the report.
func NewFirewall(on time.Time) *V9 {
	octets := func(b []byte, n uint64) ([]byte, error) {
		if n > math.MaxUint32 {
			return nil, fmt.Errorf("%w: a firewall counts to 2³², not to %d bytes", ErrCount, n)
		}
		return binary.BigEndian.AppendUint32(b, uint32(n)), nil
	}
	return &V9{on: uptime(on), layouts: newLayouts(
		field{element: firewallSent, length: 4, write: func(b []byte, f *Flow) ([]byte, error) { return octets(b, f.Bytes) }},
		field{element: firewallReply, length: 4, write: func(b []byte, f *Flow) ([]byte, error) { return octets(b, f.Bytes/2) }},
	)}
}
