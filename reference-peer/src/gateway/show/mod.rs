//! What the guide's show commands print, from the state of a gateway: SAs, sessions, messages (chapters 4 and 5).
//!
//! All of it is text made of facts: nothing here changes the gateway. The names of interfaces and crypto maps are those
//! of the router that the gateway plays, which it does not know itself: they are [`Names`].

mod ipsec;
mod isakmp;
mod session;

use super::{Gateway, IpsecFlow, LogLine};
use crate::Instant;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the router that a gateway plays names things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// `hostname`.
    pub hostname: String,
    /// Interfaces and their addresses.
    pub interfaces: Vec<(String, Vec<IpAddr>)>,
    /// What was understood of its configuration, without keys.
    pub running_config: String,
    /// What the calendar shows at the beginning of the run, where messages are to have it.
    pub started: Option<SystemTime>,
}

impl Names {
    /// The interface with this address; `outside` where none is known.
    pub fn interface(&self, address: IpAddr) -> &str {
        let owner = self.interfaces.iter().find(|(_, addresses)| addresses.contains(&address));
        owner.map_or("outside", |(name, _)| name.as_str())
    }

    /// The interface and the crypto map that a connection belongs to. An entry of a crypto map is named after the map,
    /// its number and the place of the peer, as in `testtag1-10#2`; a tunnel after its interface, and its map is made
    /// up by the router.
    fn places(&self, connection: &str, local: IpAddr) -> (String, String) {
        if connection.starts_with("Tunnel") {
            return (connection.to_owned(), format!("{connection}-head-0"));
        }
        let entry = connection.split_once('#').map_or(connection, |(entry, _)| entry);
        let numbered = |(_, number): &(&str, &str)| number.chars().all(|digit| digit.is_ascii_digit());
        let map = entry.rsplit_once('-').filter(numbered).map_or(entry, |(map, _)| map);
        (self.interface(local).to_owned(), map.to_owned())
    }
}

/// The time of a message as the guide's log has it: `*Mar 24 20:55:45.739`, in UTC; only the time since the beginning
/// of the run where the calendar is not known. The asterisk says that no clock vouches for it.
pub fn stamp(at: Instant, started: Option<SystemTime>) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let calendar = started.and_then(|started| started.duration_since(UNIX_EPOCH).ok());
    let time = calendar.unwrap_or(Duration::ZERO) + at.since_start();
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let day = if calendar.is_some() {
        let (month, day) = month_and_day(seconds / 86_400);
        format!("{} {day:>2} ", MONTHS.get(month).copied().unwrap_or_default())
    } else {
        String::new()
    };
    let hours = if calendar.is_some() { seconds / 3600 % 24 } else { seconds / 3600 };
    format!("*{day}{hours:02}:{:02}:{:02}.{millis:03}", seconds / 60 % 60, seconds % 60)
}

/// Month (January is 0) and day of the month, so many days after 1 January 1970.
fn month_and_day(days: u64) -> (usize, u64) {
    // Counted from 1 March of the year 0, so that the leap day comes last: eras of 400 years, then years.
    const BEFORE: u64 = 719_468;
    const ERA: u64 = 146_097;
    let in_era = (days + BEFORE) % ERA;
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let since_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * since_march + 2) / 5 + 1;
    let month = usize::try_from(since_march).map_or(0, |month| (month + 2) % 12);
    (month, day)
}

impl Gateway {
    /// `show crypto isakmp sa`.
    pub fn show_isakmp_sa(&self, now: Instant) -> String {
        isakmp::table(&self.isakmp_sa_entries(now))
    }

    /// `show crypto ipsec sa`, of those flows that are wanted by themselves and their interface; `detail` says why
    /// packets were dropped. A connection to peers anywhere is shown only while there are SAs.
    pub fn show_ipsec_sa(
        &self,
        now: Instant,
        names: &Names,
        wanted: impl Fn(&IpsecFlow, &str) -> bool,
        detail: bool,
    ) -> String {
        let mut text = String::new();
        let mut before = None;
        for flow in self.ipsec_flows(now).iter().filter(|flow| flow.peer.is_some()) {
            let (interface, map) = names.places(&flow.connection, flow.local);
            if !wanted(flow, &interface) {
                continue;
            }
            // Writing to a string does not fail.
            let _ = if before.as_ref() == Some(&(interface.clone(), map.clone())) {
                writeln!(text)
            } else {
                let local = flow.local;
                writeln!(text, "\ninterface: {interface}\n    Crypto map tag: {map}, local addr. {local}\n")
            };
            let block = ipsec::Block { flow, map: &map, media_mtu: self.config().outside_mtu, detail };
            let _ = write!(text, "{block}");
            before = Some((interface, map));
        }
        if text.is_empty() { "No SAs found\n".to_owned() } else { text }
    }

    /// `show crypto session`.
    pub fn show_session(&self, names: &Names) -> String {
        let mut text = "Crypto session current status\n".to_owned();
        for session in self.crypto_sessions() {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{}", self.session_text(&session, names));
        }
        text
    }

    /// `show logging`.
    pub fn show_logging(&self, names: &Names) -> String {
        let line = |line: &LogLine| format!("{}: {}\n", stamp(line.at, names.started), line.text);
        let kept: Vec<String> = self.log().map(line).collect();
        let lost = self.logged().saturating_sub(kept.len() as u64);
        let mut text = format!("Syslog logging: enabled ({lost} messages no longer kept)\n");
        let _ = writeln!(text, "    Buffer logging: level informational, {} messages logged", self.logged());
        let octets: usize = kept.iter().map(String::len).sum();
        let _ = write!(text, "\nLog Buffer ({octets} bytes):\n\n{}", kept.concat());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_time_of_the_calendar() {
        let at = |seconds: u64, millis: u64| UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis);
        let shown = |started| stamp(Instant::after_start(Duration::from_millis(61_739)), started);
        assert_eq!(shown(None), "*00:01:01.739");
        assert_eq!(shown(Some(at(1_080_161_684, 0))), "*Mar 24 20:55:45.739");
        assert_eq!(shown(Some(at(951_782_338, 262))), "*Feb 29 00:00:00.001");
        assert_eq!(shown(Some(at(951_868_738, 262))), "*Mar  1 00:00:00.001");
        assert_eq!(shown(Some(at(1_798_761_538, 0))), "*Dec 31 23:59:59.739");
        assert_eq!(shown(Some(at(1_798_761_539, 0))), "*Jan  1 00:00:00.739");
    }

    #[test]
    fn connections_belong_to_maps_and_interfaces() {
        let outside: IpAddr = [10, 1, 1, 1].into();
        let names = Names { interfaces: vec![("FastEthernet0/0".to_owned(), vec![outside])], ..Names::default() };
        let places = |connection| names.places(connection, outside);
        let at = |interface: &str, map: &str| (interface.to_owned(), map.to_owned());
        assert_eq!(places("testtag1-10"), at("FastEthernet0/0", "testtag1"));
        assert_eq!(places("green-1#2"), at("FastEthernet0/0", "green"));
        assert_eq!(places("to-headquarters-20"), at("FastEthernet0/0", "to-headquarters"));
        assert_eq!(places("by-hand"), at("FastEthernet0/0", "by-hand"));
        assert_eq!(places("Tunnel0"), at("Tunnel0", "Tunnel0-head-0"));
        assert_eq!(names.places("x-1", [10, 9, 9, 9].into()), at("outside", "x"));
    }
}
