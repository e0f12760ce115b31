//! Signing in as RTMP encoders do (`authmod=adobe`, clients.md): the client connects three times,
//! each time with more in its application's query.
//!
//! What a client sent, the settings and the time go in; what to answer, or the proof, comes out.
//! Nothing is remembered between the connections: the challenge is signed. No password and no
//! digest stands in what comes out.

use std::net::IpAddr;

use contract::facts::Proof;
use contract::nonce;

use super::Door;

/// What a client said of itself in its application's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    user: String,
    answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Eq)]
struct Answer {
    challenge: String,
    response: String,
    opaque: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

/// What follows from an offer.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Reject `connect` with this description: the client comes again with an answer.
    Ask(String),
    /// Go on to the judgment with this proof, right or wrong.
    Proven(Proof),
}

/// What precedes each description of the exchange.
const PREFIX: &str = "[ AccessManager.Reject ] : [";

/// The description that asks a client to sign in.
pub const NEED_AUTH: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
/// The description that tells a client that its password is wrong.
pub const AUTH_FAILED: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&";

/// Cuts the exchange's parameters off an application: clients append them to whatever query there
/// is, unescaped. A client that said its name of its own accord appends them once more when it is
/// asked: what it said last counts.
#[must_use]
pub fn cut(app: &str) -> (&str, Option<Offer>) {
    const MARKS: [&str; 2] = ["?authmod=adobe", "&authmod=adobe"];
    let first = MARKS.iter().filter_map(|mark| app.find(mark)).min();
    let last = MARKS.iter().filter_map(|mark| app.rfind(mark)).max();
    let (Some(first), Some(last)) = (first, last) else {
        return (app, None);
    };
    let value = |key: &str| {
        let found = app[last + 1..]
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key);
        found.map(|(_, value)| value.to_owned())
    };
    let answer = match (value("challenge"), value("response"), value("opaque")) {
        (Some(challenge), Some(response), Some(opaque)) => Some(Answer {
            challenge,
            response,
            opaque,
        }),
        (_, _, _) => None,
    };
    let user = value("user").unwrap_or_default();
    (&app[..first], Some(Offer { user, answer }))
}

/// Goes one step on with what a client offers.
#[must_use]
pub fn step(door: &Door<'_>, addr: IpAddr, offer: &Offer) -> Step {
    let wrong = Step::Proven(Proof::WrongStreamPassword);
    let Some((snapshot, key)) = door
        .snapshot
        .and_then(|snapshot| Some((snapshot, snapshot.keys.first()?)))
    else {
        return wrong;
    };
    let client = door.directory.client_by_name(&offer.user);
    let password = client.and_then(|client| client.stream_password.as_ref());
    let Some(answer) = &offer.answer else {
        let user = &offer.user;
        let salt = password.map_or_else(
            || nonce::decoy_salt(key, user),
            |password| password.salt.clone(),
        );
        let opaque = nonce::make(key, addr, user, door.at_ms);
        return Step::Ask(format!(
            "{PREFIX} authmod=adobe ] : ?reason=needauth&user={user}&salt={salt}&challenge={opaque}&opaque={opaque}"
        ));
    };
    let (Some(client), Some(password)) = (client, password) else {
        return wrong;
    };
    let ours = nonce::holds(
        &answer.opaque,
        &snapshot.keys,
        addr,
        &offer.user,
        door.at_ms,
    );
    if ours && password.answers(&answer.opaque, &answer.challenge, &answer.response) {
        Step::Proven(Proof::StreamPassword { client: client.id })
    } else {
        wrong
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::admission::fixture;
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use md5::{Digest, Md5};

    fn b64_md5(text: &str) -> String {
        BASE64_STANDARD.encode(Md5::digest(text.as_bytes()))
    }

    fn parameter(text: &str, key: &str) -> String {
        let all = text.split_once('?').unwrap().1;
        let mut pairs = all.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).unwrap().1.to_owned()
    }

    fn answer(asked: &str, user: &str, password: &str) -> String {
        let digest = b64_md5(&format!("{user}{}{password}", parameter(asked, "salt")));
        let opaque = parameter(asked, "opaque");
        let response = b64_md5(&format!("{digest}{opaque}0badcafe"));
        format!(
            "live?authmod=adobe&user={user}&challenge=0badcafe&response={response}&opaque={opaque}"
        )
    }

    fn sign_in(user: &str, password: &str, addr: &str, late_ms: u64) -> Step {
        let settings = fixture::settings();
        let mut door = settings.door();
        let addr = addr.parse().unwrap();
        let app = format!("live?authmod=adobe&user={user}");
        let (app, offer) = cut(&app);
        assert_eq!(app, "live");
        let Step::Ask(asked) = step(&door, "192.0.2.1".parse().unwrap(), &offer.unwrap()) else {
            panic!("a client that says only its name is asked");
        };
        // ffmpeg reads no more.
        assert!(asked.len() < 255, "{}", asked.len());
        door.at_ms += late_ms;
        let again = answer(&asked, user, password);
        let (app, offer) = cut(&again);
        assert_eq!(app, "live");
        step(&door, addr, &offer.unwrap())
    }

    #[test]
    fn the_right_password_proves_who_the_client_is() {
        let proof = Proof::StreamPassword {
            client: fixture::ENCODER,
        };
        assert_eq!(
            sign_in("encoder", "right", "192.0.2.1", 0),
            Step::Proven(proof)
        );
    }

    #[test]
    fn everything_else_proves_nothing() {
        let wrong = Step::Proven(Proof::WrongStreamPassword);
        assert_eq!(sign_in("encoder", "wrong", "192.0.2.1", 0), wrong);
        assert_eq!(sign_in("nobody", "right", "192.0.2.1", 0), wrong);
        assert_eq!(sign_in("encoder", "right", "192.0.2.9", 0), wrong);
        assert_eq!(sign_in("encoder", "right", "192.0.2.1", 60_000), wrong);
    }

    #[test]
    fn what_a_client_said_last_counts() {
        let twice =
            "live?authmod=adobe&user=u?authmod=adobe&user=v&challenge=c&response=r&opaque=o";
        let (app, offer) = cut(twice);
        let offer = offer.unwrap();
        assert_eq!((app, offer.user.as_str()), ("live", "v"));
        assert!(offer.answer.is_some());
    }

    #[test]
    fn cuts_only_what_belongs_to_the_exchange() {
        let check = |app: &str, expected: &str, offered: bool| {
            let (rest, offer) = cut(app);
            assert_eq!((rest, offer.is_some()), (expected, offered), "{app}");
        };
        check("live", "live", false);
        check("live?token=x", "live?token=x", false);
        check("live?authmod=adobe&user=u", "live", true);
        check("live?token=x&authmod=adobe&user=u", "live?token=x", true);
        check(
            "?rtmp:/?authmod=adobe&user=u&response=a/b=",
            "?rtmp:/",
            true,
        );
        check("?rtmp://o/live?authmod=adobe", "?rtmp://o/live", true);
    }
}
