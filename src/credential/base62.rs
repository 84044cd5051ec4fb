//! Numbers in base62, digits before capitals before small letters, padded with `0` to a fixed width.

use tollbook_vault::{NoRandomness, Randomness};
use zeroize::Zeroize;

use super::{CRC, SECRET};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 2²⁵⁶ − 1. The alphabet is in the order of its bytes, so texts of one width compare as their numbers do.
const LARGEST_SECRET: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

pub(super) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn fits_256_bits(digits: &str) -> bool {
    digits.len() == SECRET && digits <= LARGEST_SECRET
}

/// Appends a 256-bit number as 43 digits.
pub(super) fn push_secret(text: &mut String, secret: &[u8; 32]) {
    let mut limbs = [0_u32; 8];
    for (limb, bytes) in limbs.iter_mut().zip(secret.as_chunks::<4>().0) {
        *limb = u32::from_be_bytes(*bytes);
    }
    let mut digits = [0_u8; SECRET];
    for digit in digits.iter_mut().rev() {
        *digit = divide(&mut limbs);
    }
    push_digits(text, &digits);
    limbs.zeroize();
    digits.zeroize();
}

/// Appends a CRC as 6 digits.
pub(super) fn push_checksum(text: &mut String, mut crc: u32) {
    let mut digits = [0_u8; CRC];
    for digit in digits.iter_mut().rev() {
        *digit = divide(std::slice::from_mut(&mut crc));
    }
    push_digits(text, &digits);
}

/// Divides the number, most significant limb first, by 62 and gives the remainder.
fn divide(limbs: &mut [u32]) -> u8 {
    let mut remainder = 0_u64;
    for limb in limbs {
        let dividend = (remainder << 32) | u64::from(*limb);
        // Both fit: a quotient of a dividend below 62 · 2³², and a remainder below 62.
        *limb = u32::try_from(dividend / 62).unwrap_or_default();
        remainder = dividend % 62;
    }
    u8::try_from(remainder).unwrap_or_default()
}

fn push_digits(text: &mut String, digits: &[u8]) {
    text.extend(
        digits.iter().filter_map(|digit| ALPHABET.get(usize::from(*digit))).map(|byte| char::from(*byte)),
    );
}

/// `N` digits, each equally likely: bytes from 248 on (4 × 62) are drawn again.
pub(super) fn random_digits<const N: usize>(random: &dyn Randomness) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(N);
    while text.len() < N {
        let mut bytes = [0_u8; N];
        random.fill(&mut bytes)?;
        for byte in bytes.into_iter().filter(|byte| *byte < 248).take(N - text.len()) {
            push_digits(&mut text, &[byte % 62]);
        }
    }
    Ok(text)
}
