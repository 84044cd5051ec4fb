//! Whoever keeps failing is turned away, and is told nothing of what they sent.

use reqwest::Method;
use tollbook::credential::{Credential, Kind};

use super::super::secrets::PERSONS_ADDRESS;
use super::{Drive, STRANGERS_ADDRESS};

impl Drive<'_> {
    pub(super) async fn limits(&mut self) {
        self.address = STRANGERS_ADDRESS;
        let guessed = Credential::from_parts(Kind::ApiKey, "Canary0Guess", &[0xa9; 32]);
        let guessed = guessed.expect("it has the right shape").expose().to_owned();
        self.flow.secrets.credential("a key that somebody guesses", &guessed);
        let (mut unknown, mut away) = (0, 0);
        while away < 3 {
            let request = self.request(&guessed, Method::GET, "{w}");
            match self.send(request).await.status.as_u16() {
                401 => unknown += 1,
                429 => away += 1,
                other => panic!("answered with {other}"),
            }
            assert!(unknown <= 60, "they are never turned away");
        }
        // Who holds a right one there goes on with their work.
        self.get("{w}").await.expect(200);
        self.address = PERSONS_ADDRESS;
    }
}
