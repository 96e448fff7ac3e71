//! Octets as the vectors write them.

/// Hexadecimal digits, or `xx*n` for n times the same octet.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let octet = |text: &str| u8::from_str_radix(text, 16).unwrap();
    if let Some((value, times)) = text.split_once('*') {
        return vec![octet(value); times.parse().unwrap()];
    }
    assert!(text.len().is_multiple_of(2), "half an octet");
    (0..text.len()).step_by(2).map(|i| octet(&text[i..i + 2])).collect()
}
