//! Which tools of a session may be called: the same for a list of them and for a call.

use chrono::{DateTime, Utc};

use super::{Denial, World};
use crate::{Grant, LoadoutVersion, Narrowing, PinnedTool};

/// A session that may be used, and what the two credentials that it is used by are narrowed to.
#[derive(Debug)]
pub struct Usable<'a> {
    pub(super) grant: &'a Grant,
    /// The first moment at which it is so no longer.
    pub(super) ends: DateTime<Utc>,
    pub(super) callers: Option<&'a Narrowing>,
    pub(super) makers: Option<&'a Narrowing>,
}

impl<'a> Usable<'a> {
    /// What the session grants.
    pub const fn grant(&self) -> &'a Grant {
        self.grant
    }

    /// The tools that may be called now, in the order of their names: what is listed is what
    /// [`call_tool`] permits, and nothing else.
    pub fn tools<W: World>(&self, world: &'a W) -> impl Iterator<Item = &'a PinnedTool> {
        let pinned = self.version(world).into_iter().flat_map(|version| version.tools.values());
        pinned.filter(move |pinned| self.reaches(world, pinned).is_ok())
    }

    /// The tool of this name, if it may be called now.
    ///
    /// # Errors
    /// The reason why not.
    pub fn tool<W: World>(&self, world: &'a W, name: &str) -> Result<&'a PinnedTool, Denial> {
        let pinned = self.version(world)?.tools.get(name).ok_or(Denial::NotInLoadout)?;
        self.reaches(world, pinned).map(|()| pinned)
    }

    fn version<W: World>(&self, world: &'a W) -> Result<&'a LoadoutVersion, Denial> {
        // Another workspace's loadout, or server, is as if it weren't there: a wall of its own behind
        // the handlers' checks, because what it keeps apart are tenants.
        let loadout = world.loadout(self.grant.loadout_id);
        let ours = loadout.workspace_id() == Some(self.grant.workspace_id);
        let version = loadout.version(self.grant.loadout_version).filter(|_| ours);
        Ok(version.ok_or(Denial::LoadoutRemoved)?)
    }

    fn reaches(&self, world: &impl World, pinned: &PinnedTool) -> Result<(), Denial> {
        if !self.narrowings().all(|narrowing| narrowing.reaches_server(pinned.tool_server_id)) {
            return Err(Denial::OutsideNarrowing);
        }
        let registration = world
            .tool_server(pinned.tool_server_id)
            .registration()
            .filter(|server| server.workspace_id == self.grant.workspace_id)
            .ok_or(Denial::ToolServerRemoved)?;
        let stands = registration.tools.get(&pinned.tool) == Some(&pinned.digest);
        if stands { Ok(()) } else { Err(Denial::ToolChanged) }
    }

    /// Of the credential that is used, and of the one that the session was made with.
    pub(super) fn narrowings(&self) -> impl Iterator<Item = &'a Narrowing> {
        [self.callers, self.makers].into_iter().flatten()
    }
}
