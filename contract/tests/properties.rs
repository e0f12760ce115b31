//! What holds for every input: addresses cut anywhere come out the same, nothing a client sends
//! panics, and what a form writes it reads back.
#![allow(clippy::unwrap_used)]

use contract::address::{OriginAddress, Requested};
use contract::control::JoinToken;
use contract::hop::Hop;
use contract::id::SessionId;
use contract::pattern::Pattern;
use contract::token::PlayToken;
use proptest::prelude::*;

fn host() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5})?(:[1-9][0-9]{0,3})?"
}

fn segment() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,12}"
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
