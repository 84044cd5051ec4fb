//! `service.json` in the data directory: that a service runs on it, where, and what host commands prove
//! themselves with. It lives as long as the service does.
//!
//! On `SQLite` the book is one process's. What a host command does to a running service's book, it asks
//! the service to do, with a credential that was made at this start and that only those can read who
//! could read the keys as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::client::Client;
use super::failure::Failure;
use super::private_dir::PrivateDir;

const FILE: &str = "service.json";

/// A service that runs on this data directory.
#[derive(Serialize, Deserialize)]
pub(super) struct ServiceFile {
    /// Where it can be reached from this machine.
    #[serde(with = "super::url_text")]
    pub(super) url: Url,
    /// Its process.
    pub(super) pid: u32,
    /// Known to this running service only.
    pub(super) host_credential: String,
    /// The sample tool server that runs with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sample_url: Option<String>,
}

impl ServiceFile {
    /// The directory, as others of this machine's own files lie in it.
    pub(super) fn dir(data_dir: &Path) -> Result<PrivateDir, Failure> {
        let gone = || Failure::failed(format!("`{}` is gone", data_dir.display()));
        PrivateDir::shared(data_dir)?.ok_or_else(gone)
    }

    /// What the last service left, running or not.
    pub(super) fn load(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let Some(dir) = PrivateDir::shared(data_dir)? else { return Ok(None) };
        let text = dir.read(FILE)?;
        // Damaged is as good as absent: the next service writes it anew.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Writes it.
    pub(super) fn save(&self, data_dir: &Path) -> Result<(), Failure> {
        let text = Zeroizing::new(serde_json::to_string(self).unwrap_or_default());
        Self::dir(data_dir)?.lock()?.write(FILE, &text)
    }

    /// Removes it, unless another service has written its own meanwhile.
    pub(super) fn remove(&self, data_dir: &Path) -> Result<(), Failure> {
        let dir = Self::dir(data_dir)?;
        let locked = dir.lock()?;
        if Self::load(data_dir)?.is_some_and(|kept| kept.pid == self.pid) {
            locked.remove(FILE)?;
        }
        Ok(())
    }

    /// A client for the service that runs on this data directory, with its host credential; `None` when
    /// none runs, whatever else listens where one did.
    pub(super) async fn running(data_dir: &Path) -> Result<Option<(Self, Client)>, Failure> {
        let Some(file) = Self::load(data_dir)? else { return Ok(None) };
        let client = Client::new(file.url.clone(), Some(file.host_credential.clone().into()))?;
        let answers = client.get(&["host", "status"], &[]).await.is_ok();
        Ok(answers.then_some((file, client)))
    }
}

/// The URL by which this machine reaches what listens at `address`.
pub(super) fn local_url(address: SocketAddr) -> Result<Url, Failure> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}", SocketAddr::new(ip, address.port()));
    Url::parse(&url).map_err(|error| Failure::failed(format!("`{url}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(pid: u32) -> ServiceFile {
        let url = local_url("0.0.0.0:7070".parse().unwrap()).unwrap();
        ServiceFile { url, pid, host_credential: "secret".to_owned(), sample_url: None }
    }

    #[test]
    fn a_service_removes_its_own_file_only() {
        let dir = tempfile::tempdir().unwrap();
        file(1).save(dir.path()).unwrap();
        file(2).remove(dir.path()).unwrap();
        assert_eq!(ServiceFile::load(dir.path()).unwrap().unwrap().pid, 1);
        file(1).remove(dir.path()).unwrap();
        assert!(ServiceFile::load(dir.path()).unwrap().is_none());
    }

    #[test]
    fn who_listens_everywhere_is_reached_on_loopback() {
        assert_eq!(file(1).url.as_str(), "http://127.0.0.1:7070/");
        assert_eq!(local_url("[::]:1".parse().unwrap()).unwrap().as_str(), "http://[::1]:1/");
    }
}
