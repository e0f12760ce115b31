//! Clients that connect again when they are asked to.

use contract::assignment::{Assignment, Elsewhere, Subject, Target};
use contract::directory::DirectoryChanges;
use contract::id::{AssignmentId, EdgeId};
use contract::snapshot::Neighbor;
use rtmp::amf::property;

use super::*;

const THERE: EdgeId = EdgeId::from_bits(2);

fn playing(caps_ex: Option<u32>) -> Pair {
    let mut settings = fixture::settings();
    let there = Neighbor {
        id: THERE,
        rtmp: Some("there.example:1935".parse().unwrap()),
        ..settings.snapshot.edges[0].clone()
    };
    settings.snapshot.edges.push(there);
    let mut options = ConnectOptions::new("live?k=1", "rtmp://edge.example/live?k=1");
    options.caps_ex = caps_ex;
    let mut pair = pair_of(settings, options);
    pair.play("s");
    pair.edge.play_started(1, false);
    pair.exchange();
    pair.heard.clear();
    pair
}

fn assign(pair: &mut Pair, edge: EdgeId, elsewhere: Elsewhere) {
    let assignment = Assignment {
        id: AssignmentId::from_bits(1),
        subject: Subject::Everyone,
        target: Target::Edge { edge },
        elsewhere,
        order: 0,
        enabled: true,
    };
    let mut changes = pair.settings.directory.to_changes();
    changes.assignments = vec![assignment];
    let changes = DirectoryChanges {
        whole: true,
        ..changes
    };
    pair.settings.directory.apply(changes).unwrap();
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
}

/// The requests that the client heard: where each says to go.
fn requests(pair: &Pair) -> Vec<Option<String>> {
    let requests = pair.heard.iter().filter_map(|event| match event {
        client::Event::Status {
            stream_id: 0,
            level,
            code,
            object,
            ..
        } if code == "NetConnection.Connect.ReconnectRequest" => {
            assert_eq!(level, "status");
            let tc_url = property(object, "tcUrl").and_then(Value::as_str);
            Some(tc_url.map(str::to_owned))
        }
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_client_that_announced_it_is_asked_once_to_go_where_it_belongs_and_stays_until_it_goes() {
    let mut pair = playing(Some(1));
    assign(&mut pair, THERE, Elsewhere::Redirect);
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    let there = Some("rtmp://there.example:1935/live?k=1".to_owned());
    assert_eq!(requests(&pair), std::slice::from_ref(&there));
    assert_eq!(pair.closed_for(), None);
    // Back and there again: it is asked anew.
    assign(&mut pair, fixture::HERE, Elsewhere::Redirect);
    assign(&mut pair, THERE, Elsewhere::Redirect);
    assert_eq!(requests(&pair), [there.clone(), there]);
}

#[test]
fn nobody_else_is_asked() {
    let mut old = playing(Some(6));
    assign(&mut old, THERE, Elsewhere::Redirect);
    assert!(!old.edge.ask_to_reconnect(Reason::EdgeStopping));
    assert_eq!(requests(&old), []);
    let mut relayed = playing(Some(1));
    assign(&mut relayed, THERE, Elsewhere::Relay);
    assert_eq!(requests(&relayed), []);
}

#[test]
fn an_edge_that_stops_says_so() {
    let mut pair = playing(Some(1));
    assert!(pair.edge.ask_to_reconnect(Reason::EdgeStopping));
    pair.exchange();
    assert_eq!(requests(&pair), [None]);
    assert_eq!(pair.closed_for(), None);
}
