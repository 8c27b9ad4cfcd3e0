//! Which partition a partition key belongs to.
//!
//! Bob Jenkins' lookup3 over the key's UTF-8 bytes, both halves folded into 16 bits: what the .NET SDK does, and what
//! its authors say the service does. Written apart from the client's copy, so that each checks the other.

/// The partition of `key` in a hub of `partitions` partitions.
pub(crate) fn partition_for_key(key: &str, partitions: u32) -> u32 {
    // The remainder is truncated, then made positive: not the same as a floored one.
    (i64::from(hash(key.as_bytes())) % i64::from(partitions)).unsigned_abs() as u32
}

fn hash(key: &[u8]) -> i16 {
    let seed = 0xdead_beef_u32.wrapping_add(key.len() as u32);
    let (mut a, mut b, mut c) = (seed, seed, seed);
    let mut rest = key;
    while rest.len() > 12 {
        let (block, tail) = rest.split_at(12);
        a = a.wrapping_add(word(block, 0));
        b = b.wrapping_add(word(block, 4));
        c = c.wrapping_add(word(block, 8));
        (a, b, c) = mix(a, b, c);
        rest = tail;
    }
    if !rest.is_empty() {
        a = a.wrapping_add(word(rest, 0));
        b = b.wrapping_add(word(rest, 4));
        c = c.wrapping_add(word(rest, 8));
        (b, c) = final_mix(a, b, c);
    }
    (c ^ b) as i16
}

/// The little-endian word at `at`, zeroes standing for what lies beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    let available = bytes.get(at..).unwrap_or_default();
    let taken = available.len().min(4);
    word[..taken].copy_from_slice(&available[..taken]);
    u32::from_le_bytes(word)
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn final_mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32) {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    (b, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_the_sdks_hashes_and_places_the_same() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/data/partition_key_vectors.json")).unwrap();
        let vectors = vectors.as_array().unwrap();
        assert!(vectors.len() > 12);
        for vector in vectors {
            let key = vector["k"].as_str().unwrap_or_default();
            assert_eq!(i64::from(hash(key.as_bytes())), vector["h"], "{key}");
            for (count, partition) in vector["p"].as_object().unwrap() {
                let placed = partition_for_key(key, count.parse().unwrap());
                assert_eq!(i64::from(placed), *partition, "{key} of {count}");
            }
        }
    }
}
