//! The first minutes: a server that nobody has set up, its one-time link, and the first edge.

use serde_json::json;

use crate::harness::api::Api;
use crate::harness::server::Server;

#[test]
fn a_set_up_link_works_once_and_there_is_no_account_before() {
    let mut server = Server::start();
    let link = server.setup_link().unwrap().to_owned();
    assert!(link.starts_with(&server.url("/setup/")), "{link}");
    let nobody = Api::without_token(server.address());
    assert_eq!(nobody.ask("GET", "/me", None).status, 401);
    let api = server.set_up();
    assert_eq!(api.get("/me")["role"], "administrator");

    let token = link.rsplit('/').next().unwrap();
    let again = json!({"token": token, "name": "Eve", "password": "long enough to be one"});
    assert_eq!(nobody.ask("POST", "/setup", Some(&again)).status, 404);

    server.kill();
    server.start_again();
    assert_eq!(api.get("/me")["role"], "administrator");
    assert_eq!(api.items("/users").len(), 1);
    assert!(
        !server.logs().contains("a sill across"),
        "a password is in the log"
    );
    server.stop();
}
