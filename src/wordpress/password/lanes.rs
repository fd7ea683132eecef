//! MD5 of several messages at once. Each step of MD5 needs the previous one's result, so one message leaves most of a
//! processor's units idle; the steps of several messages are independent of each other.
//!
//! RFC 1321 defines the steps and their constants. The compiler makes vector instructions of the loop over the lanes; that
//! it does is measured by `cargo bench --bench load -- --hashes`, and what comes out is compared with the crates `md-5` and
//! `phpass`.

use secrecy::zeroize::Zeroize;

/// How many messages are digested at once: two vectors of four words, whose steps overlap.
pub(super) const LANES: usize = 8;
const HALF: usize = LANES / 2;

/// Bytes of a block, and of the length at the end of the last one.
const BLOCK: usize = 64;
const LENGTH: usize = 8;

/// Bytes of a digest.
const DIGEST: usize = 16;

/// One 32-bit word of each message.
type Words = [u32; LANES];
type Block = [Words; BLOCK / 4];
type State = [Words; DIGEST / 4];

const START: State = [
    [0x6745_2301; LANES],
    [0xefcd_ab89; LANES],
    [0x98ba_dcfe; LANES],
    [0x1032_5476; LANES],
];

/// How many blocks MD5 makes of a message of this many bytes: a byte that ends it and the length come last.
pub(super) const fn blocks(length: usize) -> usize {
    (length + LENGTH) / BLOCK + 1
}

/// Messages that each begin with a digest, as many blocks long as each other. They hold passwords and are wiped after use.
pub(super) struct Messages(Vec<Block>);

impl Messages {
    /// Each message is a digest and the text that follows it; at most [`LANES`] of them. All texts must be equally many
    /// [`blocks`] long together with the digest.
    pub(super) fn new(parts: &[([u8; DIGEST], &[u8])]) -> Self {
        let count = parts
            .first()
            .map_or(1, |(_, text)| blocks(DIGEST + text.len()));
        let mut messages = Self(vec![[[0; LANES]; BLOCK / 4]; count]);
        for (lane, (digest, text)) in parts.iter().enumerate() {
            assert_eq!(blocks(DIGEST + text.len()), count, "of equal length");
            let end = [0x80];
            let bytes = digest.iter().chain(*text).chain(&end);
            for (at, byte) in bytes.enumerate() {
                messages.word(at / 4)[lane] |= u32::from(*byte) << (at % 4 * 8);
            }
            let bits = u64::try_from(DIGEST + text.len()).unwrap_or(u64::MAX) * 8;
            let last = count * BLOCK / 4 - 2;
            for (at, half) in [(last, bits), (last + 1, bits >> 32)] {
                messages.word(at)[lane] = u32::try_from(half & 0xffff_ffff).unwrap_or_default();
            }
        }
        messages
    }

    fn word(&mut self, at: usize) -> &mut Words {
        &mut self.0[at / (BLOCK / 4)][at % (BLOCK / 4)]
    }

    /// Replaces the digest at the beginning of each message by the message's own, this many times; returns the last ones.
    pub(super) fn digest(mut self, rounds: u32) -> [[u8; DIGEST]; LANES] {
        for _ in 0..rounds {
            let mut state = START;
            for block in &self.0 {
                compress(&mut state, block);
            }
            self.0[0][..state.len()].copy_from_slice(&state);
        }
        let mut digests = [[0; DIGEST]; LANES];
        for (at, words) in self.0[0][..DIGEST / 4].iter().enumerate() {
            for (digest, word) in digests.iter_mut().zip(words) {
                digest[at * 4..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        digests
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

const fn f(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

const fn g(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

const fn h(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

const fn i(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}

/// Adds one block of each message to its state.
#[expect(
    clippy::too_many_lines,
    reason = "MD5 has 64 steps, each with a constant"
)]
fn compress(state: &mut State, block: &Block) {
    // One vector's steps would leave the processor waiting for each other: of two, the one works while the other waits.
    for lane in 0..HALF {
        let other = lane + HALF;
        let mut s = [
            state[0][lane],
            state[1][lane],
            state[2][lane],
            state[3][lane],
        ];
        let mut t = [
            state[0][other],
            state[1][other],
            state[2][other],
            state[3][other],
        ];
        macro_rules! step {
            ($mix:ident, $a:literal $b:literal $c:literal $d:literal, $turn:literal, $word:literal, $constant:literal) => {
                s[$a] = s[$a]
                    .wrapping_add($mix(s[$b], s[$c], s[$d]))
                    .wrapping_add(block[$word][lane].wrapping_add($constant))
                    .rotate_left($turn)
                    .wrapping_add(s[$b]);
                t[$a] = t[$a]
                    .wrapping_add($mix(t[$b], t[$c], t[$d]))
                    .wrapping_add(block[$word][other].wrapping_add($constant))
                    .rotate_left($turn)
                    .wrapping_add(t[$b]);
            };
        }
        macro_rules! steps {
            ($mix:ident, [$t0:literal, $t1:literal, $t2:literal, $t3:literal],
             [$w0:literal, $w1:literal, $w2:literal, $w3:literal],
             [$k0:literal, $k1:literal, $k2:literal, $k3:literal]) => {
                step!($mix, 0 1 2 3, $t0, $w0, $k0);
                step!($mix, 3 0 1 2, $t1, $w1, $k1);
                step!($mix, 2 3 0 1, $t2, $w2, $k2);
                step!($mix, 1 2 3 0, $t3, $w3, $k3);
            };
        }
        steps!(
            f,
            [7, 12, 17, 22],
            [0, 1, 2, 3],
            [0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee]
        );
        steps!(
            f,
            [7, 12, 17, 22],
            [4, 5, 6, 7],
            [0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501]
        );
        steps!(
            f,
            [7, 12, 17, 22],
            [8, 9, 10, 11],
            [0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be]
        );
        steps!(
            f,
            [7, 12, 17, 22],
            [12, 13, 14, 15],
            [0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821]
        );
        steps!(
            g,
            [5, 9, 14, 20],
            [1, 6, 11, 0],
            [0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa]
        );
        steps!(
            g,
            [5, 9, 14, 20],
            [5, 10, 15, 4],
            [0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8]
        );
        steps!(
            g,
            [5, 9, 14, 20],
            [9, 14, 3, 8],
            [0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed]
        );
        steps!(
            g,
            [5, 9, 14, 20],
            [13, 2, 7, 12],
            [0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a]
        );
        steps!(
            h,
            [4, 11, 16, 23],
            [5, 8, 11, 14],
            [0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c]
        );
        steps!(
            h,
            [4, 11, 16, 23],
            [1, 4, 7, 10],
            [0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70]
        );
        steps!(
            h,
            [4, 11, 16, 23],
            [13, 0, 3, 6],
            [0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05]
        );
        steps!(
            h,
            [4, 11, 16, 23],
            [9, 12, 15, 2],
            [0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665]
        );
        steps!(
            i,
            [6, 10, 15, 21],
            [0, 7, 14, 5],
            [0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039]
        );
        steps!(
            i,
            [6, 10, 15, 21],
            [12, 3, 10, 1],
            [0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1]
        );
        steps!(
            i,
            [6, 10, 15, 21],
            [8, 15, 6, 13],
            [0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1]
        );
        steps!(
            i,
            [6, 10, 15, 21],
            [4, 11, 2, 9],
            [0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391]
        );
        for at in 0..s.len() {
            state[at][lane] = state[at][lane].wrapping_add(s[at]);
            state[at][other] = state[at][other].wrapping_add(t[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    use super::*;

    /// One message after the other, by the crate.
    fn one_by_one(digest: [u8; DIGEST], text: &[u8], rounds: u32) -> [u8; DIGEST] {
        (0..rounds).fold(digest, |digest, _| {
            Md5::new_with_prefix(digest)
                .chain_update(text)
                .finalize()
                .into()
        })
    }

    #[test]
    fn lengths_around_the_end_of_a_block_make_as_many_blocks_as_md5_does() {
        for length in (0..=200).chain(4000..=4096) {
            let padded = (length + 1 + LENGTH).div_ceil(BLOCK);
            assert_eq!(blocks(length), padded, "{length}");
            let text = vec![b'x'; length];
            let digests = Messages::new(&[([7; DIGEST], &text)]).digest(1);
            assert_eq!(digests[0], one_by_one([7; DIGEST], &text, 1), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_lane_has_the_digest_that_it_would_have_alone(
            parts in prop::collection::vec((any::<[u8; DIGEST]>(), any::<Vec<u8>>()), 1..=LANES),
            rounds in 1_u32..4,
        ) {
            // The longest sets the number of blocks; the others are cut or repeated to as many.
            let count = parts.iter().map(|(_, text)| blocks(DIGEST + text.len())).max().unwrap();
            let fitted: Vec<([u8; DIGEST], Vec<u8>)> = parts.into_iter().map(|(digest, mut text)| {
                while blocks(DIGEST + text.len()) < count {
                    text.push(0xe4);
                }
                (digest, text)
            }).collect();
            let borrowed: Vec<([u8; DIGEST], &[u8])> =
                fitted.iter().map(|(digest, text)| (*digest, &text[..])).collect();
            let digests = Messages::new(&borrowed).digest(rounds);
            for ((digest, text), found) in fitted.iter().zip(digests) {
                prop_assert_eq!(found, one_by_one(*digest, text, rounds));
            }
        }
    }
}
