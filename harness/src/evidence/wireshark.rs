//! Wireshark's key tables: written beside a capture, so that it decrypts there, and read by `counterpeer decode`.
//!
//! Wireshark 4.0 knows no CCM and no ChaCha20-Poly1305 in ESP, no ChaCha20-Poly1305 in IKE and no AES-based integrity.
//! Such SAs stand behind `#!`, a comment to Wireshark that only we read.

use super::{EspKeys, IkeKeys, IsakmpKey};
use std::fmt::Write as _;

/// Name of the table for IKEv2, as Wireshark looks for it in its configuration folder.
pub const IKE_TABLE: &str = "ikev2_decryption_table";
/// Name of the table for IKEv1.
pub const ISAKMP_TABLE: &str = "ikev1_decryption_table";
/// Name of the table for ESP.
pub const ESP_TABLE: &str = "esp_sa";

const OWN: &str = "#! ";

/// Encryption transform (IANA number), key length in octets as in keying material (with salt), name in the IKE table,
/// name in the ESP table.
const ENCRYPTION: &[(u16, usize, Option<&str>, Option<&str>)] = &[
    (2, 8, None, Some("DES-CBC [RFC2405]")),
    (3, 24, Some("3DES [RFC2451]"), Some("TripleDES-CBC [RFC2451]")),
    (11, 0, Some("NULL [RFC2410]"), Some("NULL")),
    (12, 16, Some("AES-CBC-128 [RFC3602]"), Some("AES-CBC [RFC3602]")),
    (12, 24, Some("AES-CBC-192 [RFC3602]"), Some("AES-CBC [RFC3602]")),
    (12, 32, Some("AES-CBC-256 [RFC3602]"), Some("AES-CBC [RFC3602]")),
    (13, 20, Some("AES-CTR-128 [RFC5930]"), Some("AES-CTR [RFC3686]")),
    (13, 28, Some("AES-CTR-192 [RFC5930]"), Some("AES-CTR [RFC3686]")),
    (13, 36, Some("AES-CTR-256 [RFC5930]"), Some("AES-CTR [RFC3686]")),
    (14, 19, Some("AES-CCM-128 with 8 octet ICV [RFC5282]"), None),
    (14, 27, Some("AES-CCM-192 with 8 octet ICV [RFC5282]"), None),
    (14, 35, Some("AES-CCM-256 with 8 octet ICV [RFC5282]"), None),
    (15, 19, Some("AES-CCM-128 with 12 octet ICV [RFC5282]"), None),
    (15, 27, Some("AES-CCM-192 with 12 octet ICV [RFC5282]"), None),
    (15, 35, Some("AES-CCM-256 with 12 octet ICV [RFC5282]"), None),
    (16, 19, Some("AES-CCM-128 with 16 octet ICV [RFC5282]"), None),
    (16, 27, Some("AES-CCM-192 with 16 octet ICV [RFC5282]"), None),
    (16, 35, Some("AES-CCM-256 with 16 octet ICV [RFC5282]"), None),
    (18, 20, Some("AES-GCM-128 with 8 octet ICV [RFC5282]"), Some("AES-GCM with 8 octet ICV [RFC4106]")),
    (18, 28, Some("AES-GCM-192 with 8 octet ICV [RFC5282]"), Some("AES-GCM with 8 octet ICV [RFC4106]")),
    (18, 36, Some("AES-GCM-256 with 8 octet ICV [RFC5282]"), Some("AES-GCM with 8 octet ICV [RFC4106]")),
    (19, 20, Some("AES-GCM-128 with 12 octet ICV [RFC5282]"), Some("AES-GCM with 12 octet ICV [RFC4106]")),
    (19, 28, Some("AES-GCM-192 with 12 octet ICV [RFC5282]"), Some("AES-GCM with 12 octet ICV [RFC4106]")),
    (19, 36, Some("AES-GCM-256 with 12 octet ICV [RFC5282]"), Some("AES-GCM with 12 octet ICV [RFC4106]")),
    (20, 20, Some("AES-GCM-128 with 16 octet ICV [RFC5282]"), Some("AES-GCM with 16 octet ICV [RFC4106]")),
    (20, 28, Some("AES-GCM-192 with 16 octet ICV [RFC5282]"), Some("AES-GCM with 16 octet ICV [RFC4106]")),
    (20, 36, Some("AES-GCM-256 with 16 octet ICV [RFC5282]"), Some("AES-GCM with 16 octet ICV [RFC4106]")),
];

/// Integrity transform (IANA number), name in the IKE table, name in the ESP table.
const INTEGRITY: &[(u16, Option<&str>, Option<&str>)] = &[
    (0, Some("NONE [RFC4306]"), Some("NULL")),
    (1, Some("HMAC_MD5_96 [RFC2403]"), Some("HMAC-MD5-96 [RFC2403]")),
    (2, Some("HMAC_SHA1_96 [RFC2404]"), Some("HMAC-SHA-1-96 [RFC2404]")),
    (6, Some("HMAC_MD5_128 [RFC4595]"), None),
    (7, Some("HMAC_SHA1_160 [RFC4595]"), None),
    (12, Some("HMAC_SHA2_256_128 [RFC4868]"), Some("HMAC-SHA-256-128 [RFC4868]")),
    (13, Some("HMAC_SHA2_384_192 [RFC4868]"), Some("HMAC-SHA-384-192 [RFC4868]")),
    (14, Some("HMAC_SHA2_512_256 [RFC4868]"), Some("HMAC-SHA-512-256 [RFC4868]")),
];

/// The table of IKEv2 SAs.
pub fn ike_table(keys: &[IkeKeys]) -> String {
    let mut table = String::new();
    for keys in keys {
        let length = keys.encryption_keys.0.len();
        let encryption =
            ENCRYPTION.iter().find(|row| (row.0, row.1) == (keys.encryption, length)).and_then(|row| row.2);
        let integrity = INTEGRITY.iter().find(|row| row.0 == keys.integrity).and_then(|row| row.1);
        let known = encryption.is_some() && integrity.is_some();
        let _ = writeln!(
            table,
            "{}{:016x},{:016x},{},{},\"{}\",{},{},\"{}\"",
            if known { "" } else { OWN },
            keys.spis.0,
            keys.spis.1,
            hex(&keys.encryption_keys.0),
            hex(&keys.encryption_keys.1),
            named(encryption, keys.encryption),
            hex(&keys.integrity_keys.0),
            hex(&keys.integrity_keys.1),
            named(integrity, keys.integrity),
        );
    }
    table
}

/// The table of ISAKMP SAs: initiator's cookie and key of the cipher.
pub fn isakmp_table(keys: &[IsakmpKey]) -> String {
    keys.iter().fold(String::new(), |mut table, keys| {
        let _ = writeln!(table, "{:016x},{}", keys.initiator_cookie, hex(&keys.encryption_key));
        table
    })
}

/// The table of ESP SAs, in the eight columns of Wireshark 4.0.
pub fn esp_table(keys: &[EspKeys]) -> String {
    let mut table = String::new();
    for keys in keys {
        let length = keys.encryption_key.len();
        let encryption =
            ENCRYPTION.iter().find(|row| (row.0, row.1) == (keys.encryption, length)).and_then(|row| row.3);
        let integrity = INTEGRITY.iter().find(|row| row.0 == keys.integrity).and_then(|row| row.2);
        let known = encryption.is_some() && integrity.is_some();
        let _ = writeln!(
            table,
            "{}\"{}\",\"{}\",\"{}\",\"0x{:08x}\",\"{}\",\"{}\",\"{}\",\"{}\"",
            if known { "" } else { OWN },
            if keys.destination.is_ipv4() { "IPv4" } else { "IPv6" },
            keys.source,
            keys.destination,
            keys.spi,
            named(encryption, keys.encryption),
            hex_0x(&keys.encryption_key),
            named(integrity, keys.integrity),
            hex_0x(&keys.integrity_key),
        );
    }
    table
}

/// The name in Wireshark, or our own for what it does not know.
fn named(name: Option<&str>, number: u16) -> String {
    name.map_or_else(|| format!("IANA {number}"), str::to_owned)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn hex_0x(octets: &[u8]) -> String {
    if octets.is_empty() { String::new() } else { format!("0x{}", hex(octets)) }
}

/// Reads a table of IKEv2 SAs.
///
/// # Errors
/// The line that cannot be read.
pub fn read_ike_table(text: &str) -> Result<Vec<IkeKeys>, String> {
    rows(text)
        .map(|(line, row)| {
            let fault = |what: &str| format!("{IKE_TABLE} line {line}: {what}");
            let [spi_i, spi_r, ei, er, encryption, ai, ar, integrity] = row.as_slice() else {
                return Err(fault(&format!("{} columns instead of 8", row.len())));
            };
            let spi =
                |text: &String| u64::from_str_radix(text, 16).map_err(|_| fault("an SPI is no hexadecimal number"));
            let key = |text: &String| unhex(text).ok_or_else(|| fault("a key is no hexadecimal number"));
            let encryption_keys = (key(ei)?, key(er)?);
            Ok(IkeKeys {
                spis: (spi(spi_i)?, spi(spi_r)?),
                encryption: number(encryption, |name| {
                    ENCRYPTION.iter().find(|row| row.2 == Some(name)).map(|row| row.0)
                })
                .ok_or_else(|| fault(&format!("unknown cipher {encryption:?}")))?,
                integrity: number(integrity, |name| INTEGRITY.iter().find(|row| row.1 == Some(name)).map(|row| row.0))
                    .ok_or_else(|| fault(&format!("unknown integrity algorithm {integrity:?}")))?,
                encryption_keys,
                integrity_keys: (key(ai)?, key(ar)?),
            })
        })
        .collect()
}

/// Reads a table of ISAKMP SAs.
///
/// # Errors
/// The line that cannot be read.
pub fn read_isakmp_table(text: &str) -> Result<Vec<IsakmpKey>, String> {
    rows(text)
        .map(|(line, row)| {
            let fault = |what: &str| format!("{ISAKMP_TABLE} line {line}: {what}");
            let [cookie, key] = row.as_slice() else {
                return Err(fault(&format!("{} columns instead of 2", row.len())));
            };
            let initiator_cookie =
                u64::from_str_radix(cookie, 16).map_err(|_| fault("the cookie is no hexadecimal number"))?;
            let encryption_key = unhex(key).ok_or_else(|| fault("the key is no hexadecimal number"))?;
            Ok(IsakmpKey { initiator_cookie, encryption_key })
        })
        .collect()
}

/// Reads a table of ESP SAs. Entries with a wildcard or prefix instead of an address or SPI are left out.
///
/// # Errors
/// The line that cannot be read.
pub fn read_esp_table(text: &str) -> Result<Vec<EspKeys>, String> {
    let read = rows(text).map(|(line, row)| {
        let fault = |what: &str| format!("{ESP_TABLE} line {line}: {what}");
        // Newer versions of Wireshark add columns for extended sequence numbers.
        let [_, source, destination, spi, encryption, encryption_key, integrity, integrity_key, ..] = row.as_slice()
        else {
            return Err(fault(&format!("{} columns instead of 8", row.len())));
        };
        let key =
            |text: &String| unhex(text.trim_start_matches("0x")).ok_or_else(|| fault("a key is no hexadecimal number"));
        let (encryption_key, integrity_key) = (key(encryption_key)?, key(integrity_key)?);
        let spi = spi.strip_prefix("0x").and_then(|spi| u32::from_str_radix(spi, 16).ok());
        let (Ok(source), Ok(destination), Some(spi)) = (source.parse(), destination.parse(), spi) else {
            return Ok(None);
        };
        let by_name = |name: &str| {
            let row = ENCRYPTION.iter().find(|row| row.3 == Some(name) && row.1 == encryption_key.len());
            row.or_else(|| ENCRYPTION.iter().find(|row| row.3 == Some(name))).map(|row| row.0)
        };
        Ok(Some(EspKeys {
            source,
            destination,
            spi,
            encryption: number(encryption, by_name).ok_or_else(|| fault(&format!("unknown cipher {encryption:?}")))?,
            integrity: number(integrity, |name| INTEGRITY.iter().find(|row| row.2 == Some(name)).map(|row| row.0))
                .ok_or_else(|| fault(&format!("unknown integrity algorithm {integrity:?}")))?,
            encryption_key,
            integrity_key,
            esn: false,
        }))
    });
    read.filter_map(Result::transpose).collect()
}

fn number(name: &str, known: impl Fn(&str) -> Option<u16>) -> Option<u16> {
    match name.strip_prefix("IANA ") {
        Some(number) => number.parse().ok(),
        None => known(name),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Lines and their columns; a column may stand in quotes.
fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<String>)> + '_ {
    text.lines().zip(1..).filter_map(|(line, number)| {
        let line = line.strip_prefix(OWN).unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut quoted = false;
        let mut columns = vec![String::new()];
        for character in line.chars() {
            match (character, columns.last_mut()) {
                ('"', _) => quoted = !quoted,
                (',', _) if !quoted => columns.push(String::new()),
                (other, Some(column)) => column.push(other),
                (_, None) => {}
            }
        }
        Some((number, columns))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    fn every_ike() -> Vec<IkeKeys> {
        let keys = |encryption, length: usize, integrity, mac: usize| IkeKeys {
            spis: (0x0123_4567_89ab_cdef, u64::from(encryption)),
            encryption_keys: (vec![1; length], vec![2; length]),
            integrity_keys: (vec![3; mac], vec![4; mac]),
            encryption,
            integrity,
        };
        let ciphers = ENCRYPTION.iter().map(|row| keys(row.0, row.1, 0, 0));
        let macs = [(1, 16), (2, 20), (5, 16), (12, 32), (14, 64)].map(|(number, length)| keys(12, 16, number, length));
        ciphers.chain(macs).chain([keys(28, 36, 0, 0)]).collect()
    }

    #[test]
    fn the_ike_table_reads_back() {
        let all = every_ike();
        let table = ike_table(&all);
        assert_eq!(read_ike_table(&table).unwrap(), all);
        let own: Vec<&str> = table.lines().filter(|line| line.starts_with(OWN)).collect();
        assert_eq!(own.len(), 3, "DES, AES-XCBC and ChaCha20 are ours alone: {own:#?}");
    }

    #[test]
    fn the_isakmp_table_reads_back() {
        let keys = [16, 24, 8].map(|length| IsakmpKey { initiator_cookie: 0xab, encryption_key: vec![7; length] });
        let table = isakmp_table(&keys);
        assert_eq!(read_isakmp_table(&table).unwrap(), keys);
        assert!(table.starts_with("00000000000000ab,07070707070707070707070707070707\n"));
        let read = |text| read_isakmp_table(text).unwrap_err();
        assert_eq!(read("ab,12,13"), "ikev1_decryption_table line 1: 3 columns instead of 2");
        assert_eq!(read("\nxy,12"), "ikev1_decryption_table line 2: the cookie is no hexadecimal number");
        assert_eq!(read("ab,123"), "ikev1_decryption_table line 1: the key is no hexadecimal number");
    }

    #[test]
    fn the_esp_table_reads_back() {
        let keys = |encryption, length: usize, integrity, mac: usize| EspKeys {
            source: "10.66.0.1".parse().unwrap(),
            destination: "10.66.0.2".parse().unwrap(),
            spi: 0xc0de_0001,
            encryption,
            integrity,
            encryption_key: vec![0xa5; length],
            integrity_key: vec![0x5a; mac],
            esn: false,
        };
        let all: Vec<EspKeys> =
            ENCRYPTION.iter().map(|row| keys(row.0, row.1, 2, 20)).chain([keys(28, 36, 0, 0)]).collect();
        let table = esp_table(&all);
        assert_eq!(read_esp_table(&table).unwrap(), all);
        assert!(table.contains(
            "\"IPv4\",\"10.66.0.1\",\"10.66.0.2\",\"0xc0de0001\",\"AES-CBC [RFC3602]\",\
             \"0xa5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\",\"HMAC-SHA-1-96 [RFC2404]\",\
             \"0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\"\n"
        ));
    }

    #[test]
    fn a_table_that_cannot_be_read_names_the_line() {
        assert_eq!(
            read_ike_table("# fine\n1,2,3\n").unwrap_err(),
            "ikev2_decryption_table line 2: 3 columns instead of 8"
        );
        assert!(
            read_ike_table("1,2,a,b,\"AES-CBC-128 [RFC3602]\",,,\"x\"")
                .unwrap_err()
                .contains("a key is no hexadecimal")
        );
        assert!(
            read_esp_table("\"IPv4\",\"1.1.1.1\",\"1.1.1.2\",\"0x1\",\"ROT13\",\"\",\"NULL\",\"\"")
                .unwrap_err()
                .contains("ROT13")
        );
        let wild = read_esp_table("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"\",\"NULL\",\"\"").unwrap();
        assert!(wild.is_empty());
    }
}
