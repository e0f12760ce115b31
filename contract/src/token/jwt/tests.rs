//! Every way in which a token holds or fails.

use super::*;
use crate::fixture;
use crate::id::KeySetId;
use crate::key_set;
use crate::secret::Secret;
use serde_json::json;

// Public keys and tokens made with openssl: `app` is live, `stream` cam*, `exp` 4102444800, `jti` vector.
const RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArQ111poGAv8UTrtxkbnE\n\
bOwIQ6W8f/tMXBncO4TuaIxhZaaN9KgAspck1v0UUo/Kjh1t87ge89SvRocRdXx7\n\
5Sd1OydoGFVfp7h+Of4yAK3bsuvcC8Maub/a7lAxl+8k8UBv4R1WXhEjF2msQk/t\n\
dca+U7fFLzah4vJ24v27DNr/GFpnMK/wClnye5T/ZMDOhPlqIPcad1j4aerMmRy6\n\
IcjtYen77ou1EhZ3ZCGonIjk1ssuaTxDtJeDYbT7iAt02Gn+9ufAnVrlj55U965C\n\
ERewkDTABfLKkqcEDO74xScgLAzN5QGbJNf9F5FBTwJFwc7lAFEHrf1xxdTyQzFd\n\
9QIDAQAB\n\
-----END PUBLIC KEY-----\n\
";
const RSA_TOKEN: &str = "\
    eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJhcHAiOiAibGl2ZSIsICJzdHJlYW0iOiAiY2FtKiIsICJle\
    HAiOiA0MTAyNDQ0ODAwLCAianRpIjogInZlY3RvciJ9.am-dMQpSpWz0trSmhpy0zcAyPgfN9NpHHCRXr3FjzK1SG6\
    CodpXi8SnJkKojhCqPakRsKJrsv2HMkfDJovWuMWfvuUSOv3OfIzgLPJOzxUWz1d-7eGhd05UD_KF9IEnxh7RuTsja\
    Day4Mqq9_11Hg2iqLgCo1pi_i-VHJ3mdNClDVxUtOBfh3sqqxw9zBz9nqI_SWE8gbapJlYLMSDV_nexpEGmNUIzPot\
    1QqINYnnXYtM0B_n2ZfZzM0F5K_ESKOSLgxhRuT5cpreeYA3xDtF86X9d9J468ryx0bsxc8vl20nTEaWrED7XVEaJn\
    NjjLyq4rACwcr5ZUu7i0ATXHWw";
const P256: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdJSt5eLuU/3SAhhZLZWZk5PCFduR\n\
naKjxWW34dPXfgJ0/0s5y3dWLwPBggOrFlVYxkDEK82JFhp36pyMgXk4Rw==\n\
-----END PUBLIC KEY-----\n\
";
const P256_TOKEN: &str = "\
    eyJhbGciOiAiRVMyNTYiLCAidHlwIjogIkpXVCJ9.eyJhcHAiOiAibGl2ZSIsICJzdHJlYW0iOiAiY2FtKiIsICJle\
    HAiOiA0MTAyNDQ0ODAwLCAianRpIjogInZlY3RvciJ9.B4JKXMtjnDNlV4nG0o-nkd2WKQqqAx-3961BGhSqmcuhWI\
    SpLwQzybYwn7xsFijJRET1e6FQdwyuPC_qAP5EUw";
const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAl4avFuXqPOPo5bhYLuNI/U2zBhqE9/8QFOr6Iu3v1aw=\n\
-----END PUBLIC KEY-----\n\
";
const ED25519_TOKEN: &str = "\
    eyJhbGciOiAiRWREU0EiLCAidHlwIjogIkpXVCJ9.eyJhcHAiOiAibGl2ZSIsICJzdHJlYW0iOiAiY2FtKiIsICJle\
    HAiOiA0MTAyNDQ0ODAwLCAianRpIjogInZlY3RvciJ9.GSmDnUive-0l7iUZ1c5SjhX8N_7rDVsQcE8rJkdhZPu8FM\
    RN_j3loq6IC8H4IbZsG1YNZA94TXJUYJjCyoVuDw";

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW_S: u64 = 1_800_000_000;

fn set(text: &str) -> KeySet {
    KeySet {
        id: KeySetId::from_bits(1),
        name: "partner".parse().unwrap(),
        enabled: true,
        issuer: None,
        audience: None,
        keys: key_set::read(text).unwrap(),
    }
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = set(SECRET).keys[0].sign(text.as_bytes()).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// What becomes of good claims with these laid over them; `null` takes one away.
fn token(change: &Value) -> String {
    let mut claims = json!({"app": "live", "exp": NOW_S + 60});
    for (name, value) in change.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    signed(&json!({"alg": "HS256"}), &claims)
}

fn read_at(text: &str, sets: &[KeySet], now_s: u64) -> Result<Right, TokenError> {
    verify(text, sets, now_s * 1_000)
}

#[test]
fn each_algorithm_is_checked_by_its_own_key_only() {
    let keys = [
        ("RS256", RSA, RSA_TOKEN),
        ("ES256", P256, P256_TOKEN),
        ("EdDSA", ED25519, ED25519_TOKEN),
    ];
    for (algorithm, key, token) in keys {
        let right = read_at(token, &[set(key)], NOW_S).unwrap();
        assert_eq!(right.stream.as_str(), "cam*", "{algorithm}");
        assert!(right.id.ends_with(":vector"));
        for (other, others, _) in keys.into_iter().filter(|(other, _, _)| *other != algorithm) {
            let read = read_at(token, &[set(others)], NOW_S);
            assert_eq!(read, Err(TokenError::Damaged), "{algorithm} by {other}");
        }
        let all = [set(RSA), set(P256), set(ED25519), set(SECRET)];
        assert_eq!(read_at(token, &all, NOW_S).unwrap(), right);
        for at in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            assert_eq!(
                read_at(&altered, &all, NOW_S),
                Err(TokenError::Damaged),
                "{altered}"
            );
        }
    }
}

#[test]
fn a_token_cannot_choose_its_algorithm() {
    let claims = json!({"app": "live", "exp": NOW_S + 60});
    let unsigned = |alg: &str| format!("{}.{}.", encode(&json!({"alg": alg})), encode(&claims));
    for alg in [
        "none", "None", "NONE", "", "HS256", "HS512", "RS384", "PS256",
    ] {
        assert_eq!(
            read_at(&unsigned(alg), &[set(SECRET), set(RSA)], NOW_S),
            Err(TokenError::Damaged),
            "{alg}"
        );
    }
    // The public key as the secret of an HMAC, as text and as bytes: the well-known confusion.
    let public = set(RSA);
    let material = BASE64_URL_SAFE_NO_PAD
        .decode(public.keys[0].material.expose())
        .unwrap();
    for secret in [RSA.as_bytes().to_vec(), material] {
        let text = format!("{}.{}", encode(&json!({"alg": "HS256"})), encode(&claims));
        let confused = TokenKey {
            kid: None,
            algorithm: Algorithm::Hs256,
            material: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(secret)),
        };
        let tag = BASE64_URL_SAFE_NO_PAD.encode(confused.sign(text.as_bytes()).unwrap());
        assert_eq!(
            read_at(
                &format!("{text}.{tag}"),
                std::slice::from_ref(&public),
                NOW_S
            ),
            Err(TokenError::Damaged)
        );
    }
    let odd = [
        json!({"alg": "RS256"}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": ["HS256"]}),
        json!({"typ": "JWT"}),
    ];
    for header in odd {
        assert_eq!(
            read_at(&signed(&header, &claims), &[set(SECRET)], NOW_S),
            Err(TokenError::Damaged),
            "{header}"
        );
    }
}

#[test]
fn the_key_is_chosen_by_its_name() {
    let claims = json!({"app": "live", "exp": NOW_S + 60});
    let named = |kid: &str| {
        let mut keys = set(SECRET);
        keys.keys[0].kid = Some(kid.to_owned());
        keys
    };
    let check = |header: Value, kid: &str, expected: bool| {
        let read = read_at(
            &signed(&header, &claims),
            &[named("old"), named(kid)],
            NOW_S,
        );
        assert_eq!(read.is_ok(), expected, "{header} {kid}");
    };
    check(json!({"alg": "HS256", "kid": "new"}), "new", true);
    check(json!({"alg": "HS256", "kid": "new"}), "newer", false);
    check(json!({"alg": "HS256"}), "new", true);
    assert!(
        read_at(
            &signed(&json!({"alg": "HS256", "kid": "any"}), &claims),
            &[set(SECRET)],
            NOW_S
        )
        .is_ok()
    );
    let off = KeySet {
        enabled: false,
        ..set(SECRET)
    };
    assert_eq!(
        read_at(&token(&json!({})), &[off], NOW_S),
        Err(TokenError::Damaged)
    );
}

#[test]
fn claims_mean_what_the_table_says() {
    use TokenError::{Claim, Expired, Foreign, NotYet};
    let mut sets = [set(SECRET)];
    let check = |sets: &[KeySet], change: Value, expected: Result<(), TokenError>| {
        let read = read_at(&token(&change), sets, NOW_S);
        assert_eq!(read.map(|_| ()), expected, "{change}");
    };
    check(&sets, json!({}), Ok(()));
    check(&sets, json!({"exp": NOW_S - 29}), Ok(()));
    check(&sets, json!({"exp": NOW_S - 30}), Err(Expired));
    check(&sets, json!({"exp": 0.5}), Err(Expired));
    check(&sets, json!({"exp": 1e300}), Ok(()));
    check(&sets, json!({"exp": null}), Err(Claim("exp")));
    check(&sets, json!({"exp": "tomorrow"}), Err(Claim("exp")));
    check(&sets, json!({"exp": -1}), Err(Claim("exp")));
    check(&sets, json!({"nbf": NOW_S + 30}), Ok(()));
    check(&sets, json!({"nbf": NOW_S + 31}), Err(NotYet));
    check(&sets, json!({"nbf": []}), Err(Claim("nbf")));
    check(&sets, json!({"app": null}), Err(Claim("app")));
    check(&sets, json!({"app": 1}), Err(Claim("app")));
    check(&sets, json!({"stream": {}}), Err(Claim("stream")));
    check(&sets, json!({"action": ["play", "publish"]}), Ok(()));
    check(&sets, json!({"action": "rule"}), Err(Claim("action")));
    check(&sets, json!({"addr": "not one"}), Err(Claim("addr")));
    check(&sets, json!({"uses": 0}), Err(Claim("uses")));
    check(&sets, json!({"uses": "2"}), Err(Claim("uses")));
    check(&sets, json!({"jti": ""}), Err(Claim("jti")));
    check(&sets, json!({"jti": "x".repeat(129)}), Err(Claim("jti")));
    check(&sets, json!({"iss": 5, "aud": {}}), Ok(()));
    sets[0].issuer = Some("https://id.example".to_owned());
    check(&sets, json!({}), Err(Foreign("issuer")));
    check(
        &sets,
        json!({"iss": "https://other.example"}),
        Err(Foreign("issuer")),
    );
    check(&sets, json!({"iss": "https://id.example"}), Ok(()));
    sets[0].issuer = None;
    sets[0].audience = Some("weir".to_owned());
    check(&sets, json!({}), Err(Foreign("audience")));
    check(&sets, json!({"aud": "other"}), Err(Foreign("audience")));
    check(&sets, json!({"aud": "weir"}), Ok(()));
    check(&sets, json!({"aud": ["other", "weir"]}), Ok(()));
    let both = [sets[0].clone(), set(SECRET)];
    check(&both, json!({"aud": "other"}), Ok(()));
}

#[test]
fn a_token_that_is_too_long_or_no_token_is_not_read() {
    let sets = [set(SECRET)];
    let long = token(&json!({"pad": "x".repeat(MAX_TOKEN_BYTES)}));
    assert_eq!(read_at(&long, &sets, NOW_S), Err(TokenError::Damaged));
    for text in [
        "",
        ".",
        "..",
        "eyJ..",
        "eyJ.eyJ.eyJ",
        "eyJhbGciOiJIUzI1NiJ9.e30.",
        "a.b.c.d",
    ] {
        assert_eq!(
            read_at(text, &sets, NOW_S),
            Err(TokenError::Damaged),
            "{text}"
        );
    }
}

#[test]
fn a_token_is_named_by_its_maker_and_its_jti() {
    let sets = [set(SECRET)];
    let named = read_at(&token(&json!({"jti": "7", "uses": 3})), &sets, NOW_S).unwrap();
    assert_eq!(
        (named.id, named.uses),
        (format!("{}:7", sets[0].id), Some(3))
    );
    let first = read_at(&token(&json!({})), &sets, NOW_S).unwrap();
    let second = read_at(&token(&json!({"stream": "x"})), &sets, NOW_S).unwrap();
    assert_ne!(first.id, second.id);
}

#[test]
fn what_the_server_issues_is_read_back() {
    let mut set = set(SECRET);
    set.audience = Some("weir".to_owned());
    set.keys[0].kid = Some("k1".to_owned());
    let issued = Issued {
        exp: NOW_S + 60,
        iss: None,
        aud: set.audience.clone(),
        app: Pattern::parse("live").unwrap(),
        stream: Pattern::any(),
        action: Action::Publish,
        addr: Some("192.0.2.1".parse().unwrap()),
        client: Some("studio".to_owned()),
        uses: Some(1),
        jti: Some("t".to_owned()),
    };
    let text = issued.sign(set.signer().unwrap()).unwrap();
    assert!(is_jwt(&text));
    let right =
        crate::token::check(&text, &[fixture::signing_key()], &[set], NOW_S * 1_000).unwrap();
    assert_eq!(right.actions, [Action::Publish]);
    assert_eq!(right.bearer, Some(Bearer::Name("studio".to_owned())));
    assert_eq!((right.addr, right.uses), (issued.addr, Some(1)));
}
