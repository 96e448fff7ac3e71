//! What the unit tests share.

/// Octets from hexadecimal digits; white space is ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("fixtures are hexadecimal") as u8)
        .collect();
    assert!(nibbles.len().is_multiple_of(2), "a fixture ends in mid-octet");
    nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
