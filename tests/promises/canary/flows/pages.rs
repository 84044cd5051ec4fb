//! The console: sign-ins by link from the host, seen and ended; forms that are forged, and cookies that are wrong.

use reqwest::Method;
use serde_json::Value;

use super::super::secrets::Secrets;
use super::Drive;
use super::joining::Invited;
use crate::house::visitor::Visitor;

impl Drive<'_> {
    pub(super) async fn pages(&mut self, invited: &Invited) {
        let mut browser = self.signed_in(&invited.user).await;
        let mut other = self.signed_in(&invited.user).await;
        for path in ["/", "/sign-ins", "/sign-in", "/nowhere", "/otl/short"] {
            self.look(&mut browser, path).await;
        }
        self.key_page(&mut browser).await;
        self.forged(&browser).await;
        let page = self.look(&mut browser, "/sign-ins").await.expect(200);
        let end = page.html.split("action=\"").filter_map(|part| part.split('"').next());
        let end = end.filter(|path| path.ends_with("/end")).map(str::to_owned).next();
        self.submit(&mut browser, &end.expect("there are others"), &[]).await.expect(303);
        self.submit(&mut browser, "/sign-ins/end-others", &[]).await.expect(303);
        // Whose sign-in was ended is led to the page that says how to sign in.
        self.look(&mut other, "/sign-ins").await.expect(303);
        self.submit(&mut other, "/sign-out", &[]).await.expect(303);
        self.submit(&mut browser, "/sign-out", &[]).await.expect(303);
        self.look(&mut browser, "/").await.expect(303);
    }

    /// Signed in by a link from the host, as `tollbook user link` makes it.
    pub(super) async fn signed_in(&mut self, user: &str) -> Visitor {
        let (status, printed) = self.home.run(&["--json", "user", "link", user], &[]).await;
        assert!(status.success(), "{printed}");
        let made: Value = serde_json::from_str(&printed).expect("it prints JSON and nothing else");
        let link = made["one_time_url"].as_str().expect("it is shown");
        self.flow.secrets.link("a link from the host", link);
        let mut browser = self.browser();
        self.redeem(&mut browser, link, &[]).await.expect(303);
        browser
    }

    /// A key that is made at its page and shown once; the same form again shows it to nobody.
    async fn key_page(&mut self, browser: &mut Visitor) {
        let keys = self.path("{w}/keys").replace("/v1", "");
        let form = self.look(browser, &format!("{keys}/new")).await.expect(200);
        let (_, number) =
            form.html.split_once(r#"name="number" value=""#).expect("the form is good for one key");
        let number = number.split('"').next().unwrap_or_default().to_owned();
        let label = Secrets::name("a device's label");
        let fields = [("number", number.as_str()), ("label", label), ("role", "member"), ("lasts", "7")];
        let made = browser.post(&keys, &fields).await.expect(200);
        let key = made.secret().expect("the key is shown").to_owned();
        self.flow.secrets.credential("a key that was made at its page", &key);
        self.look(browser, "/keys").await.expect(200);
        self.submit(browser, &keys, &fields).await.expect(200);
        let fields = [("number", number.as_str()), ("label", &key), ("role", key.as_str()), ("lasts", &key)];
        self.submit(browser, &keys, &fields).await.expect(400);
        let read = self.request(&key, Method::GET, "{w}");
        self.send(read).await.expect(200);
    }

    /// Forms from elsewhere, with another's token, with none; and a cookie where it doesn't belong.
    async fn forged(&mut self, browser: &Visitor) {
        let cookie = browser.sign_in().expect("they are signed in").to_owned();
        let form = |token: &str| format!("csrf={token}&link={cookie}");
        let own = self.service.url.clone();
        let (most, last) = browser.csrf().split_at(63);
        let wrong = format!("{most}{}", if last == "0" { "1" } else { "0" });
        for (origin, token) in [("https://evil.example", browser.csrf()), (&own, ""), (&own, wrong.as_str())]
        {
            let request = browser.request(Method::POST, "/sign-ins/end-others").header("origin", origin);
            let request =
                request.header("content-type", "application/x-www-form-urlencoded").body(form(token));
            let said = self.send(request).await;
            assert_eq!(said.status.as_u16(), 403, "{}", said.text);
        }
        for path in ["{w}", "/v1/workspaces"] {
            let request = browser.request(Method::GET, &self.path(path));
            self.send(request).await.expect(401);
            let request = self.request(&cookie, Method::GET, path);
            self.send(request).await.expect(401);
        }
        let request = browser.request(Method::GET, &format!("/sign-ins?{cookie}"));
        self.send(request).await.expect(400);
    }
}
