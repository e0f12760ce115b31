//! What is stored, how long it is fresh, and how long it may be used stale.

use super::*;

const NOW_MS: u64 = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT

fn fields(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

struct Case {
    request: &'static [&'static str],
    status: u16,
    response: &'static [&'static str],
    default_ttl_ms: u32,
}

const PLAIN: Case = Case {
    request: &[],
    status: 200,
    response: &[],
    default_ttl_ms: 0,
};

fn judge(case: &Case) -> Result<Policy, NotStored> {
    let (request, response) = (fields(case.request), fields(case.response));
    let exchange = Exchange {
        method: &Method::GET,
        request: &request,
        status: StatusCode::from_u16(case.status).unwrap(),
        response: &response,
        requested_ms: NOW_MS,
        responded_ms: NOW_MS,
    };
    let settings = CacheSettings {
        default_ttl_ms: case.default_ttl_ms,
        ..CacheSettings::default()
    };
    policy(&exchange, &settings)
}

#[test]
fn freshness_comes_from_the_first_that_says_it() {
    let check = |response: &'static [&'static str], fresh_ms: i64| {
        let policy = judge(&Case { response, ..PLAIN }).unwrap();
        assert_eq!(policy.fresh_for_ms(NOW_MS), fresh_ms, "{response:?}");
    };
    const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    check(&["cache-control: max-age=10"], 10_000);
    check(&["cache-control: max-age=10, s-maxage=20"], 20_000);
    check(
        &[
            "cache-control: max-age=10",
            "expires: Sun, 06 Nov 1994 08:49:57 GMT",
            DATE,
        ],
        10_000,
    );
    check(&["expires: Sun, 06 Nov 1994 08:49:57 GMT", DATE], 20_000);
    check(&["cache-control: max-age=10", "age: 4"], 6_000);
    check(
        &[
            "cache-control: max-age=10",
            "date: Sun, 06 Nov 1994 08:49:30 GMT",
        ],
        3_000,
    );
    check(&["cache-control: no-cache, max-age=10", "etag: \"a\""], 0);
    check(&["expires: 0", "etag: \"a\""], 0);
    check(&["etag: \"a\""], 0);
    const MODIFIED: &str = "last-modified: Sun, 06 Nov 1994 07:09:37 GMT";
    check(&[MODIFIED, DATE], 600_000);
    check(
        &[
            MODIFIED,
            DATE,
            "content-type: application/vnd.apple.mpegurl",
        ],
        0,
    );
    check(
        &[
            "last-modified: Sun, 06 Nov 1904 07:09:37 GMT",
            DATE,
            "etag: \"a\"",
        ],
        0,
    );
    check(
        &["last-modified: Tue, 06 Nov 1984 07:09:37 GMT", DATE],
        86_400_000,
    );
}

#[test]
fn an_age_that_cannot_be_read_makes_an_answer_stale() {
    for ages in [
        &["age: 4, 9"] as &[_],
        &["age: x"],
        &["age: -1"],
        &["age: 1", "age: 1"],
    ] {
        let mut response = fields(ages);
        response.insert("cache-control", "max-age=10".parse().unwrap());
        response.insert(ETAG, "\"a\"".parse().unwrap());
        let exchange = Exchange {
            method: &Method::GET,
            request: &HeaderMap::new(),
            status: StatusCode::OK,
            response: &response,
            requested_ms: NOW_MS,
            responded_ms: NOW_MS,
        };
        let policy = policy(&exchange, &CacheSettings::default()).unwrap();
        assert!(!policy.is_fresh(NOW_MS), "{ages:?}");
    }
}

#[test]
fn what_is_private_or_cannot_be_used_again_is_not_stored() {
    let check = |case: Case, expected: NotStored| {
        assert_eq!(judge(&case), Err(expected), "{:?}", case.response);
    };
    let said = |response| Case { response, ..PLAIN };
    check(
        said(&["cache-control: no-store, max-age=9"]),
        NotStored::NoStore,
    );
    check(
        said(&["cache-control: private, max-age=9"]),
        NotStored::Private,
    );
    check(
        said(&["etag: \"a\"", "set-cookie: a=b"]),
        NotStored::Private,
    );
    check(
        said(&["cache-control: max-age=9", "vary: accept, *"]),
        NotStored::Varies,
    );
    check(said(&[]), NotStored::NeverFresh);
    check(said(&["expires: 0"]), NotStored::NeverFresh);
    check(
        said(&["cache-control: max-age=9", "age: 9"]),
        NotStored::NeverFresh,
    );
    let status = |status, response| Case {
        status,
        response,
        ..PLAIN
    };
    check(
        status(206, &["cache-control: max-age=9"]),
        NotStored::Status,
    );
    check(
        status(304, &["cache-control: max-age=9"]),
        NotStored::Status,
    );
    check(status(302, &["etag: \"a\""]), NotStored::Status);
    check(status(500, &["etag: \"a\""]), NotStored::Status);
    check(
        status(599, &["cache-control: max-age=9, must-understand"]),
        NotStored::Status,
    );
    let named = |response| Case {
        request: &["authorization: Basic x"],
        response,
        ..PLAIN
    };
    check(named(&["cache-control: max-age=9"]), NotStored::Private);
    let with_cookie = Case {
        request: &["cookie: a=b"],
        response: &["etag: \"a\""],
        default_ttl_ms: 1_000,
        ..PLAIN
    };
    check(with_cookie, NotStored::Private);
    let unwilling = Case {
        request: &["cache-control: no-store"],
        response: &["cache-control: max-age=9"],
        ..PLAIN
    };
    check(unwilling, NotStored::NoStore);
}

#[test]
fn what_says_that_it_is_for_all_is_stored() {
    for response in [
        &["cache-control: public, max-age=9", "set-cookie: a=b"] as &[_],
        &["cache-control: s-maxage=9"],
        &["cache-control: must-understand, no-store, s-maxage=9"],
        &["cache-control: must-revalidate, max-age=9"],
    ] {
        let case = Case {
            request: &["authorization: Basic x"],
            response,
            ..PLAIN
        };
        assert!(judge(&case).is_ok(), "{response:?}");
    }
    let found = Case {
        status: 302,
        response: &["cache-control: max-age=9"],
        ..PLAIN
    };
    assert!(judge(&found).is_ok());
    let silent = Case {
        default_ttl_ms: 5_000,
        ..PLAIN
    };
    assert_eq!(judge(&silent).unwrap().fresh_for_ms(NOW_MS), 5_000);
}

#[test]
fn a_stale_object_stands_in_only_as_long_as_it_says() {
    let check = |response: &'static [&'static str], after_s: u64, expected: bool| {
        let policy = judge(&Case { response, ..PLAIN }).unwrap();
        let now_ms = NOW_MS + after_s * 1_000;
        assert_eq!(
            policy.may_stand_in(now_ms),
            expected,
            "{response:?} {after_s}"
        );
    };
    check(&["cache-control: max-age=10"], 9, true);
    check(&["cache-control: max-age=10"], 1_000, true);
    check(&["cache-control: max-age=10"], 100_000, false);
    check(&["cache-control: max-age=10, stale-if-error=5"], 14, true);
    check(&["cache-control: max-age=10, stale-if-error=5"], 15, false);
    check(&["cache-control: max-age=10, must-revalidate"], 10, false);
    check(&["cache-control: max-age=10, proxy-revalidate"], 10, false);
    check(&["cache-control: s-maxage=10"], 10, false);
}

#[test]
fn age_grows_with_time_and_with_the_way() {
    let response = fields(&["cache-control: max-age=10", "age: 2"]);
    let request = HeaderMap::new();
    let exchange = Exchange {
        method: &Method::GET,
        request: &request,
        status: StatusCode::OK,
        response: &response,
        requested_ms: NOW_MS - 1_500,
        responded_ms: NOW_MS,
    };
    let policy = policy(&exchange, &CacheSettings::default()).unwrap();
    assert_eq!(policy.age_ms(NOW_MS + 500), 4_000);
    assert!(policy.is_fresh(NOW_MS + 6_499));
    assert!(!policy.is_fresh(NOW_MS + 6_500));
}

#[test]
fn an_object_is_used_stale_only_as_rfc_5861_and_its_origin_allow() {
    let check = |response: &'static [&'static str], after_s: u64, expected: (bool, bool, bool)| {
        let policy = judge(&Case { response, ..PLAIN }).unwrap();
        let now_ms = NOW_MS + after_s * 1_000;
        let found = (
            policy.may_bridge(now_ms),
            policy.may_stand_in(now_ms),
            policy.need_not_wait(now_ms),
        );
        assert_eq!(found, expected, "{response:?} {after_s}");
    };
    const BOTH: &[&str] =
        &["cache-control: max-age=10, stale-while-revalidate=5, stale-if-error=20"];
    check(BOTH, 14, (true, true, true));
    check(BOTH, 15, (false, true, true));
    check(BOTH, 30, (false, false, false));
    check(&["cache-control: max-age=10"], 14, (false, true, false));
    const NEVER: (bool, bool, bool) = (false, false, false);
    for forbidden in [
        &["cache-control: max-age=10, must-revalidate, stale-while-revalidate=9, stale-if-error=9"]
            as &[_],
        &["cache-control: max-age=10, proxy-revalidate, stale-while-revalidate=9"],
        &["cache-control: s-maxage=10, stale-while-revalidate=9, stale-if-error=9"],
    ] {
        check(forbidden, 12, NEVER);
    }
    check(
        &[
            "cache-control: s-maxage=1",
            "cdn-cache-control: max-age=10, stale-while-revalidate=9",
        ],
        12,
        (true, true, false),
    );
}

#[test]
fn what_is_said_to_this_cache_alone_counts_before_all_else() {
    let check = |response: &'static [&'static str], expected: Result<i64, NotStored>| {
        let found = judge(&Case { response, ..PLAIN }).map(|policy| policy.fresh_for_ms(NOW_MS));
        assert_eq!(found, expected, "{response:?}");
    };
    const TARGETED: &str = "cdn-cache-control: max-age=60";
    check(&[TARGETED, "cache-control: no-store"], Ok(60_000));
    check(&[TARGETED, "expires: 0"], Ok(60_000));
    check(
        &["cdn-cache-control: no-store", "cache-control: max-age=60"],
        Err(NotStored::NoStore),
    );
    check(
        &[
            "cdn-cache-control: public",
            "expires: Sun, 06 Nov 2094 08:49:57 GMT",
        ],
        Err(NotStored::NeverFresh),
    );
    check(
        &["cdn-cache-control: =", "cache-control: max-age=9"],
        Ok(9_000),
    );
}

#[test]
fn that_there_is_nothing_is_kept_as_long_as_the_route_says() {
    let check = |status: u16, response: &'static [&'static str], expected: Option<i64>| {
        let response = fields(response);
        let exchange = Exchange {
            method: &Method::GET,
            request: &HeaderMap::new(),
            status: StatusCode::from_u16(status).unwrap(),
            response: &response,
            requested_ms: NOW_MS,
            responded_ms: NOW_MS,
        };
        let settings = CacheSettings {
            default_ttl_ms: 60_000,
            negative_ttl_ms: 2_000,
            ..CacheSettings::default()
        };
        let found = policy(&exchange, &settings).map(|policy| policy.fresh_for_ms(NOW_MS));
        assert_eq!(found.ok(), expected, "{status} {response:?}");
    };
    check(200, &[], Some(60_000));
    for nothing in [404, 405, 410, 414, 501] {
        check(nothing, &[], Some(2_000));
        check(nothing, &["cache-control: max-age=9"], Some(9_000));
        check(nothing, &["cache-control: no-store"], None);
    }
    // These may not be stored where they do not say so themselves (RFC 9111, section 3).
    for fault in [403, 500, 502, 503, 504] {
        check(fault, &[], None);
    }
}

#[test]
fn an_answer_to_post_is_stored_only_where_it_names_its_lifetime() {
    let check = |status: u16, response: &'static [&'static str], expected: bool| {
        let response = fields(response);
        let exchange = Exchange {
            method: &Method::POST,
            request: &HeaderMap::new(),
            status: StatusCode::from_u16(status).unwrap(),
            response: &response,
            requested_ms: NOW_MS,
            responded_ms: NOW_MS,
        };
        let settings = CacheSettings {
            default_ttl_ms: 60_000,
            ..CacheSettings::default()
        };
        let stored = policy(&exchange, &settings).is_ok();
        assert_eq!(stored, expected, "{status} {response:?}");
    };
    check(200, &["cache-control: max-age=9"], true);
    check(200, &["cache-control: max-age=9, private"], false);
    check(200, &["etag: \"a\""], false);
    check(201, &["cache-control: max-age=9"], false);
}
