//! A browser by hand: it keeps cookies and sends forms as the pages do, and follows nothing.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};

/// Somebody at a service's pages.
pub struct Visitor {
    url: String,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    /// Where a trusted proxy says that the browser is, if it is behind one.
    pub address: Option<String>,
    /// What the last page with a form had in it.
    csrf: String,
}

/// What came back.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    /// The page, if the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.html);
        self
    }

    /// Its first heading.
    pub fn heading(&self) -> &str {
        let (_, after) = self.html.split_once("<h1>").unwrap_or_default();
        after.split_once("</h1>").unwrap_or_default().0
    }

    /// The secret that it shows this once.
    pub fn secret(&self) -> Option<&str> {
        let (_, after) = self.html.split_once(r#"id="secret-text">"#)?;
        Some(after.split_once('<')?.0)
    }
}

impl Visitor {
    /// In a browser that calls itself this.
    pub fn new(url: &str, user_agent: &str) -> Self {
        // Whichever test comes first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.user_agent(user_agent).build().expect("a client can be made");
        Self { url: url.to_owned(), client, cookies: BTreeMap::new(), address: None, csrf: String::new() }
    }

    /// A request with the browser's cookies, which the caller may still change.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, format!("{}{path}", self.url));
        let forwarded =
            self.address.iter().fold(request, |request, address| request.header("x-forwarded-for", address));
        forwarded.header("cookie", cookies.join("; "))
    }

    /// Looks at a page.
    pub async fn open(&mut self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Sends a form of the page that was looked at last.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields = fields.iter().copied().chain([("csrf", self.csrf.as_str())]);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path).header("origin", &self.url);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        self.send(request).await
    }

    /// Opens a one-time link and does what its page offers, with what else the page asks for.
    pub async fn redeem(&mut self, link: &str, asked: &[(&str, &str)]) -> Page {
        let (path, secret) = path_and_secret(link);
        self.open(path).await.expect(200);
        self.post(path, &[("secret", secret)]).await.expect(200);
        let fields: Vec<_> = asked.iter().copied().chain([("secret", secret)]).collect();
        self.post(&format!("{path}/redeem"), &fields).await
    }

    /// The cookie of a sign-in, if there is one.
    pub fn sign_in(&self) -> Option<&str> {
        self.cookies.values().map(String::as_str).find(|value| value.starts_with("tbk_web_"))
    }

    /// What forms carry here.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The cookie of a browser in which nobody has signed in, if it has one.
    pub fn visit(&self) -> Option<&str> {
        self.cookies.iter().find(|(name, _)| name.contains("tollbook-visit")).map(|(_, value)| value.as_str())
    }

    /// Sends it, keeps what is to be kept, and takes whatever comes back.
    pub async fn send(&mut self, request: RequestBuilder) -> Page {
        let response = request.send().await.expect("the service answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let html = response.text().await.expect("the answer has an end");
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("it is text").split(';').next().unwrap_or_default();
            let (name, value) = cookie.split_once('=').expect("it has a name");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some((_, after)) = html.split_once(r#"name="csrf" value=""#) {
            after.split('"').next().unwrap_or_default().clone_into(&mut self.csrf);
        }
        Page { status, headers, html }
    }
}

/// `/otl/{id}`, and what stands behind the `#`.
pub fn path_and_secret(link: &str) -> (&str, &str) {
    let (url, secret) = link.split_once('#').expect("a link has its secret in the fragment");
    (&url[url.find("/otl/").expect("it is a link")..], secret)
}
