//! An IKEv2 message: header (RFC 7296 section 3.1) and chain of payloads (section 3.2).

use super::{Body, ExchangeType, Flags, Notify, Payload, PayloadType};
use super::{emit_chain, find, first_type, notifies, parse_chain};
use crate::derived::patch;
use crate::reader::Reader;
use crate::{Derived, Error, Rule};

/// A whole message as it stands in one datagram (without the non-ESP marker of port 4500).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Message {
    /// The 28-octet header.
    pub header: Header,
    /// The payloads outside the Encrypted payload, in order; a protected message has just `Body::Encrypted` here.
    pub payloads: Vec<Payload>,
    /// Octets after the last payload; the computed header length leaves them out. Reading never yields any.
    pub trailing: Vec<u8>,
}

/// The IKE header, RFC 7296 section 3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       IKE SA Initiator's SPI                  |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       IKE SA Responder's SPI                  |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Message ID                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                            Length                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Header {
    /// SPI chosen by the original initiator of the IKE SA.
    pub initiator_spi: u64,
    /// SPI chosen by the original responder; zero in the first IKE_SA_INIT request.
    pub responder_spi: u64,
    /// Type of the first payload.
    pub next_payload: Derived<PayloadType>,
    /// Major version in the high, minor in the low four bits: 0x20.
    pub version: u8,
    /// Exchange type.
    pub exchange_type: ExchangeType,
    /// I, V and R flags and the reserved bits.
    pub flags: Flags,
    /// Message ID.
    pub message_id: u32,
    /// Octets of the whole message, header included.
    pub length: Derived<u32>,
}

impl Message {
    /// A message with nothing after its payloads.
    pub fn new(header: Header, payloads: impl Into<Vec<Payload>>) -> Self {
        Self { header, payloads: payloads.into(), trailing: Vec::new() }
    }

    /// Reads a whole message; contents of an Encrypted payload stay encrypted.
    ///
    /// Kept and not judged, since receivers must ignore them or answer them: minor version, flags, RESERVED, critical
    /// bits, unknown numbers of every kind. The derived fields of the header are `Computed`.
    ///
    /// # Errors
    /// The first rule that is broken: a major version other than 2, a length or count that contradicts another or
    /// the datagram, a payload of a known type whose contents are malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut header = Header::parse(bytes)?;
        let start = Reader::new(bytes, 0, Header::WHAT);
        if header.major_version() != 2 {
            return Err(Error { offset: 17, rule: Rule::IkeMajorVersion(header.major_version()) });
        }
        let length = header.length.or(0);
        if u32::try_from(bytes.len()) != Ok(length) {
            return Err(Error { offset: 24, rule: Rule::IkeLength { header: length, datagram: bytes.len() } });
        }
        let first = header.next_payload.or(PayloadType::NONE);
        let mut reader = start;
        reader.take(Header::OCTETS)?;
        let payloads = parse_chain(first, reader.peek(), Header::OCTETS)?;
        header.next_payload = Derived::Computed;
        header.length = Derived::Computed;
        Ok(Self { header, payloads, trailing: Vec::new() })
    }

    /// Appends the message to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.header.emit(first_type(&self.payloads), 0, out);
        emit_chain(&self.payloads, PayloadType::NONE, out);
        let length = self.header.length.or(out.len().wrapping_sub(start) as u32);
        patch(out, start + 24, length.to_be_bytes());
        out.extend(&self.trailing);
    }

    /// The message as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.emit(&mut out);
        out
    }

    /// The first payload of a type.
    pub fn find(&self, payload_type: PayloadType) -> Option<&Payload> {
        find(&self.payloads, payload_type)
    }

    /// The Notify payloads, in order.
    pub fn notifies(&self) -> impl Iterator<Item = &Notify> {
        notifies(&self.payloads)
    }

    /// Is the message protected by an Encrypted or Encrypted Fragment payload?
    pub fn is_protected(&self) -> bool {
        self.payloads.iter().any(|payload| matches!(payload.body, Body::Encrypted(_) | Body::EncryptedFragment(_)))
    }
}

impl Header {
    /// Octets of the header.
    pub const OCTETS: usize = 28;
    /// Version 2.0.
    pub const VERSION_2: u8 = 0x20;
    const WHAT: &str = "IKE header (RFC 7296 3.1)";

    /// An honest header of version 2.0. The SPIs are the initiator's and the responder's.
    pub fn new(spis: (u64, u64), exchange_type: ExchangeType, flags: Flags, message_id: u32) -> Self {
        Self {
            initiator_spi: spis.0,
            responder_spi: spis.1,
            next_payload: Derived::Computed,
            version: Self::VERSION_2,
            exchange_type,
            flags,
            message_id,
            length: Derived::Computed,
        }
    }

    /// Reads the header alone, of any version, and looks at nothing after it. Next Payload and Length are therefore
    /// `Exactly` what the wire says.
    ///
    /// # Errors
    /// Fewer than 28 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let fixed: [u8; Self::OCTETS] = Reader::new(bytes, 0, Self::WHAT).array()?;
        let mut reader = Reader::new(&fixed, 0, Self::WHAT);
        let initiator_spi = u64::from_be_bytes(reader.array()?);
        let responder_spi = u64::from_be_bytes(reader.array()?);
        let [next_payload, version, exchange_type, flags] = reader.array()?;
        Ok(Self {
            initiator_spi,
            responder_spi,
            next_payload: Derived::Exactly(PayloadType(next_payload)),
            version,
            exchange_type: ExchangeType(exchange_type),
            flags: Flags(flags),
            message_id: reader.u32()?,
            length: Derived::Exactly(reader.u32()?),
        })
    }

    /// Appends the header to `out`, with these values where it says "as computed".
    pub fn emit(&self, first: PayloadType, length: u32, out: &mut Vec<u8>) {
        out.extend(self.initiator_spi.to_be_bytes());
        out.extend(self.responder_spi.to_be_bytes());
        out.extend([self.next_payload.or(first).0, self.version, self.exchange_type.0, self.flags.0]);
        out.extend(self.message_id.to_be_bytes());
        out.extend(self.length.or(length).to_be_bytes());
    }

    /// Major version: the high four bits.
    pub fn major_version(&self) -> u8 {
        self.version >> 4
    }

    /// Minor version: the low four bits.
    pub fn minor_version(&self) -> u8 {
        self.version & 0x0F
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use crate::testing::hex;

    #[test]
    fn captured_ike_sa_init_request() {
        let bytes = hex(STRONGSWAN_REQUEST);
        let message = Message::parse(&bytes).unwrap();
        let header = Header::new((0x58fd_a70f_64a2_44bf, 0), ExchangeType::IKE_SA_INIT, Flags::new(true, false), 0);
        assert_eq!(message.header, header);
        let types: Vec<u8> = message.payloads.iter().map(|payload| payload.body.payload_type().0).collect();
        assert_eq!(types, [33, 34, 40, 41, 41, 41, 41, 41]);
        let Body::SecurityAssociation(sa) = &message.payloads[0].body else { panic!("SA is first") };
        assert_eq!(
            sa.proposals,
            [Proposal::new(
                1,
                ProtocolId::IKE,
                [],
                [
                    Transform::with_key_length(TransformType::ENCR, 12, 128),
                    Transform::new(TransformType::INTEG, 2),
                    Transform::new(TransformType::PRF, 2),
                    Transform::new(TransformType::KE, 14),
                ]
            )]
        );
        let Body::KeyExchange(ke) = &message.payloads[1].body else { panic!("KE is second") };
        assert_eq!((ke.group, ke.reserved, ke.data.len()), (14, 0, 256));
        let notifies: Vec<(NotifyType, usize)> =
            message.notifies().map(|notify| (notify.notify_type, notify.data.len())).collect();
        assert_eq!(
            notifies,
            [
                (NotifyType::NAT_DETECTION_SOURCE_IP, 20),
                (NotifyType::NAT_DETECTION_DESTINATION_IP, 20),
                (NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, 0),
                (NotifyType::SIGNATURE_HASH_ALGORITHMS, 8),
                (NotifyType(16406), 0),
            ]
        );
        assert_eq!(message.to_bytes(), bytes);
    }

    #[test]
    fn captured_ike_auth_request() {
        let bytes = hex(STRONGSWAN_AUTH);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_protected());
        assert_eq!(message.header.message_id, 1);
        let Body::Encrypted(encrypted) = &message.payloads[0].body else { panic!("SK is the only payload") };
        assert_eq!((encrypted.first, encrypted.data.len()), (PayloadType::ID_INITIATOR, 236));
        assert_eq!(message.to_bytes(), bytes);
    }

    #[test]
    fn an_honest_message_is_computed_throughout() {
        let header = Header::new((1, 2), ExchangeType::INFORMATIONAL, Flags::new(false, true), 7);
        let payloads = [
            Body::Notify(Notify::new(NotifyType::INVALID_SPI, [1, 2, 3, 4])),
            Body::Delete(Delete::child(ProtocolId::ESP, &[0x0102_0304, 5])),
            Body::Delete(Delete::ike()),
        ]
        .map(Payload::from);
        let message = Message::new(header, payloads);
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message.clone()));
        let Some(Payload { body: Body::Delete(delete), .. }) = message.find(PayloadType::DELETE) else { panic!() };
        assert_eq!(delete.child_spis().collect::<Vec<_>>(), [0x0102_0304, 5]);
    }

    #[test]
    fn the_computed_length_leaves_trailing_octets_out() {
        let header = Header::new((1, 2), ExchangeType::INFORMATIONAL, Flags::default(), 0);
        let mut message = Message::new(header, []);
        message.trailing = vec![0xAA; 3];
        let error = Message::parse(&message.to_bytes()).unwrap_err();
        assert_eq!(error, Error { offset: 24, rule: Rule::IkeLength { header: 28, datagram: 31 } });
        message.header.length = Derived::Exactly(31);
        let error = Message::parse(&message.to_bytes()).unwrap_err();
        assert_eq!(error, Error { offset: 28, rule: Rule::AfterLastPayload(3) });
        assert_eq!(error.to_string(), "offset 28: 3 octets follow the last payload (RFC 7296 3.2)");
    }

    /// IKE_SA_INIT request of strongSwan 5.9.8.
    const STRONGSWAN_REQUEST: &str = "
        58fda70f64a244bf00000000000000002120220800000000000001d0220000300000002c010100040300000c0100000c800e0080
        03000008030000020300000802000002000000080400000e28000108000e0000bb7f784679baebd9691c7abb21703dc8a84e3a6c
        c31f7b55f2a568bb186707da2a769c6b67fa9868fb18c88c9660f578bdd9195d950ebeeaa93759f61cae68a43bcf5a083fddd545
        bf9c75c5b74e52b9e17b8b7fd2dced05bcbc0b88a4cb6fb6cbc9bc5bcec95b41e661ce7807026ac7c3f284bc52417d5839509064
        647070e8a9872a0f6a71224470d40aac020d19cbd329cf93cf0b0ed5bbde9e1be898a7859940e1367568451f85ef5e978d2a507f
        9152a649afe67e119dc62596c5edbf1f6204ed45041a50b98b726c70b080c38551b35e1257701fc0fb5c218a0b1c822e33088c7f
        f5cdccd8ba9ed2beb26a2807f09de9db2de0603a28cc417a1cd54f39290000240dc180b1db39d643fa484db58885b06813420371
        588fcf918bc31e956816c7402900001c000040043cf88f19db969baacafae6245c9761c7fa437b482900001c00004005256bc830
        caf5fa3c354c71bca035c34948d9a5f4290000080000402e290000100000402f00020003000400050000000800004016";

    /// The IKE_AUTH request after it, AES-CBC and HMAC-SHA1-96, without the non-ESP marker.
    const STRONGSWAN_AUTH: &str = "
        58fda70f64a244bf8f7963027c48f6022e202308000000010000010c230000f0fd30e4627b93dc5e564c22b7d9795884d034c5df
        eecf32c51a43a72fb7d2b966b8780c4ab809ed38e80f8ca1009cc545eae284c7d636ddf20d260a4d8c907d8a8524fd17e0c21a9b
        c0ee5bd1f67167e3b5b220183e0c0ecb2877cf42debe4f2326bdbd7d3af9b1f1c65ab0a2edc473fb0107e732cb35a6e95be6e069
        730e40110fcca9604fbf323aefa85ab59628af899a02092a4f194a8280b7335000bebb5e54320984c3072683c78cde8ff4c9aa9b
        4e58c26127e0337ef14c6d54cd24837f81dcf974c046f1d830ef6bb227995c1e8faac36c2134b8b8415dc0ca3ff42b2fc58e0863
        bb67146cb22f15b6";
}
