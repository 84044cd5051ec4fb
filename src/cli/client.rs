//! The CLI as a client of the service: plain HTTP, as anybody's would be.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::outbound::{self, OutboundError};
use crate::problem::Problem;

use super::failure::Failure;
use super::fields::{list_of, text_of};
use super::output::plain;
use super::patience::patiently;
use super::stores::SignedIn;

/// A tool call may take a minute, and its answer comes behind that.
const TIMEOUT: Duration = Duration::from_secs(90);
const A_DAY: Duration = Duration::from_secs(86_400);
const CONNECT: Duration = Duration::from_secs(5);
/// How often something is sent whose answer got lost.
const TRIES: u32 = 3;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(200);
/// What a list asks for at a time: the most that there is.
const PAGE: &str = "200";

/// Talks to one service, with one credential.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    secret: Option<SecretString>,
    timeout: Duration,
}

impl Client {
    /// For the service at `base`.
    pub(super) fn new(base: Url, secret: Option<SecretString>) -> Result<Self, Failure> {
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(Failure::usage(format!("`{base}` is not the URL of a service")));
        }
        // No proxies and no redirects: the credential goes where it was said to go.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .map_err(|error| Failure::failed(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { http, base, secret, timeout: TIMEOUT })
    }

    /// The service.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The public part of the credential, if it is one.
    pub(super) fn prefix(&self) -> Option<String> {
        SignedIn::public_part(self.secret.as_ref()?)
    }

    /// For what takes as long as there is much of it.
    pub(super) fn patient(self) -> Self {
        Self { timeout: A_DAY, ..self }
    }

    /// Reads what lies at `path`.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        let url = self.url(path)?;
        self.send(|| self.http.request(Method::GET, url.clone()).query(query)).await
    }

    /// Makes something, or does something to it.
    pub(super) async fn post(&self, path: &[&str], body: &impl Serialize) -> Result<Value, Failure> {
        self.write(Method::POST, path, Some(body)).await
    }

    /// Changes something.
    pub(super) async fn patch(&self, path: &[&str], body: &impl Serialize) -> Result<Value, Failure> {
        self.write(Method::PATCH, path, Some(body)).await
    }

    /// Takes something out.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        self.write(Method::DELETE, path, None::<&()>).await
    }

    /// Every try carries the same key, so that what was done is not done twice.
    async fn write(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<Value, Failure> {
        let url = self.url(path)?;
        let key = Clock::fresh_id::<Uuid>().to_string();
        self.send(|| {
            let request = self.http.request(method.clone(), url.clone()).header("Idempotency-Key", &key);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .await
    }

    /// All items of a list, or its first `most`.
    pub(super) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        most: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        while items.len() < most {
            let mut query = query.to_vec();
            query.push(("limit", PAGE));
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let page = self.get(path, &query).await?;
            items.extend(list_of(&page, "items").iter().cloned());
            cursor = text_of(&page, "next");
            if cursor.is_empty() {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }

    /// Waits until the list at `path` shows what `written` says was written, so that the next command
    /// finds it. A list that doesn't get there in time is no failure: the write was done.
    pub(super) async fn settle(&self, path: &[&str], written: &Value) {
        if let Some(position) = written.get("position").and_then(Value::as_u64) {
            self.settle_at(path, position).await;
        }
    }

    /// Waits until the list at `path` shows what stands at `position`, or doesn't in time.
    pub(super) async fn settle_at(&self, path: &[&str], position: u64) {
        let position = position.to_string();
        let _ = self.get(path, &[("limit", "1"), ("min_position", &position)]).await;
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage(format!("`{}` is not the URL of a service", self.base)))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, Failure> {
        let mut tried = 1;
        loop {
            let mut request = request().timeout(self.timeout);
            if let Some(secret) = &self.secret {
                let header = SignedIn::header(secret);
                let header = header.ok_or_else(|| Failure::not_signed_in("the credential is malformed"))?;
                request = request.header(AUTHORIZATION, header);
            }
            match patiently("waiting for the service", request.send()).await {
                Ok(response) => return answer(response).await,
                // Who doesn't listen doesn't start to because we insist.
                Err(error) if error.is_connect() || tried == TRIES => return Err(self.unreachable(error)),
                Err(_) => {
                    tried += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let url = plain(&self.base);
        if error.is_timeout() && !error.is_connect() {
            return Failure::failed(format!("no answer from {url}: it took too long"));
        }
        Failure::failed(match outbound::classify(error) {
            OutboundError::Connect(_) => format!(
                "nothing answers at {url}: start the service with `tollbook serve`, or say with --url where it is"
            ),
            OutboundError::ConnectTimeout => format!("nothing answers at {url} in time: is --url right?"),
            OutboundError::Resolve(_) => format!(
                "the host `{}` has no address that is known here: is --url right?",
                self.base.host_str().unwrap_or_default()
            ),
            OutboundError::Tls(_) => format!(
                "what answers at {url} speaks no TLS, or shows a certificate that isn't trusted here: is it an http:// address?"
            ),
            other => format!("no answer from {url}: {other}"),
        })
    }
}

async fn answer(response: Response) -> Result<Value, Failure> {
    let status = response.status();
    let problem = is_problem(&response);
    let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let body = response.bytes().await;
    let body =
        body.map_err(|_| Failure::failed("the service's answer broke off; what it did is not known"))?;
    if status.is_success() {
        if body.is_empty() {
            return Ok(Value::Null);
        }
        return serde_json::from_slice(&body).map_err(|_| not_tollbook(status));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(told) if problem => Err(match wait {
            Some(seconds) => told.retry_after(Duration::from_secs(seconds)),
            None => told,
        }
        .into()),
        _ => Err(not_tollbook(status)),
    }
}

fn is_problem(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/problem+json")
}

fn not_tollbook(status: StatusCode) -> Failure {
    Failure::failed(format!("the answer ({status}) is not one of Tollbook's: is --url right?"))
}
