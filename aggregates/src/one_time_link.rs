//! A one-time link: the right to do one thing once, for whoever holds it.
//!
//! Nothing of what the link leads to is made before it is redeemed: it carries only the right to it. A
//! link doesn't outlive its maker's right to make it; that, and who may redeem it, is decided in
//! [`crate::access`]. That it is redeemed once, however many try at the same moment, is the book's
//! doing: of two that expect the same stream to stand where it stood, one wins.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ApiKeyId, Fact, Private, Role, UserId, Verifier, WorkspaceId};

/// An id that was never written loads as [`OneTimeLink::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OneTimeLink {
    /// Never written.
    #[default]
    Absent,
    /// Can be redeemed until it expires.
    Open(LinkGrant),
    /// Was redeemed.
    Redeemed(LinkGrant),
    /// Was taken back.
    Revoked(LinkGrant),
}

/// What a link is good for, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkGrant {
    /// What it leads to.
    pub purpose: LinkPurpose,
    /// What its secret is checked with.
    pub verifier: Verifier,
    /// The first moment at which it is no longer good.
    pub expires_at: DateTime<Utc>,
    /// Who made it.
    pub made_by: LinkMaker,
    /// Who somebody becomes by it who isn't known yet, where it is for nobody in particular: settled when it is
    /// made, so that what its maker calls them is sealed as being about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newcomer: Option<UserId>,
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// A person signs in.
    SignIn {
        /// Who.
        user_id: UserId,
    },
    /// A person becomes a member.
    Invitation {
        /// Where.
        workspace_id: WorkspaceId,
        /// As what.
        role: Role,
        /// Who; anybody who holds the link, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
    /// An API key that was reset gets its next secret.
    KeyReset {
        /// Where.
        workspace_id: WorkspaceId,
        /// Whose.
        user_id: UserId,
        /// Which.
        api_key_id: ApiKeyId,
    },
}

/// Who made a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkMaker {
    /// Somebody on the machine, or the service itself.
    Host,
    /// A member, by this key. The link ends with it.
    ApiKey(ApiKeyId),
    /// A member, signed in. Signing out doesn't end the link, losing the right does.
    User(UserId),
}

/// What can be asked of a link.
#[derive(Debug, Clone)]
pub enum LinkCommand {
    /// Make it.
    Create {
        /// What it is good for.
        grant: LinkGrant,
        /// Whom it is for, as its maker calls them.
        label: Option<Private>,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// Use it up.
    Redeem {
        /// As who.
        user_id: UserId,
    },
    /// Take it back.
    Revoke,
}

/// What happened to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkEvent {
    /// `one_time_link.created`
    Created {
        /// What it is good for.
        #[serde(flatten)]
        grant: LinkGrant,
        /// Whom it is for, as its maker calls them.
        #[serde(skip)]
        label: Option<Private>,
    },
    /// `one_time_link.redeemed`
    Redeemed {
        /// By whom.
        user_id: UserId,
    },
    /// `one_time_link.revoked`
    Revoked {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Never written.
    #[error("the link does not exist")]
    Absent,
    /// The id is taken.
    #[error("the link exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`label` must have 1 to 100 characters and no control characters")]
    Label,
    /// See [`LinkPurpose::lasts_at_most`].
    #[error("`expires_in` must be at least 1 second, and no more than 7 days")]
    Lasting,
    /// It was used.
    #[error("the link was redeemed already")]
    Redeemed,
    /// It was taken back.
    #[error("the link was revoked")]
    Revoked,
}

impl LinkPurpose {
    /// The longest that a link of this kind may be good for.
    pub const fn lasts_at_most(&self) -> TimeDelta {
        match self {
            Self::SignIn { .. } => TimeDelta::hours(1),
            Self::Invitation { .. } => TimeDelta::days(7),
            Self::KeyReset { .. } => TimeDelta::minutes(15),
        }
    }

    /// The workspace that it leads into, if it leads into one.
    pub const fn workspace_id(&self) -> Option<WorkspaceId> {
        match self {
            Self::SignIn { .. } => None,
            Self::Invitation { workspace_id, .. } | Self::KeyReset { workspace_id, .. } => {
                Some(*workspace_id)
            }
        }
    }

    /// The person that it is for, if that is settled.
    pub const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::SignIn { user_id } | Self::KeyReset { user_id, .. } => Some(*user_id),
            Self::Invitation { user_id, .. } => *user_id,
        }
    }
}

impl OneTimeLink {
    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&LinkGrant> {
        match self {
            Self::Absent => None,
            Self::Open(grant) | Self::Redeemed(grant) | Self::Revoked(grant) => Some(grant),
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: LinkCommand) -> Result<Vec<LinkEvent>, LinkError> {
        use LinkCommand::{Create, Redeem, Revoke};
        match (self, command) {
            (Self::Absent, Create { grant, label, at }) => {
                let label = label.map(|label| label.into_name().ok_or(LinkError::Label)).transpose()?;
                let lasts = grant.expires_at - at;
                if lasts <= TimeDelta::zero() || lasts > grant.purpose.lasts_at_most() {
                    return Err(LinkError::Lasting);
                }
                Ok(vec![LinkEvent::Created { grant, label }])
            }
            (_, Create { .. }) => Err(LinkError::Exists),
            (Self::Absent, _) => Err(LinkError::Absent),
            (Self::Open(_), Redeem { user_id }) => Ok(vec![LinkEvent::Redeemed { user_id }]),
            (Self::Redeemed(_), Redeem { .. } | Revoke) => Err(LinkError::Redeemed),
            (Self::Revoked(_), Redeem { .. }) => Err(LinkError::Revoked),
            (Self::Open(_), Revoke) => Ok(vec![LinkEvent::Revoked {}]),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke) => Ok(vec![]),
        }
    }
}

impl Aggregate for OneTimeLink {
    const TYPE: &'static str = "one_time_link";
    type Command = LinkCommand;
    type Event = LinkEvent;
    type Error = LinkError;
    type Services = ();

    async fn handle(
        &mut self,
        command: LinkCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), LinkError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: LinkEvent) {
        *self = match (event, std::mem::take(self)) {
            (LinkEvent::Created { grant, .. }, Self::Absent) => Self::Open(grant),
            (LinkEvent::Redeemed { .. }, Self::Open(grant)) => Self::Redeemed(grant),
            (LinkEvent::Revoked {}, Self::Open(grant)) => Self::Revoked(grant),
            // Made once, used once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for LinkEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "one_time_link.created",
            Self::Redeemed { .. } => "one_time_link.redeemed",
            Self::Revoked {} => "one_time_link.revoked",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for LinkEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } => false,
            Self::Redeemed { .. } | Self::Revoked {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { label, .. } => label.iter().map(|label| ("label", label)).collect(),
            Self::Redeemed { .. } | Self::Revoked {} => vec![],
        }
    }

    fn person(&self, _: Uuid) -> Option<UserId> {
        match self {
            Self::Created { grant, .. } => grant.purpose.user_id().or(grant.newcomer),
            Self::Redeemed { .. } | Self::Revoked {} => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::sample::{hours, id, noon, verifier};

    type Given = TestFramework<OneTimeLink>;

    fn invitation() -> LinkPurpose {
        LinkPurpose::Invitation { workspace_id: id(1), role: Role::Member, user_id: None }
    }

    fn reset() -> LinkPurpose {
        LinkPurpose::KeyReset { workspace_id: id(1), user_id: id(2), api_key_id: id(3) }
    }

    fn grant(purpose: LinkPurpose, expires_at: DateTime<Utc>) -> LinkGrant {
        let newcomer = purpose.user_id().is_none().then(|| id(4));
        LinkGrant { purpose, verifier: verifier(), expires_at, made_by: LinkMaker::ApiKey(id(9)), newcomer }
    }

    fn create(purpose: LinkPurpose, expires_at: DateTime<Utc>, label: Option<&str>) -> LinkCommand {
        LinkCommand::Create { grant: grant(purpose, expires_at), label: label.map(Into::into), at: noon() }
    }

    fn created() -> LinkEvent {
        LinkEvent::Created { grant: grant(invitation(), hours(24)), label: None }
    }

    fn redeem() -> LinkCommand {
        LinkCommand::Redeem { user_id: id(2) }
    }

    fn redeemed() -> LinkEvent {
        LinkEvent::Redeemed { user_id: id(2) }
    }

    const REVOKED: LinkEvent = LinkEvent::Revoked {};

    #[test]
    fn link_is_made_once() {
        let create = || create(invitation(), hours(24), None);
        Given::with(()).given_no_previous_events().when(create()).then_expect_events(vec![created()]);
        for history in [vec![created()], vec![created(), redeemed()], vec![created(), REVOKED]] {
            Given::with(()).given(history).when(create()).then_expect_error(LinkError::Exists);
        }
    }

    #[test]
    fn each_kind_lasts_no_longer_than_it_may() {
        let minutes = |minutes| noon() + TimeDelta::minutes(minutes);
        for (purpose, longest) in [
            (reset(), minutes(15)),
            (LinkPurpose::SignIn { user_id: id(2) }, hours(1)),
            (invitation(), hours(7 * 24)),
        ] {
            let event = LinkEvent::Created { grant: grant(purpose, longest), label: None };
            let fresh = || Given::with(()).given_no_previous_events();
            fresh().when(create(purpose, longest, None)).then_expect_events(vec![event]);
            for end in [noon(), longest + TimeDelta::seconds(1)] {
                fresh().when(create(purpose, end, None)).then_expect_error(LinkError::Lasting);
            }
        }
    }

    #[test]
    fn label_that_is_none_is_refused() {
        let create = create(invitation(), hours(1), Some(" "));
        Given::with(()).given_no_previous_events().when(create).then_expect_error(LinkError::Label);
    }

    #[test]
    fn link_is_redeemed_once() {
        Given::with(()).given(vec![created()]).when(redeem()).then_expect_events(vec![redeemed()]);
        Given::with(())
            .given(vec![created(), redeemed()])
            .when(redeem())
            .then_expect_error(LinkError::Redeemed);
        Given::with(()).given_no_previous_events().when(redeem()).then_expect_error(LinkError::Absent);
    }

    #[test]
    fn revoked_link_is_not_redeemed_and_a_redeemed_one_not_revoked() {
        let revoke = LinkCommand::Revoke;
        Given::with(()).given(vec![created()]).when(revoke.clone()).then_expect_events(vec![REVOKED]);
        let revoked = vec![created(), REVOKED];
        Given::with(()).given(revoked.clone()).when(redeem()).then_expect_error(LinkError::Revoked);
        Given::with(()).given(revoked).when(revoke.clone()).then_expect_events(vec![]);
        let used = Given::with(()).given(vec![created(), redeemed()]).when(revoke);
        used.then_expect_error(LinkError::Redeemed);
    }

    #[test]
    fn label_is_about_whom_the_link_is_for_or_who_they_become() {
        let about =
            |purpose| LinkEvent::Created { grant: grant(purpose, hours(1)), label: None }.person(Uuid::nil());
        assert_eq!((about(reset()), about(invitation())), (Some(id(2)), Some(id(4))));
    }

    #[test]
    fn ended_link_never_comes_back() {
        for end in [redeemed(), REVOKED] {
            let mut link = OneTimeLink::default();
            for event in [end.clone(), created(), end.clone(), REVOKED, redeemed(), created()] {
                link.apply(event);
            }
            assert!(!matches!(link, OneTimeLink::Open(_) | OneTimeLink::Absent), "{link:?}");
            assert_eq!(link.grant(), Some(&grant(invitation(), hours(24))));
        }
    }
}
