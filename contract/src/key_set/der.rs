//! Just enough of DER (X.690) for public keys: a `SubjectPublicKeyInfo` is opened, an
//! `RSAPublicKey` is written. Nothing recurses, and every length is held against what is there.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// What a public key is for, by the bytes of its `AlgorithmIdentifier` (RFC 3279, 5480, 8410).
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

use super::Algorithm;

/// Opens a `SubjectPublicKeyInfo`: what the key signs with, and the key.
pub(super) fn public_key(spki: &[u8]) -> Option<(Algorithm, Vec<u8>)> {
    let (whole, after) = element(SEQUENCE, spki)?;
    let (identifier, rest) = element(SEQUENCE, whole)?;
    let (bits, end) = element(BIT_STRING, rest)?;
    let algorithm = match identifier {
        RSA => Algorithm::Rs256,
        P256 => Algorithm::Es256,
        ED25519 => Algorithm::EdDsa,
        _ => return None,
    };
    // The first byte says how many bits of the last one do not count: none.
    let (0, key) = bits.split_first().map(|(unused, key)| (*unused, key))? else {
        return None;
    };
    (after.is_empty() && end.is_empty()).then(|| (algorithm, key.to_vec()))
}

/// An `RSAPublicKey` of a modulus and an exponent, both big-endian without a sign.
pub(super) fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut inner = integer(modulus);
    inner.extend(integer(exponent));
    tagged(SEQUENCE, &inner)
}

fn integer(unsigned: &[u8]) -> Vec<u8> {
    let zeros = unsigned.iter().take_while(|byte| **byte == 0).count();
    let digits = &unsigned[zeros..];
    let mut value = Vec::with_capacity(digits.len() + 1);
    // A high bit would be a sign.
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        value.push(0);
    }
    value.extend_from_slice(digits);
    tagged(INTEGER, &value)
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let mut bytes = vec![tag];
    match length[zeros..] {
        [] => bytes.push(0),
        [short] if short < 0x80 => bytes.push(short),
        ref long => {
            let count = u8::try_from(long.len()).expect("a length has at most eight bytes");
            bytes.push(0x80 | count);
            bytes.extend_from_slice(long);
        }
    }
    bytes.extend_from_slice(value);
    bytes
}

/// The value of the element that the bytes begin with, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = bytes else {
        return None;
    };
    let (length, rest) = match usize::from(*first) {
        short if short < 0x80 => (short, rest),
        // Lengths of up to 65,535 bytes: keys are shorter.
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let [high, low] = *rest.first_chunk()?;
            (usize::from(u16::from_be_bytes([high, low])), rest.get(2..)?)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_a_sign() {
        let check = |unsigned: &[u8], expected: &[u8]| assert_eq!(integer(unsigned), expected);
        check(&[1, 0, 1], &[2, 3, 1, 0, 1]);
        check(&[0, 0, 0x80], &[2, 2, 0, 0x80]);
        check(&[], &[2, 1, 0]);
        assert_eq!(integer(&[1; 300])[..4], [2, 0x82, 1, 44]);
    }

    #[test]
    fn no_cut_or_altered_length_is_read_past_its_end() {
        let key = rsa_public_key(&[0xaa; 256], &[1, 0, 1]);
        let mut bits = vec![0];
        bits.extend(&key);
        let mut inner = tagged(SEQUENCE, RSA);
        inner.extend(tagged(BIT_STRING, &bits));
        let spki = tagged(SEQUENCE, &inner);
        assert_eq!(public_key(&spki), Some((Algorithm::Rs256, key)));
        for cut in 0..spki.len() {
            assert_eq!(public_key(&spki[..cut]), None, "{cut}");
        }
        let mut longer = spki.clone();
        longer.push(0);
        assert_eq!(public_key(&longer), None);
        for at in 0..spki.len() {
            let mut altered = spki.clone();
            altered[at] ^= 0x7f;
            let _ = public_key(&altered);
        }
    }
}
