//! The console as people use it: in a real browser.

use std::time::{Duration, Instant};

use crate::harness::api::Api;
use crate::harness::browser::Browser;
use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::server::{ADMINISTRATOR, PASSWORD, Server};
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a9_a_reassignment_in_the_browser_governs_the_next_connection_within_a_second() {
    let server = Server::start();
    let browser = Browser::open(1280, 900);
    browser.goto(server.setup_link().unwrap());
    browser.fill("Your name", ADMINISTRATOR);
    browser.fill("Password", PASSWORD);
    browser.fill("Password again", PASSWORD);
    browser.press("Create administrator and sign in");
    browser.sees("Overview");

    let api = Api::signed_in(server.address(), ADMINISTRATOR, PASSWORD).token("administrator");
    let world = World::around(server, api, 2);
    let _publisher = world.publish("live", "s");
    let client = world.client_here("camera");
    world.assign(&client, &world.edges[0], "refuse");
    world.settle();
    let [first, second] = [world.edges[0].rtmp(), world.edges[1].rtmp()];
    assert!(Viewer::is_let_in(first, "live", "s") && !Viewer::is_let_in(second, "live", "s"));

    browser.goto(&world.server.url("/assignments"));
    browser.click_at("//tr[contains(., 'camera')]//input[@type='checkbox']");
    browser.press("Move to…");
    browser.choose("Belong to", &world.edges[1].name);
    browser.click_at("//label[.//input[@name='elsewhere'][@value='refuse']]");
    browser.press("See what it touches");
    browser.click_at("//button[starts-with(normalize-space(.), 'Move to')]");
    let begun = Instant::now();
    eventually(SOON, "its new edge lets it in", || {
        Viewer::is_let_in(second, "live", "s").then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        !Viewer::is_let_in(first, "live", "s"),
        "its old edge still lets it in"
    );

    let playing = media::play(&world.edges[1].url("live/s"), 30);
    browser.goto(
        &world
            .server
            .url(&format!("/sessions?client={client}&state=live")),
    );
    browser.sees("edge-2");
    drop(playing);
    browser.goto(&world.server.url("/audit"));
    browser.sees(ADMINISTRATOR);
    browser.sees("reassign");
}
