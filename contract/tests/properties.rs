//! What holds for every input: addresses cut anywhere come out the same, nothing a client sends
//! panics, and what a form writes it reads back.
#![allow(clippy::unwrap_used)]

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD, Engine as _};
use contract::address::{OriginAddress, Requested};
use contract::control::JoinToken;
use contract::facts::Action;
use contract::hop::Hop;
use contract::id::{KeySetId, SessionId};
use contract::key_set::{self, KeySet};
use contract::pattern::Pattern;
use contract::token::jwt::{self, Issued};
use contract::token::{PlayToken, TokenError};
use contract::webhook;
use proptest::prelude::*;

fn host() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5})?(:[1-9][0-9]{0,3})?"
}

fn segment() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,12}"
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn key_set() -> KeySet {
    KeySet {
        id: KeySetId::from_bits(1),
        name: "partner".parse().unwrap(),
        enabled: true,
        issuer: None,
        audience: None,
        keys: key_set::read("0123456789abcdef0123456789abcdef").unwrap(),
    }
}

/// JSON with the names that tokens have, and values of every kind.
fn json() -> impl Strategy<Value = String> {
    let name = "alg|kid|crit|exp|nbf|app|stream|action|addr|uses|jti|aud|x";
    let value =
        "-?[0-9]{1,25}|1e400|null|true|\"[a-zA-Z0-9:.*]{0,9}\"|\\[\"play\"\\]|\\{\\}|\\[[0-9]\\]";
    prop::collection::btree_map(name, value, 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #[test]
    fn a_wrapped_address_means_the_same_wherever_a_client_cuts_it(
        hosts in prop::collection::vec(host(), 1..4),
        app in segment(),
        stream in segment(),
    ) {
        let hops: Vec<String> = hosts.iter().map(|host| format!("rtmp://{host}/")).collect();
        let whole = format!("{}{app}/{stream}", hops.join("?"));
        let expected = Requested::parse(&format!("?{}{app}", hops.join("?")), Some(&stream)).unwrap();
        prop_assert_eq!(expected.hops.len(), hosts.len());
        // After `rtmp:/`, as ffmpeg cuts, and after each whole prefix, as rtmpdump does.
        let cuts = std::iter::once("rtmp:/".len()).chain(
            hops.iter().scan(0, |end, hop| { *end += hop.len() + 1; Some(*end - 2) }),
        );
        for cut in cuts {
            let (left, right) = (&whole[..cut], &whole[cut + 1..]);
            let seen = Requested::parse(&format!("?{left}"), Some(right)).unwrap();
            prop_assert_eq!(&seen, &expected, "{} | {}", left, right);
        }
    }

    #[test]
    fn no_text_from_outside_panics(app in ".{0,80}", stream in ".{0,80}") {
        let _ = Requested::parse(&app, Some(&stream));
        let _ = Requested::parse(&format!("?rtmp://{app}"), Some(&stream));
        let _ = Requested::parse(&app, None);
        let _ = Requested::http(&format!("/{app}"), Some(&stream));
        let _ = app.parse::<OriginAddress>();
        let _ = app.parse::<SessionId>();
        let _ = JoinToken::parse(&app);
        let _ = PlayToken::verify(&app, &[], 0);
        let _ = Hop::verify(&app, &[], 0);
        let _ = key_set::read(&app);
        let _ = key_set::read(&format!("-----BEGIN PUBLIC KEY-----{app}-----END "));
        let _ = webhook::Answer::read(200, stream.as_bytes());
    }

    #[test]
    fn no_part_of_a_token_panics_or_opens(
        header in json(), claims in json(), signature in "[a-zA-Z0-9_-]{0,90}",
    ) {
        let sets = [key_set()];
        let text = format!("{}.{}.{signature}", encode(&header), encode(&claims));
        prop_assert!(jwt::verify(&text, &sets, 0).is_err());
        // Claims of every kind under a good signature.
        let signed = format!("{}.{}", encode("{\"alg\":\"HS256\"}"), encode(&claims));
        let mac = sets[0].keys[0].sign(signed.as_bytes()).unwrap();
        let _ = jwt::verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)), &sets, 0);
    }

    #[test]
    fn a_token_reads_back_as_it_was_issued(
        app in segment(), jti in segment(), uses in 1_u32.., life_s in 1_u64..1_000_000,
    ) {
        let issued = Issued {
            exp: life_s,
            iss: None,
            aud: None,
            app: Pattern::parse(&app).unwrap(),
            stream: Pattern::any(),
            action: Action::Publish,
            addr: None,
            client: None,
            uses: Some(uses),
            jti: Some(jti.clone()),
        };
        let set = key_set();
        let text = issued.sign(&set.keys[0]).unwrap();
        let sets = [set];
        let right = jwt::verify(&text, &sets, life_s * 1_000).unwrap();
        prop_assert_eq!(right.id, format!("{}:{jti}", sets[0].id));
        prop_assert_eq!((right.app, right.uses), (issued.app, Some(uses)));
        let over_ms = life_s * 1_000 + jwt::LEEWAY_MS;
        prop_assert_eq!(jwt::verify(&text, &sets, over_ms), Err(TokenError::Expired));
    }

    #[test]
    fn an_origin_address_reads_back_as_it_prints(host in host(), scheme in "rtmps?|https?") {
        let address: OriginAddress = format!("{scheme}://{host}").parse().unwrap();
        prop_assert_eq!(address.to_string().parse::<OriginAddress>().unwrap(), address);
    }

    #[test]
    fn a_pattern_without_a_star_matches_only_itself(text in "[a-z/]{1,8}", other in "[a-z/]{1,8}") {
        let pattern = Pattern::parse(&text).unwrap();
        prop_assert_eq!(pattern.matches(&other), text == other);
    }

    #[test]
    fn a_star_matches_whatever_stands_for_it(before in "[a-z]{0,5}", middle in ".{0,9}", after in "[a-z]{0,5}") {
        let pattern = Pattern::parse(&format!("{before}*{after}")).unwrap();
        let text = format!("{before}{middle}{after}");
        prop_assert!(pattern.matches(&text));
        prop_assert_eq!(pattern.only_star(&text), Some(middle.as_str()));
    }
}
