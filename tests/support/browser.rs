//! A real browser: Chromium without a window, driven through chromedriver, with a profile of its own. Forms are
//! found by what people see of them: labels, button texts, headings. The driver and the browser end when it is
//! dropped.

use std::future::Future;
use std::process::Command;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use tempfile::TempDir;

use super::eventually::comes_true;
use super::http;
use super::ports;
use super::process::Running;

const START: Duration = Duration::from_secs(20);
const TRIES: usize = 5;

pub(crate) struct Browser {
    runtime: tokio::runtime::Runtime,
    client: Option<Client>,
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    /// Starts a driver and a browser of this width and height.
    ///
    /// # Panics
    /// When either does not start within 20 s.
    pub(crate) fn open(width: u32, height: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        let (driver, port) = driver();
        let options = serde_json::json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                format!("--window-size={width},{height}"),
                format!("--user-data-dir={}", profile.path().display()),
            ]}
        });
        let options = options.as_object().cloned().expect("this is an object");
        let client = runtime
            .block_on(async {
                let mut builder = ClientBuilder::new(HttpConnector::new());
                builder.capabilities(options);
                builder.connect(&format!("http://127.0.0.1:{port}")).await
            })
            .expect("chromium starts");
        Browser {
            runtime,
            client: Some(client),
            _driver: driver,
            _profile: profile,
        }
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, CmdError>>) -> Result<T, CmdError> {
        self.runtime.block_on(async {
            tokio::time::timeout(START, work)
                .await
                .unwrap_or(Err(CmdError::WaitTimeout))
        })
    }

    fn client(&self) -> &Client {
        self.client
            .as_ref()
            .expect("the browser is open until it is dropped")
    }

    /// Goes to an address.
    #[track_caller]
    pub(crate) fn goto(&self, url: &str) {
        self.wait(self.client().goto(url))
            .unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.wait(self.client().current_url())
            .expect("the browser is somewhere")
            .to_string()
    }

    /// What people read on the page.
    pub(crate) fn text(&self) -> String {
        let body = self.wait(self.client().find(Locator::Css("body")));
        // Between two pages there is none.
        body.and_then(|body| self.wait(body.text()))
            .unwrap_or_default()
    }

    /// Waits until the page holds these words.
    #[track_caller]
    pub(crate) fn sees(&self, words: &str) {
        let there = comes_true(START, || self.text().contains(words));
        assert!(
            there,
            "`{words}` does not appear at {}:\n{}",
            self.url(),
            self.text()
        );
    }

    #[track_caller]
    fn find(&self, xpath: &str) -> Element {
        let mut found = None;
        comes_true(START, || {
            found = self.wait(self.client().find(Locator::XPath(xpath))).ok();
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no `{xpath}` at {}:\n{}", self.url(), self.text()))
    }

    /// Types into the field with this label, in place of what stands there.
    #[track_caller]
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let field = self.find(&field(label));
        self.wait(async {
            field.clear().await?;
            field.send_keys(text).await
        })
        .unwrap_or_else(|error| panic!("`{label}` cannot be filled: {error}"));
    }

    /// Chooses the option that shows these words, in the list with this label.
    #[track_caller]
    pub(crate) fn choose(&self, label: &str, option: &str) {
        let xpath = format!(
            "{}//option[contains(normalize-space(.), {})]",
            field(label),
            quoted(option)
        );
        self.click_at(&xpath);
    }

    /// Presses the button, or follows the link, that shows exactly these words.
    #[track_caller]
    pub(crate) fn press(&self, words: &str) {
        let words = quoted(words);
        self.click_at(&format!(
            "//*[self::button or self::a or self::summary][normalize-space(.)={words}]"
        ));
    }

    /// Clicks what an XPath finds.
    #[track_caller]
    pub(crate) fn click_at(&self, xpath: &str) {
        let clicked = comes_true(START, || {
            let found = self.wait(self.client().find(Locator::XPath(xpath)));
            found.and_then(|element| self.wait(element.click())).is_ok()
        });
        assert!(
            clicked,
            "`{xpath}` cannot be clicked at {}:\n{}",
            self.url(),
            self.text()
        );
    }

    /// Whether the page holds what an XPath finds.
    pub(crate) fn has(&self, xpath: &str) -> bool {
        self.wait(self.client().find(Locator::XPath(xpath))).is_ok()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // The driver is killed after this in any case; closing lets the browser end with it.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(START, client.close()).await });
        }
    }
}

fn driver() -> (Running, u16) {
    let mut said = String::new();
    for _ in 0..TRIES {
        let port = ports::free();
        let mut driver = Running::start(Command::new("chromedriver").arg(format!("--port={port}")));
        let ready = || http::get(&format!("127.0.0.1:{port}"), "/status").is_ok();
        if comes_true(START, || ready() || !driver.is_running()) && driver.is_running() {
            return (driver, port);
        }
        said = driver.stdout() + &driver.stderr();
    }
    panic!("chromedriver does not start:\n{said}");
}

/// The field that a label belongs to: by `for`, or because it stands inside.
fn field(label: &str) -> String {
    let label = format!(
        "//label[starts-with(normalize-space(.), {})]",
        quoted(label)
    );
    format!(
        "({label}//*[self::input or self::select or self::textarea] | //*[self::input or self::select or self::textarea][@id={label}/@for])[1]"
    )
}

/// An XPath string of a text that may hold one kind of quote.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}
