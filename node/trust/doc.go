// Package trust decides who is a site of this network and who is not.
//
// Five ideas, each in a file or two:
//
//   - Key: a site's Ed25519 key is the site. Its SiteID is the first 16 bytes
//     of the SHA-256 of the public key, and printed in groups of four that is
//     the fingerprint which people compare.
//   - Admission: a signed sentence "this key is a site", by a site that was a
//     member. Admissions form chains that end at the founder, who admitted
//     itself. A site that someone admits far away is believed anywhere as soon
//     as its chain reaches a member that is known there.
//   - Expulsion: the signed sentence that takes an admission back.
//   - Contact: the sentence by which a member itself says where it is reached,
//     since sites move.
//   - Token: what `invite` prints. Whoever holds it may have one key admitted,
//     once, before it expires by the inviter's clock.
//
// The wire is TLS 1.3 with a self-signed certificate at both ends (tls.go).
// TLS proves that the other end holds a key; it does not say whether the key
// is a member's. The dialler knows which key it wants and refuses any other in
// the handshake. The listener reads the dialler's chain as the first frame
// (Identify) and sends not one byte before the chain is good.
//
// A file that travels by hand (seal.go) is encrypted to its reader's key and
// signed by its writer's, chunk by chunk.
//
// Everything read from the wire has a size limit and a time limit, and lists
// are decoded item by item, so a declared length costs no memory.
package trust
