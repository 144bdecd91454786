// Package pseudonym puts hashes in the place of names and addresses, before anybody keeps them. The hashes are keyed:
// whoever has the key, and nobody else, finds the hash of a name that he knows, and a value has the same hash
// wherever and whenever it comes.
package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Fields returns the fields that can be hashed. Of ports, regions and countries there are so few that how much goes
// there tells which they are.
func Fields() []flow.Field {
	return []flow.Field{flow.SourceAddress, flow.Host, flow.User, flow.Process, flow.DestinationAddress}
}

// Pseudonyms makes pseudonyms: flow.PseudonymMark and 32 hexadecimal digits, the first half of the HMAC-SHA-256 (RFC 2104) of
// the value as alerts would tell it, keyed by the salt. It is safe for concurrent use. What it remembers, so that a name
// that comes again costs no hash and no allocation, is bounded and contains no name.
type Pseudonyms struct {
	hashes [flow.FieldCount]bool
	seed   maphash.Seed

	mu        sync.Mutex
	mac       hash.Hash
	text      []byte // scratch
	sum       []byte // scratch
	names     cache[string]
	addresses cache[netip.Addr]
}

// New returns nil, of which all methods do nothing, where there are no fields.
func New(fields []flow.Field, salt string) *Pseudonyms {
	if len(fields) == 0 {
		return nil
	}
	p := &Pseudonyms{seed: maphash.MakeSeed(), mac: hmac.New(sha256.New, []byte(salt))}
	for _, f := range fields {
		p.hashes[f] = true
	}
	return p
}

// Hashes says whether the values of a field are hashed.
func (p *Pseudonyms) Hashes(f flow.Field) bool { return p != nil && p.hashes[f] }

// Hide puts pseudonyms in the place of what the flows are not to be known by. It takes its lock once.
func (p *Pseudonyms) Hide(flows []flow.Flow) {
	if p == nil || len(flows) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	telling := p.hashes[flow.SourceAddress] || p.hashes[flow.DestinationAddress]
	for i := range flows {
		f := &flows[i]
		p.hideAddress(flow.SourceAddress, &f.Source)
		p.hideAddress(flow.DestinationAddress, &f.Destination)
		p.hideName(flow.Host, &f.Host)
		p.hideName(flow.User, &f.User)
		p.hideName(flow.Process, &f.Process)
		if telling && !f.ID.Opaque {
			f.ID = flow.ID{}
		}
	}
}

// Name returns by what a value of a field goes: its pseudonym, or the value where the field is not hashed or the value is
// a pseudonym already. It is for what was kept when nothing was hashed; what the network says may only look like
// a pseudonym.
func (p *Pseudonyms) Name(field flow.Field, value string) string {
	if !p.Hashes(field) || value == "" || value == flow.OverflowName || strings.HasPrefix(value, flow.PseudonymMark) {
		return value
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text[:0], value...)
	return p.pseudonym()
}

// Address is Name for a field of addresses.
func (p *Pseudonyms) Address(field flow.Field, a netip.Addr) netip.Addr {
	if !p.Hashes(field) || !a.IsValid() || flow.IsPseudonym(a) {
		return a
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hideAddress(field, &a)
	return a
}

func (p *Pseudonyms) hideName(field flow.Field, name *string) {
	if !p.hashes[field] || *name == "" {
		return
	}
	k := maphash.String(p.seed, *name)
	pseudonym, ok := p.names.get(k)
	if !ok {
		p.text = append(p.text[:0], *name...)
		pseudonym = p.pseudonym()
		p.names.put(k, pseudonym)
	}
	*name = pseudonym
}

func (p *Pseudonyms) hideAddress(field flow.Field, a *netip.Addr) {
	if !p.hashes[field] || !a.IsValid() {
		return
	}
	bytes := a.As16()
	k := maphash.Bytes(p.seed, bytes[:])
	pseudonym, ok := p.addresses.get(k)
	if !ok {
		p.text = a.AppendTo(p.text[:0])
		pseudonym = flow.PseudonymAddress([flow.PseudonymSize]byte(p.hash()))
		p.addresses.put(k, pseudonym)
	}
	*a = pseudonym
}

// hash is the keyed hash of the scratch text.
func (p *Pseudonyms) hash() []byte {
	p.mac.Reset()
	p.mac.Write(p.text)
	p.sum = p.mac.Sum(p.sum[:0])
	return p.sum[:flow.PseudonymSize]
}

func (p *Pseudonyms) pseudonym() string {
	return string(hex.AppendEncode(append(make([]byte, 0, len(flow.PseudonymMark)+2*flow.PseudonymSize), flow.PseudonymMark...), p.hash()))
}

// Generation is how many pseudonyms of names, and of addresses, are remembered at least; twice as many at most.
const Generation = 1 << 15

// cache remembers the values that were asked for lately, in two generations, by hashes under a seed of this process, at
// whose collisions nobody can aim. By chance, one of a billion values is taken for another with a probability of 4·10⁻⁶.
type cache[T any] struct{ young, old map[uint64]T }

func (c *cache[T]) get(k uint64) (v T, ok bool) {
	if v, ok = c.young[k]; ok {
		return v, true
	}
	if v, ok = c.old[k]; ok {
		c.put(k, v)
	}
	return v, ok
}

func (c *cache[T]) put(k uint64, v T) {
	if c.young == nil {
		c.young, c.old = make(map[uint64]T), make(map[uint64]T)
	}
	if len(c.young) >= Generation {
		c.young, c.old = c.old, c.young
		clear(c.young)
	}
	c.young[k] = v
}
