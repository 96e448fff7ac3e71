//! Vectors of the standards for integrity, PRFs and digests.

use crypto::{Hash, Integrity, IntegrityKey, Prf};

use crate::hex::hex;

#[test]
fn hmac_as_prf() {
    check_prf(Prf::HmacMd5, HMAC_MD5);
    check_prf(Prf::HmacSha1, HMAC_SHA1);
    for (key, data, sha256, sha384, sha512) in HMAC_SHA2 {
        for (prf, output) in [(Prf::HmacSha256, sha256), (Prf::HmacSha384, sha384), (Prf::HmacSha512, sha512)] {
            let output = hex(output);
            assert_eq!(prf.compute(&hex(key), &[&hex(data)])[..output.len()], output, "{prf}");
        }
    }
}

#[test]
fn aes_as_prf() {
    check_prf(Prf::AesXcbc, AES_XCBC_PRF);
    check_prf(Prf::AesCmac, AES_CMAC_PRF);
}

#[test]
fn integrity() {
    check_integrity(Integrity::HmacSha256_128, HMAC_SHA256_128);
    check_integrity(Integrity::HmacSha384_192, HMAC_SHA384_192);
    check_integrity(Integrity::HmacSha512_256, HMAC_SHA512_256);
    check_integrity(Integrity::AesXcbc96, AES_XCBC);
    check_integrity(Integrity::AesCmac96, AES_CMAC_96);
    let of_right_key_length = |vectors: &[(&'static str, &'static str, &'static str)], len| {
        let fit = vectors.iter().filter(|(key, ..)| hex(key).len() == len).copied();
        fit.collect::<Vec<_>>()
    };
    let (md5, sha1) = (of_right_key_length(HMAC_MD5, 16), of_right_key_length(HMAC_SHA1, 20));
    assert_eq!((md5.len(), sha1.len()), (3, 3));
    check_integrity(Integrity::HmacMd5_96, &md5);
    check_integrity(Integrity::HmacSha1_96, &sha1);
}

/// RFC 1321 appendix A.5, and FIPS 180-4's message "abc" as in RFC 6234 section 8.5.
#[test]
fn digests() {
    for (hash, digest) in [
        (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Hash::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        assert_eq!(hash.digest(&[b"a", b"", b"bc"]), hex(digest), "{}", hash.name());
        assert_eq!(hash.output_len(), hex(digest).len(), "{}", hash.name());
    }
}

fn check_prf(prf: Prf, vectors: &[(&str, &str, &str)]) {
    for (key, data, output) in vectors {
        assert_eq!(prf.compute(&hex(key), &[&hex(data)]), hex(output), "{prf}");
    }
}

/// The vectors give the code at its full length or cut to that of the ICV.
fn check_integrity(algorithm: Integrity, vectors: &[(&str, &str, &str)]) {
    for (key, data, code) in vectors {
        let (data, code) = (hex(data), hex(code));
        let key = IntegrityKey::new(algorithm, &hex(key)).unwrap();
        let mut icv = vec![0; code.len()];
        key.sign(&[&data], &mut icv);
        assert_eq!(icv, code, "{algorithm}");
        assert!(key.verify(&[&data], &code[..algorithm.icv_len()]), "{algorithm}");
        assert!(!key.verify(&[&data, &[0]], &code[..algorithm.icv_len()]), "{algorithm}");
    }
}

/// RFC 2202 section 2, among them those of RFC 2104: key, data, digest.
const HMAC_MD5: &[(&str, &str, &str)] = &[
    ("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265", "9294727a3638bb1c13f48ef8158bfc9d"),
    ("4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f", "750c783e6ab0b503eaa86e310a5db738"),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "dd*50", "56be34521d144c88dbb8c733f0e8b3f6"),
    ("0102030405060708090a0b0c0d0e0f10111213141516171819", "cd*50", "697eaf0aca3a3aea3a75164746ffaa79"),
    (
        "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
        "546573742057697468205472756e636174696f6e",
        "56461ef2342edc00f9bab995690efd4c",
    ),
    (
        "aa*80",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
         204669727374",
        "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
    ),
    (
        "aa*80",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e64204c6172676572\
         205468616e204f6e6520426c6f636b2d53697a652044617461",
        "6f630fad67cda0ee1fb1f562db3aa53e",
    ),
];

/// RFC 2202 section 3: key, data, digest.
const HMAC_SHA1: &[(&str, &str, &str)] = &[
    ("0b*20", "4869205468657265", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),
    ("aa*20", "dd*50", "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    ("0102030405060708090a0b0c0d0e0f10111213141516171819", "cd*50", "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    ("0c*20", "546573742057697468205472756e636174696f6e", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
    (
        "aa*80",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
         204669727374",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ),
    (
        "aa*80",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e64204c6172676572\
         205468616e204f6e6520426c6f636b2d53697a652044617461",
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
    ),
];

/// RFC 4231 section 4: key, data, and the digests with SHA-256, SHA-384 and SHA-512, some cut short.
const HMAC_SHA2: &[(&str, &str, &str, &str, &str)] = &[
    (
        "0b*20",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4\
         be9d914eeb61f1702e696c203a126854",
    ),
    (
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
         caeab1a34d4a6b4b636e070a38bce737",
    ),
    (
        "aa*20",
        "dd*50",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807\
         b946a337bee8942674278859e13292fb",
    ),
    (
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cd*50",
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
        "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063\
         a5f19741120c4f2de2adebeb10a298dd",
    ),
    (
        "0c*20",
        "546573742057697468205472756e636174696f6e",
        "a3b6167473100ee06e0c796c2955552b",
        "3abf34c3503b2a23a46efc619baef897",
        "415fad6271580a531d4179bc891d87a6",
    ),
    (
        "aa*131",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
         204669727374",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52\
         95e64f73f63f0aec8b915a985d786598",
    ),
    (
        "aa*131",
        "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65\
         7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565\
         647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c\
         676f726974686d2e",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15\
         134676fb6de0446065c97440fa8c6a58",
    ),
];

/// RFC 4868 section 2.7.2.1: key, data, ICV.
const HMAC_SHA256_128: &[(&str, &str, &str)] = &[
    ("0b*32", "4869205468657265", "198a607eb44bfbc69903a0f1cf2bbdc5"),
    (
        "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "167f928588c5cc2eef8e3093caa0e87c",
    ),
    ("aa*32", "dd*50", "cdcb1220d1ecccea91e53aba3092f962"),
    ("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", "cd*50", "372efcf9b40b35c2115b1346903d2ef4"),
];

/// RFC 4868 section 2.7.2.2: key, data, ICV.
const HMAC_SHA384_192: &[(&str, &str, &str)] = &[
    ("0b*48", "4869205468657265", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
    (
        "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d",
    ),
    ("aa*48", "dd*50", "809f439be00274321d4a538652164b53554a508184a0c316"),
    (
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200a0b0c0d0e0f10111213141516171819",
        "cd*50",
        "5b540085c6e6358096532b2493609ed1cb298f774f87bb5c",
    ),
];

/// RFC 4868 section 2.7.2.3: key, data, ICV. The key of the last is printed there with 16 octets too many in front.
const HMAC_SHA512_256: &[(&str, &str, &str)] = &[
    ("0b*64", "4869205468657265", "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"),
    (
        "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665\
         4a6566654a6566654a6566654a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454",
    ),
    ("aa*64", "dd*50", "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"),
    (
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30\
         3132333435363738393a3b3c3d3e3f40",
        "cd*50",
        "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108",
    ),
];

/// RFC 3566 section 4.6: key, data, untruncated code.
const AES_XCBC: &[(&str, &str, &str)] = &[
    ("000102030405060708090a0b0c0d0e0f", "", "75f0251d528ac01c4573dfd584d79f29"),
    ("000102030405060708090a0b0c0d0e0f", "000102", "5b376580ae2f19afe7219ceef172756f"),
    ("000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f", "d2a246fa349b68a79998a4394ff7a263"),
    (
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f10111213",
        "47f51b4564966215b8985c63055ed308",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "f54f0ec8d2b9f3d36807734bd5283fd4",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
        "becbb3bccdb518a30677d5481fb6b4d8",
    ),
    ("000102030405060708090a0b0c0d0e0f", "00*1000", "f0dafee895db30253761103b5d84528f"),
];

/// RFC 4494 section 5: key, data, ICV.
const AES_CMAC_96: &[(&str, &str, &str)] = &[
    ("2b7e151628aed2a6abf7158809cf4f3c", "", "bb1d6929e95937287fa37d12"),
    ("2b7e151628aed2a6abf7158809cf4f3c", "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9d"),
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
        "dfa66747de9ae63030ca3261",
    ),
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef\
         f69f2445df4f9b17ad2b417be66c3710",
        "51f0bebf7e3b9d92fc497417",
    ),
];

/// RFC 4434 section 2.1: key, data, output.
const AES_XCBC_PRF: &[(&str, &str, &str)] = &[
    (
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f10111213",
        "47f51b4564966215b8985c63055ed308",
    ),
    ("00010203040506070809", "000102030405060708090a0b0c0d0e0f10111213", "0fa087af7d866e7653434e602fdde835"),
    (
        "000102030405060708090a0b0c0d0e0fedcb",
        "000102030405060708090a0b0c0d0e0f10111213",
        "8cd3c93ae598a9803006ffb67c40e9e4",
    ),
];

/// RFC 4615 section 4: key, data, output.
const AES_CMAC_PRF: &[(&str, &str, &str)] = &[
    (
        "000102030405060708090a0b0c0d0e0fedcb",
        "000102030405060708090a0b0c0d0e0f10111213",
        "84a348a4a45d235babfffc0d2b4da09a",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f10111213",
        "980ae87b5f4c9c5214f5b6a8455e4c2d",
    ),
    ("00010203040506070809", "000102030405060708090a0b0c0d0e0f10111213", "290d9e112edb09ee141fcf64c0b72f3d"),
];
