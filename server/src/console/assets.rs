//! Style sheets, scripts and pictures, embedded in the program.
//!
//! In: a path below `/static/`. Out: the file with its type, an entity tag, and an age of a year.
//! Invariant: an address holds the hash of its content, so an answer never changes under its address.
//! It does not know who is asking: nothing here is secret.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "../static/"]
struct Files;

/// Address of each file by its path: `css/base.css` is at `/static/<hash>/css/base.css`.
static ADDRESSES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|path| {
            let hash = short_hash(&Files::get(&path)?);
            Some((path.to_string(), format!("/static/{hash}/{path}")))
        })
        .collect()
});

/// Sixteen hex digits of the content's SHA-256.
fn short_hash(file: &EmbeddedFile) -> String {
    file.metadata
        .sha256_hash()
        .iter()
        .take(8)
        .fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").expect("writing to a string does not fail");
            out
        })
}

/// The address of a file by its path below `static/`.
///
/// A path that does not exist leads to `/static/missing/…`, which answers 404.
pub(crate) fn address(path: &str) -> String {
    ADDRESSES
        .get(path)
        .cloned()
        .unwrap_or_else(|| format!("/static/missing/{path}"))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Serves a file under the address that its content gives it.
pub(crate) async fn show(
    Path((hash, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(file) = Files::get(&path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if short_hash(&file) != hash {
        return StatusCode::NOT_FOUND.into_response();
    }
    let tag = format!("\"{hash}\"");
    let caching = [
        (ETAG, tag.clone()),
        (
            CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
    ];
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, content_type(&path))], file.data).into_response()
}

/// The icon, for browsers that ask for it without having read a page.
pub(crate) async fn icon() -> Redirect {
    Redirect::temporary(&address("icons/weir.svg"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn ask(address: &str, known: Option<&str>) -> Response {
        let (hash, path) = address
            .strip_prefix("/static/")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, known.parse().unwrap());
        }
        show(Path((hash.to_owned(), path.to_owned())), headers).await
    }

    #[tokio::test]
    async fn a_file_is_served_for_a_year_under_its_hash_and_under_no_other() {
        let address = address("css/base.css");
        let answer = ask(&address, None).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(
            answer.headers()[CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!(
            ask(&address, Some(&tag)).await.status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            ask("/static/0000000000000000/css/base.css", None)
                .await
                .status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            ask("/static/missing/css/../Cargo.toml", None)
                .await
                .status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn every_file_a_page_names_exists() {
        for path in crate::console::page::SHEETS.iter().chain(&[
            "js/console.js",
            "icons/weir.svg",
            "vendor/htmx/htmx-4.0.1.min.js",
        ]) {
            assert!(Files::get(path).is_some(), "{path}");
        }
    }

    #[test]
    fn no_sheet_script_or_template_needs_what_the_policy_forbids() {
        for path in
            Files::iter().filter(|path| path.ends_with(".js") && !path.starts_with("vendor/"))
        {
            let text = String::from_utf8(Files::get(&path).unwrap().data.to_vec()).unwrap();
            assert!(
                !text.contains("eval(") && !text.contains("innerHTML"),
                "{path}"
            );
        }
        let mut folders = vec![std::path::PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../templates"
        ))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for banned in [
                    " style=",
                    "<style",
                    "hx-on",
                    "js:",
                    "javascript:",
                    " onclick",
                    "|safe",
                ] {
                    assert!(!text.contains(banned), "{} has `{banned}`", path.display());
                }
            }
        }
    }
}
