//! The color theme a person chose, kept in a cookie of this browser.
//!
//! In: a form with the choice and the page it came from. Out: the cookie and the way back.
//! Invariant: a theme changes nothing but `data-theme`; a damaged cookie is the system's choice.
//! It does not know who is asking: the page before signing in has it too.

use axum::extract::Form;
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::parts::{Icon, icon};

const COOKIE_NAME: &str = "weir_theme";
/// A year: chosen, because a choice of color need not be asked for again.
const COOKIE_AGE_S: u32 = 31_536_000;

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// As the system says.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// All themes in the order in which they are offered.
    pub(crate) const ALL: [Self; 3] = [Self::Light, Self::Auto, Self::Dark];

    /// Reads the choice from a request's cookies.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME)
            .map_or(Self::Auto, |(_, value)| match value {
                "light" => Self::Light,
                "dark" => Self::Dark,
                _ => Self::Auto,
            })
    }

    /// What `data-theme` says, or nothing when the system decides.
    pub(crate) fn fixed(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    /// Its word in forms and cookies.
    pub(crate) fn word(self) -> &'static str {
        self.fixed().unwrap_or("auto")
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Auto => "Theme of the system",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }

    /// Its drawing.
    pub(crate) fn icon(self) -> Icon {
        icon(match self {
            Self::Auto => "auto",
            Self::Light => "sun",
            Self::Dark => "moon",
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct ThemeForm {
    theme: Theme,
    #[serde(default)]
    back: String,
}

/// Keeps the choice and goes back to where it was made.
pub(crate) async fn choose(Form(form): Form<ThemeForm>) -> Response {
    let cookie = format!(
        "{COOKIE_NAME}={}; Path=/; Max-Age={COOKIE_AGE_S}; SameSite=Lax; HttpOnly",
        form.theme.word()
    );
    ([(SET_COOKIE, cookie)], Redirect::to(own_path(&form.back))).into_response()
}

/// A path on this server and nothing else: a way back never leads to another host.
pub(crate) fn own_path(path: &str) -> &str {
    let plain = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { path } else { "/" }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_choice_and_takes_anything_else_for_the_systems() {
        for (cookie, expected) in [
            ("weir_theme=dark", Theme::Dark),
            ("a=b; weir_theme=light", Theme::Light),
            ("weir_theme=<b>", Theme::Auto),
            ("", Theme::Auto),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookie.parse().unwrap());
            assert_eq!(Theme::of(&headers), expected);
        }
    }

    #[test]
    fn a_way_back_never_leads_to_another_host() {
        for (path, expected) in [
            ("/edges?state=lost", "/edges?state=lost"),
            ("//evil.example/", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\r\nX: y", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_path(path), expected);
        }
    }
}
