//! The two cookies: the sign-in's, and the visit's, which binds forms to a browser in which nobody has signed in.
//!
//! `__Host-`: a browser takes such a cookie from this host only, over TLS only, for every path (RFC 6265bis, section
//! 4.1.3.2), so that no neighbour can set it for us. On a loopback address without TLS, and only there, the prefix
//! and `Secure` are left out, which Safari would drop; the port stands in the name, because cookies know no ports.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use chrono::TimeDelta;
use url::{Host, Url};

use crate::credential::Credential;

/// How this service's cookies are called and set.
pub(super) struct Cookies {
    secure: bool,
    suffix: String,
}

impl Cookies {
    /// For a service that is reached at this URL.
    pub(super) fn of(public_url: &Url) -> Self {
        let loopback = match public_url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        let secure = public_url.scheme() == "https" || !loopback;
        let port = public_url.port_or_known_default().unwrap_or_default();
        Self { secure, suffix: if secure { String::new() } else { format!("-{port}") } }
    }

    fn name(&self, stem: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}{stem}{}", self.suffix)
    }

    /// The cookie that holds a sign-in's credential.
    pub(super) fn sign_in(&self) -> String {
        self.name("tollbook")
    }

    /// The cookie of a browser in which nobody has signed in.
    pub(super) fn visit(&self) -> String {
        self.name("tollbook-visit")
    }

    /// Holds this credential until it ends.
    pub(super) fn keep_sign_in(&self, credential: &Credential, lasts: TimeDelta) -> Cookie<'static> {
        let mut cookie = self.cookie(self.sign_in(), credential.expose().to_owned());
        cookie.set_max_age(Duration::seconds(lasts.num_seconds()));
        cookie
    }

    /// Holds this value until the browser is closed.
    pub(super) fn keep_visit(&self, value: &str) -> Cookie<'static> {
        self.cookie(self.visit(), value.to_owned())
    }

    /// Removes a cookie.
    pub(super) fn drop(&self, name: String) -> Cookie<'static> {
        let mut cookie = self.cookie(name, String::new());
        cookie.make_removal();
        cookie
    }

    fn cookie(&self, name: String, value: String) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(url: &str) -> String {
        Cookies::of(&Url::parse(url).unwrap()).keep_visit("v").to_string()
    }

    #[test]
    fn cookies_are_host_bound_and_secure_everywhere_but_on_loopback_without_tls() {
        for url in ["https://tollbook.example", "https://127.0.0.1:7070", "http://tollbook.example"] {
            assert_eq!(
                visit(url),
                "__Host-tollbook-visit=v; HttpOnly; SameSite=Lax; Secure; Path=/",
                "{url}"
            );
        }
        for url in ["http://127.0.0.1:7070", "http://localhost:7070", "http://[::1]:7070"] {
            assert_eq!(visit(url), "tollbook-visit-7070=v; HttpOnly; SameSite=Lax; Path=/", "{url}");
        }
    }
}
