//! Routes: list, add, change, delete.

mod reading;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::RouteId;
use contract::limit::Holder;
use contract::protocol::Plane;
use contract::query::QueryParts;
use contract::rule::Effect;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::limits::{LimitField, fields as limit_fields};
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{State, Tone};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::routes::{
    self, IdentityKind, Route, RouteAction, RouteKind, Scoped, SecondPublisher, StreamMode,
};
use crate::app::{Error, Permission, Window, limits, origins, webhooks};
use reading::{at_its_field, filled, read};

/// The fewest places for origins that the form offers.
const SLOTS: usize = 3;

struct RouteRow {
    id: RouteId,
    name: String,
    enabled: bool,
    order: i64,
    kind: &'static str,
    matches: String,
    rejects: bool,
    origins: Vec<String>,
    rewrite: Option<String>,
    identity: String,
    default_effect: State,
    cluster: String,
}

#[derive(Template)]
#[template(path = "routes/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    has_origins: bool,
    routes: Vec<RouteRow>,
}

/// All routes in the order in which they are tried.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let origins = origins::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let found = routes::list(&visitor.app, &visitor.caller).await?.items;
    let page = ListPage {
        frame: visitor.frame(Section::Routes),
        may_change: visitor.may(Permission::ChangeSettings),
        has_origins: !origins.is_empty(),
        routes: found.into_iter().map(|route| row(route, &names)).collect(),
    };
    Ok(show(StatusCode::OK, &page))
}

fn row(Scoped { cluster, it }: Scoped<Route>, names: &Names) -> RouteRow {
    let identity: Vec<&str> = it.identity.iter().map(|kind| kind.sentence()).collect();
    RouteRow {
        id: it.id,
        enabled: it.enabled,
        order: it.order,
        kind: match (it.plane, it.kind) {
            (Plane::Http, _) => "HTTP",
            (Plane::Rtmp, RouteKind::Implicit) => "RTMP, the client knows only the edge",
            (Plane::Rtmp, RouteKind::Explicit) => "RTMP, the client names the origin",
        },
        matches: matches(&it),
        rejects: it.action == RouteAction::Reject,
        origins: it
            .upstreams
            .iter()
            .map(|origin| names.origin(*origin))
            .collect(),
        identity: if identity.is_empty() {
            "nobody".to_owned()
        } else {
            identity.join(" or ")
        },
        default_effect: match it.default_effect {
            Effect::Allow => State::new(Tone::Good, "Allow"),
            Effect::Deny => State::new(Tone::Bad, "Deny"),
        },
        cluster: cluster.map_or_else(|| "every cluster".to_owned(), |id| names.cluster(id)),
        rewrite: it.rewrite,
        name: it.name.to_string(),
    }
}

/// What a route matches, written as an address.
fn matches(route: &Route) -> String {
    let scheme = match (route.plane, route.kind) {
        (Plane::Http, _) => "http",
        (Plane::Rtmp, RouteKind::Implicit | RouteKind::Explicit) => "rtmp",
    };
    let port = route
        .port
        .map_or_else(String::new, |port| format!(":{port}"));
    let wrapped = if route.kind == RouteKind::Explicit {
        "?rtmp://…/"
    } else {
        ""
    };
    format!("{scheme}://{}{port}/{wrapped}{}", route.host, route.app)
}

/// One place for an origin.
struct Slot {
    label: String,
    chosen: String,
}

#[derive(Template)]
#[template(path = "routes/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    clusters: Vec<Choice>,
    planes: Vec<Choice>,
    kinds: Vec<Choice>,
    modes: Vec<Choice>,
    second_publishers: Vec<Choice>,
    query_parts: Vec<Choice>,
    actions: Vec<Choice>,
    identities: Vec<Choice>,
    effects: Vec<Choice>,
    webhooks: Vec<Choice>,
    origins: Vec<Choice>,
    slots: Vec<Slot>,
    limits: Vec<LimitField>,
    form: Form,
}

impl EditPage {
    async fn respond(
        visitor: &Visitor,
        known: Option<(RouteId, String)>,
        form: Form,
    ) -> Result<Response, Error> {
        let clusters = crate::app::clusters::list(&visitor.app, &visitor.caller, &Window::whole())
            .await?
            .items;
        let origins = origins::list(&visitor.app, &visitor.caller, &Window::whole())
            .await?
            .items;
        let known_hooks = webhooks::list(&visitor.app, &visitor.caller, &Window::whole()).await?;
        let mut webhooks = vec![Choice::new("", "Nobody")];
        webhooks.extend(
            known_hooks
                .items
                .into_iter()
                .map(|webhook| Choice::new(webhook.id, webhook.settings.name.to_string())),
        );
        let is_new = known.is_none();
        let used = match &known {
            Some((route, _)) => {
                let holder = Holder::Route { route: *route };
                limits::used(&visitor.app, &visitor.caller, &holder)?
            }
            None => Default::default(),
        };
        let (title, action) = match known {
            Some((id, name)) => (name, format!("/routes/{id}")),
            None => ("Add a route".to_owned(), "/routes/new".to_owned()),
        };
        let chosen: Vec<&String> = form
            .all("upstreams")
            .iter()
            .filter(|id| !id.is_empty())
            .collect();
        let slots = (0..SLOTS.max(chosen.len() + 1))
            .map(|place| Slot {
                label: if place == 0 {
                    "First".to_owned()
                } else {
                    format!("Then, {}", place + 1)
                },
                chosen: chosen
                    .get(place)
                    .map_or_else(String::new, |id| (*id).clone()),
            })
            .collect();
        let mut all_clusters = vec![Choice::new("", "Every cluster")];
        all_clusters.extend(
            clusters
                .into_iter()
                .map(|cluster| Choice::new(cluster.id, cluster.name.to_string())),
        );
        let page = Self {
            frame: visitor.frame(Section::Routes),
            title,
            action,
            is_new,
            clusters: all_clusters,
            planes: vec![Choice::new("rtmp", "RTMP"), Choice::new("http", "HTTP")],
            modes: StreamMode::ALL
                .map(|mode| Choice::new(mode.as_str(), mode.sentence()))
                .into(),
            second_publishers: SecondPublisher::ALL
                .map(|one| Choice::new(one.as_str(), one.sentence()))
                .into(),
            query_parts: QueryParts::ALL
                .map(|one| Choice::new(one.as_str(), one.sentence()))
                .into(),
            kinds: vec![
                Choice::new("implicit", "knows only the edge"),
                Choice::new("explicit", "names the origin itself"),
            ],
            actions: vec![
                Choice::new("serve", "Serve").meaning("Go on to identity, rules and assignment."),
                Choice::new("reject", "Reject").meaning("Refuse what matches."),
            ],
            identities: IdentityKind::ALL.into_iter().map(identity_choice).collect(),
            effects: vec![
                Choice::new("deny", "Deny").meaning("Only what a rule allows comes in."),
                Choice::new("allow", "Allow").meaning("All comes in but what a rule denies."),
            ],
            origins: origins
                .into_iter()
                .map(|origin| {
                    Choice::new(
                        origin.id,
                        format!("{} ({})", origin.name, origin.address.scheme.scheme()),
                    )
                })
                .collect(),
            slots,
            webhooks,
            limits: limit_fields(&used),
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

fn identity_choice(kind: IdentityKind) -> Choice {
    Choice::new(
        kind.as_str(),
        match kind {
            IdentityKind::Network => "Network of a client",
            IdentityKind::StreamPassword => "Stream password",
            IdentityKind::PlayToken => "Play token",
        },
    )
}

fn new_route() -> Scoped<Route> {
    routes::blank("route".parse().expect("a plain word is a name"))
}

/// The form of a new route.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let mut blank = new_route();
    let last = routes::list(&visitor.app, &visitor.caller)
        .await?
        .items
        .into_iter()
        .map(|route| route.it.order)
        .max();
    blank.it.order = last.map_or(10, |last| last.saturating_add(10));
    let form = filled(&blank);
    Ok(EditPage::respond(&visitor, None, form.without("name")).await?)
}

/// Adds a route.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(wanted) = read(&mut form, &new_route()) {
        let made = routes::create(&visitor.app, &visitor.caller, wanted)
            .await
            .map_err(at_its_field);
        if let Some(route) = form.answer(made)? {
            return Ok(go(
                "/routes",
                format!("The route {} is in force.", route.it.name),
            ));
        }
    }
    Ok(EditPage::respond(&visitor, None, form).await?)
}

/// One route's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let route = routes::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = filled(&route);
    Ok(EditPage::respond(
        &visitor,
        Some((route.it.id, route.it.name.to_string())),
        form,
    )
    .await?)
}

/// Changes a route.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = routes::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(wanted) = read(&mut form, &present) {
        let changed = routes::update(&visitor.app, &visitor.caller, present.it.id, |_| Ok(wanted))
            .await
            .map_err(at_its_field);
        if let Some(route) = form.answer(changed)? {
            return Ok(go(
                "/routes",
                format!(
                    "The route {} was changed. Edges follow within a second.",
                    route.it.name
                ),
            ));
        }
    }
    Ok(EditPage::respond(
        &visitor,
        Some((present.it.id, present.it.name.to_string())),
        form,
    )
    .await?)
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let route = routes::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Routes),
        title: format!("Delete the route {}?", route.it.name),
        lines: vec!["Requests that it matches go to the next route that does, or are refused. Live sessions are judged again within a second.".to_owned()],
        button: "Delete the route".to_owned(),
        gentle: false,
        action: format!("/routes/{}/delete", route.it.id),
        hidden: Vec::new(),
        back: "/routes".to_owned(),
        back_name: "Routes",
        conflict: None,
    }
    .respond())
}

/// Deletes a route.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    routes::delete(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/routes", "The route was deleted."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::Server;

    const FIELDS: [(&str, &str); 20] = [
        ("name", "live"),
        ("order", "10"),
        ("enabled", "on"),
        ("plane", "rtmp"),
        ("kind", "implicit"),
        ("host", "*"),
        ("app", "live/*"),
        ("action", "serve"),
        ("wait_ms", "3000"),
        ("linger_ms", "5000"),
        ("mode", "recorded"),
        ("hold_ms", "4000"),
        ("second_publisher", "take_over"),
        ("gather_ms", "50"),
        ("default_ttl_ms", "0"),
        ("negative_ttl_ms", "1500"),
        ("query_parts", "only"),
        ("query_names", "id\nlang"),
        ("query_sorted", "on"),
        ("max_object_bytes", "-1"),
    ];

    #[tokio::test]
    async fn a_route_goes_through_its_form_and_back() {
        let server = Server::start().await;
        let (origin, _) = server.route("media").await;
        let origin = origin.to_string();
        let mut fields = FIELDS.to_vec();
        fields.extend([
            ("upstreams", origin.as_str()),
            ("upstreams", ""),
            ("rewrite", "studio/*"),
            ("identity", "play_token"),
            ("default_effect", "allow"),
        ]);
        let made = server.administrator().submit("/routes/new", &fields).await;
        assert_eq!(made.status, 303, "{}", made.text);
        let routes = server.administrator().get("/api/v1/routes").await;
        let items = routes.body["items"].as_array().unwrap().clone();
        let route = items
            .into_iter()
            .find(|route| route["name"] == "live")
            .unwrap();
        assert_eq!(
            (
                &route["rewrite"],
                &route["default_effect"],
                &route["identity"][0],
                &route["mode"]
            ),
            (
                &"studio/*".into(),
                &"allow".into(),
                &"play_token".into(),
                &"recorded".into()
            )
        );
        assert_eq!(route["cache"]["negative_ttl_ms"], 1_500);
        assert_eq!(
            route["query"],
            serde_json::json!({"parts": "only", "names": ["id", "lang"], "sorted": true})
        );
        let path = format!("/routes/{}", route["id"].as_str().unwrap());
        assert_eq!(
            server.administrator().submit(&path, &fields).await.status,
            303
        );
        let again = server.administrator().get("/api/v1/routes").await;
        let again = again.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|route| route["name"] == "live")
            .unwrap()
            .clone();
        assert_eq!(again, route);
        let form = server.administrator().get(&path).await;
        assert!(
            form.text.contains("value=\"studio/*\"")
                && form.text.contains(&format!("value=\"{origin}\" selected")),
            "{}",
            form.text
        );
    }

    #[tokio::test]
    async fn each_fault_stands_at_its_field() {
        let server = Server::start().await;
        let mut fields = FIELDS.to_vec();
        fields.extend([("port", "99999"), ("rewrite", "a/*/*")]);
        let wrong = server.administrator().submit("/routes/new", &fields).await;
        assert!(
            wrong.status == 422
                && wrong.text.contains("port-fault")
                && wrong.text.contains("value=\"99999\""),
            "{}",
            wrong.text
        );
        fields.retain(|(name, _)| *name != "port" && *name != "wait_ms");
        fields.push(("wait_ms", "60000"));
        let wrong = server.administrator().submit("/routes/new", &fields).await;
        assert_eq!(wrong.status, 422);
        for field in ["upstreams-fault", "rewrite-fault", "wait_ms-fault"] {
            assert!(wrong.text.contains(field), "lacks {field}: {}", wrong.text);
        }
    }
}
