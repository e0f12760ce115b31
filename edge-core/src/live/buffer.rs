//! How much the kernel may hold for a viewer.
//!
//! The rate of its stream goes in, bytes come out. What stands in a send buffer is the viewer's
//! alone, late, and cannot be given up any more: so it is bounded by the rate and by the time that
//! a round trip takes. With the kernel's own choice one stalled viewer holds 4 MiB (laws.md, 3.3).

/// Where the rate is not known yet. Chosen, because it carries 5 Mbit/s over a round trip of 250 ms.
pub const SEND_BUFFER: usize = 160 << 10;
/// The least: a keyframe of a small stream fits.
const LEAST: usize = 64 << 10;
/// The most: 64 Mbit/s over a round trip of 250 ms twice.
const MOST: usize = 4 << 20;
/// The share of a second that fits: a round trip of 250 ms, twice, because what was lost is held
/// until it was sent again.
const SHARE: u64 = 2;

/// Bytes to be asked for; Linux doubles that for its own needs.
#[must_use]
pub fn send_buffer(bits_per_second: Option<u64>) -> usize {
    bits_per_second.map_or(SEND_BUFFER, |bits| {
        usize::try_from(bits / 8 / SHARE)
            .unwrap_or(MOST)
            .clamp(LEAST, MOST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_half_a_second_within_bounds() {
        let check = |bits, bytes| assert_eq!(send_buffer(bits), bytes, "{bits:?}");
        check(None, SEND_BUFFER);
        check(Some(0), LEAST);
        check(Some(1_000_000), LEAST);
        check(Some(4_000_000), 250_000);
        check(Some(16_000_000), 1_000_000);
        check(Some(u64::MAX), MOST);
    }
}
