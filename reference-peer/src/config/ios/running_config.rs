//! What was understood of a configuration, as `show running-config` would print it, without secrets.

use super::{HIDDEN, Key, Owner, Reading, redact};

impl Reading {
    /// The lines of the text that this is a reading of, as far as they were understood. Keys are left out; whom they are
    /// shared with is not.
    pub fn running_config(&self, text: &str) -> String {
        let mut config = String::new();
        let mut separated = true;
        for (line, number) in text.lines().zip(1u32..) {
            if line.trim() == "!" {
                // One separator in the place of many, and of what was between them.
                if !separated {
                    config.push_str("!\n");
                }
                separated = true;
            } else if self.understood.contains(&number) {
                let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
                config.push_str(&indent);
                config.push_str(&self.shown(line, number));
                config.push('\n');
                separated = false;
            }
        }
        config
    }

    /// A line without its secret, which may be any word: what is shown of it is made of what it means.
    fn shown(&self, line: &str, number: u32) -> String {
        let isakmp = &self.router.isakmp;
        let owner = |owner: &Owner| match owner {
            Owner::Host(name) => format!("hostname {name}"),
            net => format!("address {net}"),
        };
        let of_line = |key: &&Key| key.line == number;
        let keys =
            isakmp.keys.iter().filter(of_line).map(|key| format!("crypto isakmp key {HIDDEN} {}", owner(&key.owner)));
        let rings = isakmp.keyrings.values().flat_map(|ring| &ring.keys).filter(of_line);
        let rings = rings.map(|key| format!("pre-shared-key {} key {HIDDEN}", owner(&key.owner)));
        let mut secrets: Vec<String> = keys.chain(rings).collect();
        // Other commands that were run together with it, or are only half understood, may hold anything.
        let partly = self.ignored.iter().any(|ignored| ignored.line == number);
        match secrets.pop() {
            Some(shown) if secrets.is_empty() => shown,
            None if !partly && !announces_password(line) => line.trim().to_owned(),
            _ => redact(line.split_whitespace()),
        }
    }
}

/// Of `crypto isakmp peer`: `set aggressive-mode password`.
fn announces_password(line: &str) -> bool {
    line.split_whitespace().any(|word| word.len() >= 3 && "password".starts_with(&word.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn keys_are_masked_and_what_does_not_matter_is_left_out() {
        let text = "version 12.3\n!\nhostname r1\n!\nboot-start-marker\n!\ncrypto isakmp policy 1\n authentication pre-share\n\
            crypto isakmp key 0 address address 10.2.2.2\ncrypto isakmp key s3cret address 10.3.0.0 255.255.0.0\n\
            crypto keyring k\n  pre-shared-key address 10.4.4.4 key hush\n!\ncrypto isakmp peer address 10.5.5.5\n\
            \x20set aggressive-mode password whisper\n!\nend\n";
        let reading = read(text);
        assert_eq!(reading.faults, []);
        let shown = reading.running_config(text);
        assert_eq!(
            shown,
            "hostname r1\n!\ncrypto isakmp policy 1\n authentication pre-share\n\
             crypto isakmp key <hidden> address 10.2.2.2\ncrypto isakmp key <hidden> address 10.3.0.0/16\n\
             crypto keyring k\n  pre-shared-key address 10.4.4.4 key <hidden>\n!\n\
             crypto isakmp peer address 10.5.5.5\n set aggressive-mode password <hidden>\n!\nend\n"
        );
        assert!(!shown.contains("s3cret") && !shown.contains("hush") && !shown.contains("whisper"));
    }
}
