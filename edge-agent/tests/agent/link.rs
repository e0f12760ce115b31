//! The link to the server against a server of our own that says what it is told to: what an edge
//! takes, keeps, refuses and reports.

use std::time::Duration;

use crate::support::server::Server;
use crate::support::{config, eventually, get, snapshot};
use contract::directory::DirectoryChanges;
use contract::order::{Order, Work};
use edge_agent::agent::{Agent, join};

async fn joined(server: &Server) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    join(dir.path(), &server.token(), None).await.unwrap();
    dir
}

#[tokio::test]
async fn an_edge_joins_and_takes_its_settings_and_reports_them() {
    let server = Server::start().await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let report = server
        .report(|report| report.settings.applied.is_some())
        .await;
    assert_eq!(report.settings.serving, report.settings.applied);
    assert_eq!(report.settings.serving.unwrap().generation, 1);
    agent.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_token_is_used_once_and_an_edge_joins_once() {
    let server = Server::start().await;
    let dir = joined(&server).await;
    let again = join(dir.path(), &server.token(), None).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let other = tempfile::tempdir().unwrap();
    let nonsense = join(other.path(), "weir_join_x", None).await;
    assert!(nonsense.is_err());
}

#[tokio::test]
async fn a_snapshot_with_a_fault_is_refused_and_the_one_in_force_stays() {
    let server = Server::start().await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let mut faulty = snapshot(Vec::new(), Vec::new());
    faulty.keys.clear();
    server
        .report(|report| report.settings.serving.is_some())
        .await;
    server.publish(2, &faulty);
    let report = server
        .report(|report| !report.settings.faults.is_empty())
        .await;
    assert_eq!(report.settings.received.unwrap().generation, 2);
    assert_eq!(report.settings.serving.unwrap().generation, 1);
    assert_eq!(report.settings.faults[0].field, "keys");
    // Not asked for again at once.
    let asked = server.polls();
    server.publish(3, &snapshot(Vec::new(), Vec::new()));
    let report = server
        .report(|report| report.settings.serving.as_ref().unwrap().generation == 3)
        .await;
    assert!(report.settings.faults.is_empty());
    assert!(server.polls() - asked < 10);
    agent.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn an_edge_starts_from_its_disk_when_the_server_is_away() {
    let server = Server::start().await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    server.change(DirectoryChanges {
        until: 4,
        whole: true,
        ..DirectoryChanges::default()
    });
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    server.report(|report| report.directory == 4).await;
    agent.stop(Duration::from_secs(1)).await;
    server.stop();
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let status = agent.addresses().status.unwrap();
    assert_eq!(get(status, "/readyz").await.0, 200);
    let (_, metrics) = get(status, "/metrics").await;
    assert!(
        metrics.contains("weir_edge_settings_generation 1"),
        "{metrics}"
    );
    assert!(metrics.contains("weir_edge_directory_generation 4"));
    agent.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_damaged_file_is_not_fatal_and_opens_no_door() {
    let server = Server::start().await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    server.change(DirectoryChanges {
        until: 4,
        whole: true,
        ..DirectoryChanges::default()
    });
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    server.report(|report| report.directory == 4).await;
    agent.stop(Duration::from_secs(1)).await;
    std::fs::write(dir.path().join("directory"), "torn").unwrap();
    let url = server.stop();
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let status = agent.addresses().status.unwrap();
    let (code, why) = get(status, "/readyz").await;
    assert_eq!(
        (code, why.as_str()),
        (503, "the edge has no settings yet\n")
    );
    let server = Server::start_again(url).await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    server.change(DirectoryChanges {
        until: 4,
        whole: true,
        ..DirectoryChanges::default()
    });
    eventually(async || get(status, "/readyz").await.0 == 200).await;
    agent.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn orders_are_carried_out_once_and_receipted() {
    let server = Server::start().await;
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    let kick = |number| Order {
        number,
        work: Work::Kick {
            sessions: Vec::new(),
        },
    };
    server.order(kick(5));
    server.order(kick(7));
    let report = server.report(|report| report.receipts.len() == 2).await;
    let numbers: Vec<u64> = report
        .receipts
        .iter()
        .map(|receipt| receipt.number)
        .collect();
    assert_eq!(numbers, [5, 7]);
    agent.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn an_edge_that_the_server_does_not_know_erases_what_it_kept() {
    let server = Server::start().await;
    server.publish(1, &snapshot(Vec::new(), Vec::new()));
    let dir = joined(&server).await;
    let agent = Agent::start(config(dir.path())).await.unwrap();
    server
        .report(|report| report.settings.serving.is_some())
        .await;
    server.expel();
    let status = agent.addresses().status.unwrap();
    eventually(async || get(status, "/readyz").await.0 == 503).await;
    eventually(async || std::fs::read_dir(dir.path()).unwrap().count() == 0).await;
    agent.stop(Duration::from_secs(1)).await;
}
