//! Orders: what edges were told to do at once, and what each answered.

use askama::Template;
use axum::extract::Query;
use contract::order::{PurgeScope, Work};
use http::StatusCode;

use super::clients::window_of;
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{State, Tone, When, plural};
use super::visitor::{Answer, Visitor, escaped, part, show};
use crate::app::Permission;
use crate::app::orders::{self, GivenOrder};

struct OrderRow {
    number: u64,
    what: String,
    edge: String,
    state: State,
    answers: Vec<String>,
    author: String,
    created: When,
}

#[derive(Template)]
#[template(path = "orders/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    may_purge: bool,
    orders: Vec<OrderRow>,
    next: Option<String>,
}

/// Orders with their receipts, the newest first.
pub(crate) async fn list(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let names = Names::read(&visitor).await?;
    let listing = orders::list(&visitor.app, &visitor.caller, &window_of(pairs)).await?;
    let now_ms = visitor.now_ms();
    let page = ListPage {
        frame: visitor.frame(Section::Sessions),
        may_purge: visitor.may(Permission::Purge),
        orders: listing
            .items
            .iter()
            .map(|order| row(order, &names, now_ms))
            .collect(),
        next: listing
            .next
            .map(|after| format!("/orders?after={}", escaped(&after))),
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}

fn row(order: &GivenOrder, names: &Names, now_ms: u64) -> OrderRow {
    let present = names.edges.iter().filter(|edge| !edge.retired).count();
    let awaited = if order.edge.is_some() { 1 } else { present };
    let (what, counted) = match &order.work {
        Work::Kick { sessions } => {
            let many = plural(sessions.len() as u64, "session", "sessions");
            (format!("End {many}"), ("ended", "ended"))
        }
        Work::Purge {
            scope: PurgeScope::All,
        } => ("Purge everything".to_owned(), ("object", "objects")),
        Work::Purge {
            scope: PurgeScope::Url { url },
        } => (format!("Purge {url}"), ("object", "objects")),
    };
    let answer = |receipt: &orders::Receipt| {
        let count = plural(receipt.count, counted.0, counted.1);
        format!("{}: {count}", names.edge(receipt.edge))
    };
    OrderRow {
        number: order.number,
        what,
        edge: order
            .edge
            .map_or_else(|| "every edge".to_owned(), |edge| names.edge(edge)),
        state: if order.receipts.len() >= awaited {
            State::new(Tone::Good, "Done")
        } else if order.receipts.is_empty() {
            State::new(Tone::Wait, "Waiting")
        } else {
            State::new(Tone::Warn, "Not by all yet")
        },
        answers: order.receipts.iter().map(answer).collect(),
        author: order.author.clone(),
        created: When::new(order.created_ms, now_ms),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::order::OrderReceipt;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_purge_is_done_when_every_edge_has_answered() {
        let server = Server::start().await;
        let cluster = server.cluster("hall").await;
        let agents = [
            server.agent(cluster, "north").await,
            server.agent(cluster, "south").await,
        ];
        let purge = server
            .operator()
            .submit("/purges/new", &[("scope", "all")])
            .await;
        assert_eq!((purge.status, purge.header("location")), (303, "/orders"));
        let orders = async || server.auditor().get("/orders").await.text;
        assert!(orders().await.contains("Purge everything") && orders().await.contains("Waiting"));
        let number = server.auditor().get("/api/v1/orders").await.body["items"][0]["number"]
            .as_u64()
            .unwrap();
        for (agent, expected) in agents.iter().zip(["Not by all yet", "Done"]) {
            let receipt = OrderReceipt {
                number,
                at_ms: 1,
                count: 3,
            };
            agent
                .report(&server, |report| report.receipts = vec![receipt])
                .await;
            assert!(orders().await.contains(expected), "{}", orders().await);
        }
        assert!(orders().await.contains("south: 3 objects"));
    }

    #[tokio::test]
    async fn c1_an_auditor_does_not_purge_and_a_bad_address_is_kept() {
        let server = Server::start().await;
        assert_eq!(server.auditor().get("/purges/new").await.status, 403);
        assert_eq!(
            server
                .auditor()
                .submit("/purges/new", &[("scope", "all")])
                .await
                .status,
            403
        );
        let wrong = [("scope", "url"), ("url", "ftp://host/x")];
        let answer = server.operator().submit("/purges/new", &wrong).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains("url-fault") && answer.text.contains("ftp://host/x"));
        let answer = server.operator().submit("/purges/new", &[]).await;
        assert!(answer.status == 422 && answer.text.contains("scope-fault"));
    }
}
