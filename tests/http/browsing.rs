//! A browser in as far as pages need one: it keeps cookies, and sends a form as the page has it. No script runs.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::redirect::Policy;
use tollbook::credential::{Credential, Kind};
use tollbook::links::fragment;
use url::Url;

use crate::house::{Answer, TestHouse, answer};

/// A browser, at an address that a trusted proxy tells, if it is behind one.
#[derive(Debug, Clone)]
pub struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    pub address: Option<String>,
}

/// A one-time link, as a browser takes it apart.
#[derive(Debug, Clone)]
pub struct Link {
    pub path: String,
    pub secret: String,
}

impl Link {
    pub fn of(url: &str) -> Self {
        let (url, secret) = url.split_once('#').expect("a link has a secret");
        Self { path: Url::parse(url).unwrap().path().to_owned(), secret: secret.to_owned() }
    }

    /// The same public id with another secret: well formed, and wrong.
    pub fn guessed(&self) -> Self {
        let (_, id) = self.path.rsplit_once('/').unwrap();
        let guess = Credential::from_parts(Kind::OneTimeLink, id, &[7; 32]).unwrap();
        Self { path: self.path.clone(), secret: fragment(&guess).to_owned() }
    }
}

impl Browser {
    /// Stays where a redirect sends it away.
    pub fn new() -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, cookies: BTreeMap::new(), address: None }
    }

    pub fn at(address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::new() }
    }

    /// One that somebody has signed in in.
    pub async fn signed_in(house: &TestHouse, person: &str) -> Self {
        let mut browser = Self::new();
        let link = tollbook::host::sign_in_link(&house.app, person).await.unwrap().one_time_url;
        let redeemed = browser.redeem(house, &Link::of(&link), &[]).await;
        assert_eq!((redeemed.status.as_u16(), &redeemed.headers["location"]), (303, &"/".parse().unwrap()));
        browser
    }

    /// Opens the link, looks at what it is for, and redeems it, each by the form of the page before.
    pub async fn redeem(&mut self, house: &TestHouse, link: &Link, fields: &[(&str, &str)]) -> Answer {
        let offer = self.look(house, link).await;
        if offer.status.as_u16() != 200 {
            return offer;
        }
        self.post(house, &offer, &format!("{}/redeem", link.path), link, fields).await
    }

    /// Opens the link, and looks at what it is for.
    pub async fn look(&mut self, house: &TestHouse, link: &Link) -> Answer {
        let page = self.open(house, Method::GET, &link.path).await;
        self.post(house, &page, &link.path, link, &[]).await
    }

    /// Asks for a page.
    pub async fn open(&mut self, house: &TestHouse, method: Method, path: &str) -> Answer {
        self.send(self.client.request(method, format!("{}{path}", house.url))).await
    }

    /// Sends the link's secret by the form of this page.
    pub async fn post(
        &mut self,
        house: &TestHouse,
        page: &Answer,
        path: &str,
        link: &Link,
        fields: &[(&str, &str)],
    ) -> Answer {
        let csrf = between(html(page), r#"name="csrf" value=""#, "\"");
        let mut form = vec![("csrf", csrf), ("secret", &link.secret)];
        form.extend(fields);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client.post(format!("{}{path}", house.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    /// No page is kept by anything on the way, and none tells where it was.
    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header("accept", "text/html").header("cookie", cookies.join("; "));
        if let Some(address) = &self.address {
            request = request.header("x-forwarded-for", address);
        }
        let answer = answer(request).await;
        for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.headers[name], value, "{answer:?}");
        }
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            match rest.split(';').next().unwrap() {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }
}

/// The text of a page.
pub fn html(answer: &Answer) -> &str {
    answer.body.as_str().unwrap_or_else(|| panic!("a page: {answer:?}"))
}

/// What stands between the first `before` and the next `after`.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("`{before}` in {text}"));
    rest.split(after).next().unwrap()
}
