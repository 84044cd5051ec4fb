//! Where a tool server lies, and what it takes to be let in.
//!
//! Addresses and sealed header values are kept in memory; the value itself is opened for each call
//! and only then.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::header::{HeaderName, HeaderValue};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{Authorization, SecretRef, ToolServerId, WorkspaceId};
use tollbook_journal::{Journal, Position};
use tollbook_vault::{BelongsTo, Purpose, Vault};
use url::Url;

use crate::authority::Authority;
use crate::keys::Keys;
use crate::reveal::reveal_one;
use crate::upstream::Target;

/// Why a tool server can't be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It was removed meanwhile.
    #[error("the tool server was removed")]
    Removed,
    /// Its address or its header can't be opened for now.
    #[error("what is sealed cannot be opened for now")]
    Sealed,
    /// Its address or its header was erased.
    #[error("the tool server's address or header was erased")]
    Erased,
}

impl TargetError {
    /// Stable and for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Removed => "tool_server.removed",
            Self::Sealed => "vault.unavailable",
            Self::Erased => "tool_server.erased",
        }
    }
}

/// What a header's value is sealed for: the ciphertext opens for this server's origin and no other.
pub fn header_belongs_to<'a>(
    workspace: WorkspaceId,
    secret: SecretRef,
    name: &'a str,
    origin: &'a str,
) -> BelongsTo<'a> {
    BelongsTo {
        purpose: Purpose::StaticHeader,
        workspace: workspace.0,
        owner: secret.secret_id.0,
        field: name,
        version: u64::from(secret.version),
        origin: Some(origin),
        issuer: None,
    }
}

#[derive(Clone)]
pub(super) struct Targets {
    journal: Journal,
    vault: Arc<Vault>,
    keys: Keys,
    addresses: Arc<RwLock<HashMap<Position, Url>>>,
    secrets: Arc<RwLock<HashMap<SecretRef, Arc<[u8]>>>>,
}

impl Targets {
    pub(super) fn new(journal: Journal, vault: Arc<Vault>, keys: Keys) -> Self {
        Self { journal, vault, keys, addresses: Arc::default(), secrets: Arc::default() }
    }

    pub(super) async fn of(&self, authority: &Authority, id: ToolServerId) -> Result<Target, TargetError> {
        let known = authority.look(|live| {
            let registration = live.tool_server(id).registration()?;
            Some((registration.workspace_id, registration.authorization.clone(), live.address_of(id)?))
        });
        let (workspace, authorization, at) = known.ok_or(TargetError::Removed)?;
        let url = self.address(at).await?;
        let header = match authorization {
            Authorization::None => None,
            Authorization::Header { name, secret } => {
                Some(self.header(workspace, &name, secret, &url).await?)
            }
        };
        Ok(Target { tool_server_id: id, url, header })
    }

    async fn address(&self, at: Position) -> Result<Url, TargetError> {
        if let Some(url) = self.addresses.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
            return Ok(url.clone());
        }
        let text = reveal_one(&self.journal, &self.vault, at, "url")
            .await
            .map_err(|error| {
                tracing::error!(%error, "a tool server's address cannot be opened");
                TargetError::Sealed
            })?
            .ok_or(TargetError::Erased)?;
        let url = Url::parse(&text).map_err(|_| TargetError::Erased)?;
        self.addresses.write().unwrap_or_else(PoisonError::into_inner).insert(at, url.clone());
        Ok(url)
    }

    async fn header(
        &self,
        workspace: WorkspaceId,
        name: &str,
        secret: SecretRef,
        url: &Url,
    ) -> Result<(HeaderName, HeaderValue), TargetError> {
        let sealed = self.sealed(secret).await?;
        let origin = url.origin().ascii_serialization();
        let belongs = header_belongs_to(workspace, secret, name, &origin);
        let value = self.vault.open(&belongs, &sealed).await.map_err(|error| {
            tracing::error!(%error, "a tool server's header cannot be opened");
            TargetError::Sealed
        })?;
        let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| TargetError::Erased)?;
        value.set_sensitive(true);
        let name = HeaderName::try_from(name).map_err(|_| TargetError::Erased)?;
        Ok((name, value))
    }

    async fn sealed(&self, secret: SecretRef) -> Result<Arc<[u8]>, TargetError> {
        if let Some(sealed) = self.secrets.read().unwrap_or_else(PoisonError::into_inner).get(&secret) {
            return Ok(Arc::clone(sealed));
        }
        let stored = self.keys.secret(secret).await.map_err(|error| {
            tracing::error!(%error, "a tool server's header cannot be read");
            TargetError::Sealed
        })?;
        let sealed: Arc<[u8]> = stored.ok_or(TargetError::Erased)?.into();
        self.secrets.write().unwrap_or_else(PoisonError::into_inner).insert(secret, Arc::clone(&sealed));
        Ok(sealed)
    }
}
