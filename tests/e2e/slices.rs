//! Objects in slices: parts of large files, each byte fetched once, never of two generations.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::eventually::eventually;
use crate::harness::http::{self, Answer};
use crate::harness::http_origin::{HttpOrigin, Out, Received};
use crate::harness::http_reader::Reader;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
const SLICE: u64 = 1 << 20;
const LONG: u64 = 100 << 20;

/// A byte of the object of this generation.
fn byte(generation: u64, at: u64) -> u8 {
    u8::try_from((at.wrapping_mul(31) ^ (at >> 10) ^ generation) % 251).expect("251 fits")
}

fn bytes(generation: u64, from: u64, until: u64) -> Vec<u8> {
    (from..until).map(|at| byte(generation, at)).collect()
}

/// Gives any part of an object, or all of it, as nginx does.
fn give(generation: u64, length: u64, request: &Received, out: &mut Out) -> io::Result<()> {
    let tag = format!("\"generation-{generation}\"");
    let holds = request
        .header("if-range")
        .is_none_or(|wanted| wanted == tag);
    let (from, until, is_part) = match holds {
        true => request.range(length),
        false => (0, length, false),
    };
    let told = format!("bytes {from}-{}/{length}", until - 1);
    let mut fields = vec![
        ("etag", tag.as_str()),
        ("cache-control", "max-age=60"),
        ("content-type", "video/mp4"),
        ("accept-ranges", "bytes"),
    ];
    if is_part {
        fields.push(("content-range", &told));
    }
    let status = if is_part {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    out.head(status, &fields, until - from)?;
    let mut at = from;
    while at < until {
        let next = until.min(at + (64 << 10));
        out.write(&bytes(generation, at, next))?;
        at = next;
    }
    Ok(())
}

/// A world with one edge, and a route to this origin that stores everything.
fn world(origin: &HttpOrigin) -> World {
    let world = World::start(1);
    let all = json!({"cache": {"enabled": true, "default_ttl_ms": 0, "max_object_bytes": -1}});
    world.add_http_origin(&origin.address(), "long/*", all);
    world
}

fn part(world: &World, path: &str, range: &str) -> Answer {
    let edge = world.edges[0].http();
    http::ask(edge, "GET", path, &[("range", range)], &[]).expect("the edge answers")
}

fn fetched(world: &World) -> u64 {
    let rows = world.api.items("/cache");
    rows.iter()
        .filter_map(|row| row["fetched_bytes"].as_u64())
        .sum()
}

#[track_caller]
fn is_part(answer: &Answer, from: u64, until: u64, length: u64) {
    assert_eq!(answer.status, 206, "{:?}", answer.headers);
    let told = format!("bytes {from}-{}/{length}", until - 1);
    assert_eq!(answer.header("content-range"), Some(told.as_str()));
    assert!(answer.body == bytes(1, from, until), "{told}: other bytes");
}

#[test]
fn a_part_far_into_a_cold_file_costs_two_slices_and_the_next_costs_nothing() {
    let origin = HttpOrigin::start(|request, out| give(1, LONG, request, out));
    let world = world(&origin);
    let from = LONG / 10 * 9;
    let cold = part(
        &world,
        "/long/a.mp4",
        &format!("bytes={from}-{}", from + SLICE - 1),
    );
    is_part(&cold, from, from + SLICE, LONG);
    assert!(
        cold.header("cache-status")
            .unwrap()
            .contains("fwd=uri-miss")
    );
    let cost = eventually(SOON, "what was fetched is reported", || {
        Some(fetched(&world)).filter(|fetched| *fetched >= SLICE)
    });
    assert!(
        cost <= 2 * SLICE && origin.sent() <= 2 * SLICE,
        "{cost} of {}",
        origin.sent()
    );
    let requests = origin.received().len();

    // Any other part of the same slices is a hit, and counted as one.
    for (range, first, last) in [
        (
            format!("bytes={}-{}", from + 10, from + 19),
            from + 10,
            from + 20,
        ),
        (format!("bytes={from}-{from}"), from, from + 1),
    ] {
        let warm = part(&world, "/long/a.mp4", &range);
        is_part(&warm, first, last, LONG);
        assert!(
            warm.header("cache-status").unwrap().contains("; hit"),
            "{warm:?}"
        );
    }
    let none = part(&world, "/long/a.mp4", &format!("bytes={LONG}-"));
    assert_eq!(
        (none.status, none.header("content-range")),
        (416, Some(format!("bytes */{LONG}").as_str()))
    );
    assert_eq!(origin.received().len(), requests, "a hit asks nobody");

    // The last bytes, of which nobody knew where they are, in a file that is as cold.
    let last = part(&world, "/long/b.mp4", "bytes=-5");
    is_part(&last, LONG - 5, LONG, LONG);
}

#[test]
fn only_what_is_missing_is_fetched_and_the_whole_is_the_object() {
    let length = 12 * SLICE + 345;
    let origin = HttpOrigin::start(move |request, out| give(1, length, request, out));
    let world = world(&origin);
    is_part(
        &part(&world, "/long/a.mp4", "bytes=3145728-3145800"),
        3 * SLICE,
        3 * SLICE + 73,
        length,
    );
    is_part(
        &part(&world, "/long/a.mp4", "bytes=7340032-7340032"),
        7 * SLICE,
        7 * SLICE + 1,
        length,
    );
    let whole = http::get(world.edges[0].http(), "/long/a.mp4").unwrap();
    assert_eq!(whole.status, 200);
    assert!(whole.body == bytes(1, 0, length), "other bytes");
    let mut asked: Vec<(u64, u64)> = origin
        .requests_for("/long/a.mp4")
        .iter()
        .map(|request| request.range(length))
        .map(|(from, until, _)| (from / SLICE, until.div_ceil(SLICE)))
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [(0, 3), (3, 4), (4, 7), (7, 8), (8, 13)]);
    let again = http::get(world.edges[0].http(), "/long/a.mp4").unwrap();
    assert!(again.header("cache-status").unwrap().contains("; hit") && again.body == whole.body);
    assert_eq!(origin.received().len(), 5);
    eventually(SOON, "every byte was fetched once", || {
        (fetched(&world) == length).then_some(())
    });
}

#[test]
fn a_whole_answer_of_a_large_file_is_kept_in_slices_as_far_as_it_was_read() {
    let length = 40 * SLICE;
    let origin = HttpOrigin::start(move |request, out| give(1, length, request, out));
    let world = world(&origin);
    let mut reader = Reader::get(world.edges[0].http(), "/long/a.mp4");
    reader.read(SLICE);
    // Nobody reads on: it is not fetched on, but for a little, and what came serves others.
    eventually(SOON, "the slices ahead are there", || {
        let warm = part(&world, "/long/a.mp4", "bytes=2097152-2097161");
        warm.header("cache-status")?.contains("; hit").then_some(())
    });
    assert!(
        fetched(&world) <= 16 * SLICE,
        "{} slices",
        fetched(&world) / SLICE
    );
    drop(reader);
    is_part(&part(&world, "/long/a.mp4", "bytes=0-99"), 0, 100, length);
    assert_eq!(origin.requests_for("/long/a.mp4").len(), 1);
}

#[test]
fn several_parts_come_in_one_answer() {
    let origin = HttpOrigin::start(|request, out| give(1, LONG, request, out));
    let world = world(&origin);
    let answer = part(&world, "/long/a.mp4", "bytes=5-9,52428800-52428809,-4");
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type").unwrap().to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("several parts");
    let mut expected = Vec::new();
    for (from, until) in [(5, 10), (50 * SLICE, 50 * SLICE + 10), (LONG - 4, LONG)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {from}-{}/{LONG}\r\n\r\n",
            until - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&bytes(1, from, until));
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected, "{}", answer.text());
}

#[test]
fn a_file_that_changes_is_never_mixed() {
    let generation = Arc::new(AtomicU64::new(1));
    let now = Arc::clone(&generation);
    let origin = HttpOrigin::start(move |request, out| {
        give(now.load(Ordering::Relaxed), 20 * SLICE, request, out)
    });
    let world = world(&origin);
    is_part(&part(&world, "/long/a.mp4", "bytes=0-9"), 0, 10, 20 * SLICE);
    let mut reader = Reader::get(world.edges[0].http(), "/long/a.mp4");
    reader.read(2 * SLICE);
    generation.store(2, Ordering::Relaxed);
    // What is stored is fresh, but what it lacks is not to be had any more: all is of the new one.
    let changed = part(&world, "/long/a.mp4", "bytes=19922944-19922953");
    assert_eq!(changed.status, 206);
    assert!(
        changed.body == bytes(2, 19 * SLICE, 19 * SLICE + 10),
        "other bytes"
    );
    let first = part(&world, "/long/a.mp4", "bytes=0-9");
    assert!(
        first.status == 206 && first.body == bytes(2, 0, 10),
        "{}",
        first.status
    );
    // Who reads the old one gets its bytes or is cut off.
    let rest = reader.rest();
    assert!(
        rest == bytes(1, 2 * SLICE, 2 * SLICE + rest.len() as u64),
        "mixed"
    );
}

#[test]
fn a_body_that_breaks_off_is_taken_up_where_it_broke() {
    for length in [3 * SLICE, 12 * SLICE] {
        let broke = AtomicBool::new(false);
        let origin = HttpOrigin::start(move |request, out| {
            if broke.swap(true, Ordering::Relaxed) {
                return give(1, length, request, out);
            }
            let fields = [
                ("etag", "\"generation-1\""),
                ("cache-control", "max-age=60"),
                ("accept-ranges", "bytes"),
            ];
            out.head("200 OK", &fields, length)?;
            out.write(&bytes(1, 0, SLICE + 5))?;
            Err(io::ErrorKind::BrokenPipe.into())
        });
        let world = world(&origin);
        let whole = http::get(world.edges[0].http(), "/long/a.mp4").unwrap();
        assert!(
            whole.status == 200 && whole.body == bytes(1, 0, length),
            "{length}"
        );
        let ranges: Vec<Option<String>> = origin
            .received()
            .iter()
            .map(|request| request.header("range").map(str::to_owned))
            .collect();
        assert_eq!(
            ranges,
            [None, Some(format!("bytes={}-{}", SLICE + 5, length - 1))]
        );
        let again = http::get(world.edges[0].http(), "/long/a.mp4").unwrap();
        assert!(
            again.header("cache-status").unwrap().contains("; hit"),
            "it is stored"
        );
    }
}

#[test]
fn what_has_no_strong_validator_is_not_put_together() {
    let origin = HttpOrigin::start(|request, out| {
        let (from, until, is_part) = request.range(1_000);
        assert!(is_part, "{}", request.head);
        let told = format!("bytes {from}-{}/1000", until - 1);
        let fields = [
            ("etag", "W/\"weak\""),
            ("cache-control", "max-age=60"),
            ("content-range", &told),
        ];
        out.answer("206 Partial Content", &fields, &bytes(1, from, until))
    });
    let world = world(&origin);
    for _ in 0..2 {
        is_part(&part(&world, "/long/a.mp4", "bytes=10-19"), 10, 20, 1_000);
    }
    let asked: Vec<String> = origin
        .received()
        .iter()
        .map(|request| request.header("range").unwrap_or_default().to_owned())
        .collect();
    // Once for slices, which cannot be; then as the client asks.
    assert_eq!(asked, ["bytes=0-1048575", "bytes=10-19", "bytes=10-19"]);
}

#[test]
fn many_who_ask_for_one_part_make_one_request() {
    let origin = HttpOrigin::start(|request, out| give(1, LONG, request, out));
    let world = world(&origin);
    std::thread::scope(|scope| {
        for reader in 0..50 {
            let world = &world;
            scope.spawn(move || {
                let from = 30 * SLICE + reader;
                let answer = part(world, "/long/a.mp4", &format!("bytes={from}-{}", from + 99));
                is_part(&answer, from, from + 100, LONG);
            });
        }
    });
    assert_eq!(origin.received().len(), 1);
}

/// The files of the disk tier.
fn files(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let listed = std::fs::read_dir(folder).into_iter().flatten();
        listed.flatten().map(|entry| entry.path()).collect()
    };
    let epochs = list(&folder.join("store-http"));
    let short = epochs.iter().flat_map(|epoch| list(epoch));
    let files = short.flat_map(|short| list(&short));
    files.filter(|file| file.extension().is_none()).collect()
}

#[test]
fn a14_objects_are_served_from_the_disk_after_a_restart_and_what_is_damaged_is_not() {
    let origin = HttpOrigin::start(|request, out| match request.path() {
        "/long/small.ts" => {
            let fields = [
                ("cache-control", "max-age=600"),
                ("vary", "accept-language"),
            ];
            out.answer("200 OK", &fields, b"small")
        }
        _ => give(1, LONG, request, out),
    });
    let mut world = world(&origin);
    let ask = |world: &World| {
        let small = http::get(world.edges[0].http(), "/long/small.ts").expect("the edge answers");
        assert_eq!((small.status, small.text().as_str()), (200, "small"));
        let large = part(world, "/long/a.mp4", "bytes=50000000-50000099");
        is_part(&large, 50_000_000, 50_000_100, LONG);
        [small, large].map(|answer| {
            answer
                .header("cache-status")
                .is_some_and(|status| status.contains("; hit"))
        })
    };
    assert_eq!(ask(&world), [false, false]);
    let folder = world.edges[0].data().to_owned();
    // By what the small one varies, two heads, two slices.
    eventually(SOON, "all is on the disk", || {
        (files(&folder).len() == 5).then_some(())
    });
    let again = |world: &mut World| {
        world.edges[0].kill();
        world.edges[0].start_again();
    };
    again(&mut world);
    assert_eq!(ask(&world), [true, true]);
    assert_eq!(origin.received().len(), 2, "the origin is not asked");

    world.edges[0].kill();
    for file in files(&folder) {
        let mut bytes = std::fs::read(&file).expect("the edge is not there to remove it");
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        std::fs::write(&file, bytes).expect("the folder is ours");
    }
    world.edges[0].start_again();
    assert_eq!(ask(&world), [false, false]);
    assert_eq!(origin.received().len(), 4);
}
