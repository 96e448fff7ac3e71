//! Vectors of the standards for encryption.

use crypto::{Cipher, CipherError, Encryption, KeyBits, KeyBits::*};

use crate::hex::hex;

#[test]
fn aes_cbc() {
    for (key, iv, plain, sealed) in CBC {
        check(Encryption::AesCbc(B128), &hex(key), &hex(iv), &hex(plain), &hex(sealed));
    }
}

#[test]
fn aes_ctr() {
    for (key, nonce, iv, plain, sealed) in CTR {
        let key = hex(key);
        let bits = KeyBits::from_bits(8 * key.len() as u16).unwrap();
        check(Encryption::AesCtr(bits), &[key, hex(nonce)].concat(), &hex(iv), &hex(plain), &hex(sealed));
    }
}

/// The example of FIPS 81 appendix C, which RFC 2405 builds on.
#[test]
fn des_cbc() {
    let plain = b"Now is the time for all ";
    let sealed = hex("e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6");
    check(Encryption::Des, &hex("0123456789abcdef"), &hex("1234567890abcdef"), plain, &sealed);
}

/// NIST SP 800-67 appendix B gives blocks without chaining: an IV of zeros and one block a time makes the same of CBC.
#[test]
fn triple_des_cbc() {
    let key = hex("0123456789abcdef23456789abcdef01456789abcdef0123");
    let sealed = hex("a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900");
    for (plain, sealed) in b"The qufck brown fox jump".chunks(8).zip(sealed.chunks(8)) {
        check(Encryption::TripleDes, &key, &[0; 8], plain, sealed);
    }
    let thrice = hex("0123456789abcdef").repeat(3);
    let des = hex("e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6");
    check(Encryption::TripleDes, &thrice, &hex("1234567890abcdef"), b"Now is the time for all ", &des);
}

/// RFC 2410 section 2.5.
#[test]
fn null() {
    let humor = b"Network Security People Have A Strange Sense Of Humor";
    check(Encryption::Null, &[], &[], &hex("0123456789abcdef"), &hex("0123456789abcdef"));
    check(Encryption::Null, &[], &[], humor, humor);
}

#[test]
fn aes_gcm() {
    let (salt, iv) = (hex("cafebabe"), hex("facedbaddecaf888"));
    let plain = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                     b16aedf5aa0de657ba637b391aafd255");
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    for (key, sealed, whole_icv, icv) in GCM {
        let (key, sealed) = (hex(key), hex(sealed));
        let bits = KeyBits::from_bits(8 * key.len() as u16).unwrap();
        let key = [key, salt.clone()].concat();
        let algorithm = Encryption::AesGcm16(bits);
        check_aead(algorithm, &key, &iv, &[], &plain, &sealed, &hex(whole_icv));
        let (short, sealed, icv) = (&plain[..60], &sealed[..60], hex(icv));
        check_aead(algorithm, &key, &iv, &aad, short, sealed, &icv);
        check_aead(Encryption::AesGcm12(bits), &key, &iv, &aad, short, sealed, &icv[..12]);
        check_aead(Encryption::AesGcm8(bits), &key, &iv, &aad, short, sealed, &icv[..8]);
    }
}

#[test]
fn chacha20_poly1305() {
    for (key, salt, iv, aad, plain, sealed, icv) in CHACHA {
        let key = [hex(key), hex(salt)].concat();
        let algorithm = Encryption::ChaCha20Poly1305;
        check_aead(algorithm, &key, &hex(iv), &hex(aad), &hex(plain), &hex(sealed), &hex(icv));
    }
}

fn check(algorithm: Encryption, key: &[u8], iv: &[u8], plain: &[u8], sealed: &[u8]) {
    let cipher = Cipher::new(algorithm, key).unwrap();
    let mut data = plain.to_vec();
    cipher.encrypt(iv, &mut data).unwrap();
    assert_eq!(data, sealed, "{algorithm}");
    cipher.decrypt(iv, &mut data).unwrap();
    assert_eq!(data, plain, "{algorithm}");
}

fn check_aead(algorithm: Encryption, key: &[u8], iv: &[u8], aad: &[u8], plain: &[u8], sealed: &[u8], icv: &[u8]) {
    let cipher = Cipher::new(algorithm, key).unwrap();
    let mut data = plain.to_vec();
    let mut tag = vec![0; icv.len()];
    cipher.seal(iv, aad, &mut data, &mut tag).unwrap();
    assert_eq!((&*data, &*tag), (sealed, icv), "{algorithm}");
    let mut bad = icv.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(cipher.open(iv, aad, &mut data.clone(), &bad), Err(CipherError::Integrity), "{algorithm}");
    cipher.open(iv, aad, &mut data, icv).unwrap();
    assert_eq!(data, plain, "{algorithm}");
}

/// Test cases 3 and 4, 9 and 10, 15 and 16 of the GCM specification's appendix B, which RFC 4106 section 9 refers to:
/// key, ciphertext, ICV of the whole text without AAD, ICV of its first 60 octets with AAD.
const GCM: &[(&str, &str, &str, &str)] = &[
    (
        "feffe9928665731c6d6a8f9467308308",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
         1ba30b396a0aac973d58e091473f5985",
        "4d5c2af327cd64a62cf35abd2ba6fab4",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f47\
         18e2448b2fe324d9ccda2710acade256",
        "9924a7c8587336bfb118024db8674a14",
        "2519498e80f1478f37ba55bd6d27618c",
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
         c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
];

/// RFC 3602 section 4: key, IV, plaintext, ciphertext.
const CBC: &[(&str, &str, &str, &str)] = &[
    (
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        "53696e676c6520626c6f636b206d7367",
        "e353779c1079aeb82708942dbe77181a",
    ),
    (
        "c286696d887c9aa0611bbb3e2025a45a",
        "562e17996d093d28ddb3ba695a2e6f58",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    ),
    (
        "6c3ea0477630ce21a2ce334aa746c2cd",
        "c782dc4c098c66cbd9cd27d825682c81",
        "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
        "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
    ),
    (
        "56e47a38c5598974bc46903dba290349",
        "8ce82eefbea0da3c44699ed7db51b7d9",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf\
         d0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
        "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad\
         83ce9f9a102ee99d49a53e87f4c3da55",
    ),
    (
        "90d382b410eeba7ad938c46cec1a82bf",
        "e96e8c08ab465763fd098d45dd3ff893",
        "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627\
         28292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
        "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52\
         775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
    ),
    (
        "90d382b410eeba7ad938c46cec1a82bf",
        "69d08df7d203329db093fc4924e5bd80",
        "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
        "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
    ),
    (
        "0123456789abcdef0123456789abcdef",
        "f4e765244f6407adf13dc1380f673f37",
        "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213\
         1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
        "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6\
         47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
    ),
    (
        "0123456789abcdef0123456789abcdef",
        "85d47224b5f3dd5d2101d4ea8dffab22",
        "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff\
         ffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
        "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639\
         b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
    ),
];

/// RFC 3686 section 6: key, nonce, IV, plaintext, ciphertext.
const CTR: &[(&str, &str, &str, &str, &str)] = &[
    (
        "ae6852f8121067cc4bf7a5765577f39e",
        "00000030",
        "0000000000000000",
        "53696e676c6520626c6f636b206d7367",
        "e4095d4fb7a7b3792d6175a3261311b8",
    ),
    (
        "7e24067817fae0d743d6ce1f32539163",
        "006cb6db",
        "c0543b59da48d90b",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
    ),
    (
        "7691be035e5020a8ac6e618529f9a0dc",
        "00e0017b",
        "27777f3f4a1786f0",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
    ),
    (
        "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515",
        "00000048",
        "36733c147d6d93cb",
        "53696e676c6520626c6f636b206d7367",
        "4b55384fe259c9c84e7935a003cbe928",
    ),
    (
        "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a",
        "0096b03b",
        "020c6eadc2cb500d",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00",
    ),
    (
        "02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe",
        "0007bdfd",
        "5cbd60278dcc0912",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935",
    ),
    (
        "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104",
        "00000060",
        "db5672c97aa8f0b2",
        "53696e676c6520626c6f636b206d7367",
        "145ad01dbf824ec7560863dc71e3e0c0",
    ),
    (
        "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884",
        "00faac24",
        "c1585ef15a43d875",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c",
    ),
    (
        "ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d",
        "001cc5b7",
        "51a51d70a1c11148",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
        "eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8",
    ),
];

/// RFC 8439 section 2.8.2 and appendix A.5, RFC 7634 appendices A and B: key, salt, IV, AAD, plaintext, ciphertext,
/// ICV.
const CHACHA: &[(&str, &str, &str, &str, &str, &str, &str)] = &[
    (
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "07000000",
        "4041424344454647",
        "50515253c0c1c2c3c4c5c6c7",
        "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492063\
         6f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73\
         637265656e20776f756c642062652069742e",
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b\
         1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
         3ff4def08e4b7a9de576d26586cec64b6116",
        "1ae10b594f09e26a7e902ecbd0600691",
    ),
    (
        "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
        "00000000",
        "0102030405060708",
        "f33388860000000000004e91",
        "496e7465726e65742d4472616674732061726520647261667420646f63756d656e74732076616c696420666f72206120\
         6d6178696d756d206f6620736978206d6f6e74687320616e64206d617920626520757064617465642c207265706c6163\
         65642c206f72206f62736f6c65746564206279206f7468657220646f63756d656e747320617420616e792074696d652e\
         20497420697320696e617070726f70726961746520746f2075736520496e7465726e65742d4472616674732061732072\
         65666572656e6365206d6174657269616c206f7220746f2063697465207468656d206f74686572207468616e20617320\
         2fe2809c776f726b20696e2070726f67726573732e2fe2809d",
        "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0\
         bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855\
         9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9\
         9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a\
         0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130\
         305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b",
        "eead9d67890cbb22392336fea1851f38",
    ),
    (
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "a0a1a2a3",
        "1011121314151617",
        "0102030400000005",
        "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213\
         1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
        "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7\
         2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0",
        "76aaa8266b7fb0f7b11b369907e1ad43",
    ),
    (
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "a0a1a2a3",
        "1011121314151617",
        "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029",
        "0000000c000040010000000a00",
        "610394701f8d017f7c12924889",
        "6b71bfe25236efd7cdc67066906315b2",
    ),
];
