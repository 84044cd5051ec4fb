//! The credential that the CLI sends, and where it lies: in the environment, or in `cli.json` in the
//! data directory. Nothing else is tried.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::plain;
use super::private_file;

const API_KEY: &str = "TOLLBOOK_API_KEY";
const OPERATOR_KEY: &str = "TOLLBOOK_OPERATOR_KEY";

/// A credential to send.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    /// The credential.
    pub(super) secret: SecretString,
    /// The service that the CLI is signed in to, unless another was asked for.
    pub(super) url: Option<Url>,
    /// The workspace that it was kept for.
    pub(super) workspace_id: Option<String>,
}

/// `cli.json`, as it lies in the data directory.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The service that the credentials are good for; they are sent nowhere else.
    #[serde(with = "super::url_text")]
    pub(super) url: Url,
    /// Of a member.
    pub(super) api_key: String,
    /// Of an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operator_key: Option<String>,
    /// The workspace that the key belongs to.
    pub(super) workspace_id: String,
}

impl Kept {
    /// Where it lies.
    pub(super) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("cli.json")
    }

    /// What was kept, if anything was.
    pub(super) fn load(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(data_dir);
        let Some(text) = private_file::read(&path)? else { return Ok(None) };
        // The parser's message could repeat what stands there.
        let malformed = |_| Failure::failed(format!("`{}` is damaged: move it away", path.display()));
        serde_json::from_str(&text).map(Some).map_err(malformed)
    }

    /// Keeps it.
    pub(super) fn save(&self, data_dir: &Path) -> Result<(), Failure> {
        let text = Zeroizing::new(serde_json::to_string(self).unwrap_or_default());
        private_file::write(&Self::path(data_dir), &text)
    }
}

/// The member's API key; `url` is where it will be sent, if that was said.
pub(super) fn api_key(data_dir: &Path, url: Option<&Url>) -> Result<SignedIn, Failure> {
    choose(API_KEY, data_dir, url, |kept| Some(kept.api_key.clone()))
}

/// The operator's credential.
pub(super) fn operator_key(data_dir: &Path, url: Option<&Url>) -> Result<SignedIn, Failure> {
    choose(OPERATOR_KEY, data_dir, url, |kept| kept.operator_key.clone())
}

fn choose(
    variable: &str,
    data_dir: &Path,
    url: Option<&Url>,
    of: impl Fn(&Kept) -> Option<String>,
) -> Result<SignedIn, Failure> {
    if let Ok(secret) = std::env::var(variable)
        && !secret.is_empty()
    {
        // It says nothing about where it is good: where the CLI is signed in otherwise, most likely.
        let url = if url.is_some() { None } else { Kept::load(data_dir)?.map(|kept| kept.url) };
        return Ok(SignedIn { secret: secret.into(), url, workspace_id: None });
    }
    let path = Kept::path(data_dir);
    let kept = Kept::load(data_dir)?;
    let Some((kept, secret)) = kept.and_then(|kept| of(&kept).map(|secret| (kept, secret))) else {
        return Err(Failure::not_signed_in(format!(
            "not signed in: set {variable}, or say with --data-dir where `{}` lies",
            path.file_name().unwrap_or_default().to_string_lossy()
        )));
    };
    // A credential is shown to the service that gave it, whatever else is asked for.
    if let Some(url) = url.filter(|url| url.origin() != kept.url.origin()) {
        return Err(Failure::not_signed_in(format!(
            "not signed in to {}: the credential in `{}` is for {}; set {variable} to use another",
            plain(url),
            path.display(),
            plain(&kept.url)
        )));
    }
    Ok(SignedIn { secret: secret.into(), url: Some(kept.url), workspace_id: Some(kept.workspace_id) })
}

impl SignedIn {
    /// The value of the `Authorization` header, or nothing when it can't be one.
    pub(super) fn header(secret: &SecretString) -> Option<reqwest::header::HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", secret.expose_secret().trim()));
        let mut value = reqwest::header::HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(url: &str) -> Kept {
        Kept {
            url: url.parse().unwrap(),
            api_key: "tbk_key_x".to_owned(),
            operator_key: None,
            workspace_id: "w".to_owned(),
        }
    }

    #[test]
    fn a_kept_credential_goes_only_to_the_service_that_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        kept("http://127.0.0.1:7070").save(dir.path()).unwrap();
        let of = |kept: &Kept| Some(kept.api_key.clone());
        let variable = "TOLLBOOK_NO_SUCH_VARIABLE";
        let same: Url = "http://127.0.0.1:7070/".parse().unwrap();
        assert!(choose(variable, dir.path(), Some(&same), of).is_ok());
        assert!(choose(variable, dir.path(), None, of).is_ok());
        let other: Url = "http://127.0.0.1:7071".parse().unwrap();
        assert!(choose(variable, dir.path(), Some(&other), of).unwrap_err().message().contains("is for"));
        assert!(choose(variable, dir.path(), None, |kept| kept.operator_key.clone()).is_err());
    }
}
