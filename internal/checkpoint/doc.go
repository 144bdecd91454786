// Package checkpoint keeps a state in a storage extension of the collector, such that it changes
// as a whole. A state is a set of named shards, about a MiB each; what they hold is their owner's
// business.
//
// # What is promised
//
// After a crash, or a failure, at any call of the storage, Load gives the set that was
// committed last or the one before, never a mix of two. All that is asked of the storage is that a Set
// which was answered is there later on, and that one which was not may change its own key only. No
// Batch needs to be atomic, and no key is ever listed.
//
// A shard that is damaged or missing costs that shard. What is left over by crashes is
// deleted by the next commit that succeeds.
//
// # How
//
// Shards lie in numbered slots. A slot that the committed set refers to is never written
// to; a shard that changes goes to a free slot, the lowest one. The manifest says which name lies in
// which slot, with length and SHA-256. It is written when all shards are there, by one Set: that is
// the moment of the commit. It is then written to a second key, in case the first one is damaged. Only
// then the slots are deleted that the older set needed and the newer one does not.
//
// The ledger says below which number slots have ever been written to, and grows before one is. It is
// what a Store needs to find, without a listing, what a crash left over: the first commit of a Store,
// and one after any failure, deletes every slot below it that is in no use.
//
// All of these are framed alike: magic, version, length, SHA-256, content.
//
// # Damage
//
// The bytes of the four damaged shards found last stay in their slots, whose keys Load tells; nothing
// is copied. Where both manifests are unreadable, the next commit keeps their bytes under keys of
// their own, sets all slots aside that they may refer to, and goes on in other slots: this doubles what
// is stored. After 14 days they are deleted.
//
// # Versions
//
// A manifest of a newer version cannot be read, and is set aside in the same way. A downgrade
// so begins anew without destroying anything. Who comes back to the newer version within the 14 days gets back
// what it had saved, and loses what the older one learned meanwhile: days of absence harm a baseline of weeks less
// than a baseline of days instead of it. After that the set aside is older than what has been learned since.
//
// For that, later versions must not change the frame, the keys or the ledger, and must take their
// slots from the ledger as this one does.
package checkpoint
