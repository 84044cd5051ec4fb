//! A sign-in: a person at a browser, known by a cookie until it expires or is ended. It carries all that
//! its person holds, in every workspace that they are a member of.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fact, LinkId, Private, UserId, Verifier};

/// An id that was never written loads as [`SignIn::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignIn {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Open(SignInGrant),
    /// Ended for good.
    Ended(SignInGrant),
}

/// Who signed in and how, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInGrant {
    /// Who.
    pub user_id: UserId,
    /// What the cookie is checked with.
    pub verifier: Verifier,
    /// The first moment at which the cookie is no longer good.
    pub expires_at: DateTime<Utc>,
    /// By what they showed who they are.
    pub how: How,
}

/// By what somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// They redeemed this link.
    OneTimeLink(LinkId),
    /// They founded what there is, with the link of an empty book.
    FirstOwner,
}

/// What can be asked of a sign-in.
#[derive(Debug, Clone)]
pub enum SignInCommand {
    /// Make it.
    Create {
        /// Who and how.
        grant: SignInGrant,
        /// From where, as far as it is known.
        address: Option<Private>,
        /// What the browser calls itself.
        user_agent: Option<Private>,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// End it.
    End,
}

/// What happened to a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInEvent {
    /// `sign_in.created`
    Created {
        /// Who and how.
        #[serde(flatten)]
        grant: SignInGrant,
        /// From where.
        #[serde(skip)]
        address: Option<Private>,
        /// What the browser called itself.
        #[serde(skip)]
        user_agent: Option<Private>,
    },
    /// `sign_in.ended`
    Ended {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Never written.
    #[error("the sign-in does not exist")]
    Absent,
    /// The id is taken.
    #[error("the sign-in exists already")]
    Exists,
    /// It would never be good.
    #[error("a sign-in must expire in the future")]
    ExpiresInThePast,
}

impl SignIn {
    /// The longest that is kept of what a browser calls itself, in characters.
    pub const USER_AGENT_MAX: usize = 200;

    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&SignInGrant> {
        match self {
            Self::Absent => None,
            Self::Open(grant) | Self::Ended(grant) => Some(grant),
        }
    }

    /// The events that `command` leads to, given what happened so far. What a browser calls itself is
    /// kept only where it is a short plain text: nobody is refused for it.
    pub fn decide(&self, command: SignInCommand) -> Result<Vec<SignInEvent>, SignInError> {
        match (self, command) {
            (Self::Absent, SignInCommand::Create { grant, address, user_agent, at }) => {
                if grant.expires_at <= at {
                    return Err(SignInError::ExpiresInThePast);
                }
                let user_agent = user_agent.and_then(|text| text.within(Self::USER_AGENT_MAX));
                Ok(vec![SignInEvent::Created { grant, address, user_agent }])
            }
            (_, SignInCommand::Create { .. }) => Err(SignInError::Exists),
            (Self::Absent, SignInCommand::End) => Err(SignInError::Absent),
            (Self::Open(_), SignInCommand::End) => Ok(vec![SignInEvent::Ended {}]),
            // A brake may be pressed twice.
            (Self::Ended(_), SignInCommand::End) => Ok(vec![]),
        }
    }
}

impl Aggregate for SignIn {
    const TYPE: &'static str = "sign_in";
    type Command = SignInCommand;
    type Event = SignInEvent;
    type Error = SignInError;
    type Services = ();

    async fn handle(
        &mut self,
        command: SignInCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SignInError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: SignInEvent) {
        *self = match (event, std::mem::take(self)) {
            (SignInEvent::Created { grant, .. }, Self::Absent) => Self::Open(grant),
            (SignInEvent::Ended {}, Self::Open(grant)) => Self::Ended(grant),
            // Made once, ended once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for SignInEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "sign_in.created",
            Self::Ended {} => "sign_in.ended",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for SignInEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } => false,
            Self::Ended {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { address, user_agent, .. } => {
                let address = address.iter().map(|text| ("address", text));
                address.chain(user_agent.iter().map(|text| ("user_agent", text))).collect()
            }
            Self::Ended {} => vec![],
        }
    }

    fn person(&self, _: Uuid) -> Option<UserId> {
        match self {
            Self::Created { grant, .. } => Some(grant.user_id),
            Self::Ended {} => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::sample::{hours, id, noon, verifier};

    type Given = TestFramework<SignIn>;

    fn grant(expires_at: DateTime<Utc>) -> SignInGrant {
        SignInGrant { user_id: id(1), verifier: verifier(), expires_at, how: How::OneTimeLink(id(2)) }
    }

    fn create(user_agent: &str, expires_at: DateTime<Utc>) -> SignInCommand {
        let (address, user_agent) = (Some("203.0.113.7".into()), Some(user_agent.into()));
        SignInCommand::Create { grant: grant(expires_at), address, user_agent, at: noon() }
    }

    fn created(user_agent: Option<&str>) -> SignInEvent {
        let (address, user_agent) = (Some("203.0.113.7".into()), user_agent.map(Into::into));
        SignInEvent::Created { grant: grant(hours(8)), address, user_agent }
    }

    const ENDED: SignInEvent = SignInEvent::Ended {};

    #[test]
    fn sign_in_is_made_once_and_ends_in_the_future() {
        let fresh = || Given::with(()).given_no_previous_events();
        fresh().when(create("Firefox", hours(8))).then_expect_events(vec![created(Some("Firefox"))]);
        fresh().when(create("Firefox", noon())).then_expect_error(SignInError::ExpiresInThePast);
        let again = Given::with(()).given(vec![created(None), ENDED]).when(create("Firefox", hours(8)));
        again.then_expect_error(SignInError::Exists);
    }

    #[test]
    fn strange_browser_names_are_not_kept_and_refuse_nobody() {
        for name in ["", "two\nlines", &"x".repeat(201)] {
            let made = Given::with(()).given_no_previous_events().when(create(name, hours(8)));
            made.then_expect_events(vec![created(None)]);
        }
    }

    #[test]
    fn sign_in_is_ended_once() {
        let end = SignInCommand::End;
        Given::with(()).given(vec![created(None)]).when(end.clone()).then_expect_events(vec![ENDED]);
        Given::with(()).given(vec![created(None), ENDED]).when(end.clone()).then_expect_events(vec![]);
        Given::with(()).given_no_previous_events().when(end).then_expect_error(SignInError::Absent);
    }

    #[test]
    fn ended_sign_in_never_comes_back() {
        let mut sign_in = SignIn::default();
        for event in [ENDED, created(None), ENDED, created(None)] {
            sign_in.apply(event);
        }
        assert_eq!(sign_in, SignIn::Ended(grant(hours(8))));
    }
}
