//! A device: a signed-in device of a person, the holder of a refresh token family.
//!
//! The frame: it is signed in, and it is ended.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fact, Private, UserId, Verifier};

/// An id that was never written loads as [`Device::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// Never written.
    #[default]
    Absent,
    /// Acts for its person.
    SignedIn(DeviceGrant),
    /// Ended for good.
    Revoked(DeviceGrant),
}

/// Who signed in, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceGrant {
    /// Whose it is.
    pub user_id: UserId,
    /// Of the current refresh token.
    pub verifier: Verifier,
}

/// What can be asked of a device.
#[derive(Debug, Clone)]
pub enum DeviceCommand {
    /// Sign it in.
    SignIn {
        /// Who, with what.
        grant: DeviceGrant,
        /// How its person calls it.
        label: Private,
    },
    /// End it.
    Revoke,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEvent {
    /// `device.signed_in`
    SignedIn {
        /// Who, with what.
        #[serde(flatten)]
        grant: DeviceGrant,
        /// How its person calls it.
        #[serde(skip)]
        label: Private,
    },
    /// `device.revoked`
    Revoked {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Never written.
    #[error("the device does not exist")]
    Absent,
    /// The id is taken.
    #[error("the device exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`label` must have 1 to 100 characters and no control characters")]
    Label,
}

impl Device {
    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: DeviceCommand) -> Result<Vec<DeviceEvent>, DeviceError> {
        match (self, command) {
            (Self::Absent, DeviceCommand::SignIn { grant, label }) => {
                let label = label.into_name().ok_or(DeviceError::Label)?;
                Ok(vec![DeviceEvent::SignedIn { grant, label }])
            }
            (_, DeviceCommand::SignIn { .. }) => Err(DeviceError::Exists),
            (Self::Absent, DeviceCommand::Revoke) => Err(DeviceError::Absent),
            (Self::SignedIn(_), DeviceCommand::Revoke) => Ok(vec![DeviceEvent::Revoked {}]),
            // A brake may be pressed twice.
            (Self::Revoked(_), DeviceCommand::Revoke) => Ok(vec![]),
        }
    }
}

impl Aggregate for Device {
    const TYPE: &'static str = "device";
    type Command = DeviceCommand;
    type Event = DeviceEvent;
    type Error = DeviceError;
    type Services = ();

    async fn handle(
        &mut self,
        command: DeviceCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), DeviceError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: DeviceEvent) {
        *self = match (event, std::mem::take(self)) {
            (DeviceEvent::SignedIn { grant, .. }, Self::Absent) => Self::SignedIn(grant),
            (DeviceEvent::Revoked {}, Self::SignedIn(grant)) => Self::Revoked(grant),
            // Signed in once, ended once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for DeviceEvent {
    fn event_type(&self) -> String {
        match self {
            Self::SignedIn { .. } => "device.signed_in",
            Self::Revoked {} => "device.revoked",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for DeviceEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::SignedIn { .. } => false,
            Self::Revoked {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::SignedIn { label, .. } => vec![("label", label)],
            Self::Revoked {} => vec![],
        }
    }

    fn person(&self, _: Uuid) -> Option<UserId> {
        match self {
            Self::SignedIn { grant, .. } => Some(grant.user_id),
            Self::Revoked {} => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::sample::{id, verifier};

    type Given = TestFramework<Device>;

    fn who() -> DeviceGrant {
        DeviceGrant { user_id: id(1), verifier: verifier() }
    }

    fn sign_in(label: &str) -> DeviceCommand {
        DeviceCommand::SignIn { grant: who(), label: label.into() }
    }

    fn signed_in() -> DeviceEvent {
        DeviceEvent::SignedIn { grant: who(), label: "laptop".into() }
    }

    const REVOKED: DeviceEvent = DeviceEvent::Revoked {};

    #[test]
    fn device_is_signed_in_once() {
        Given::with(())
            .given_no_previous_events()
            .when(sign_in("laptop"))
            .then_expect_events(vec![signed_in()]);
        for history in [vec![signed_in()], vec![signed_in(), REVOKED]] {
            Given::with(()).given(history).when(sign_in("laptop")).then_expect_error(DeviceError::Exists);
        }
    }

    #[test]
    fn label_that_is_none_is_refused() {
        Given::with(()).given_no_previous_events().when(sign_in("")).then_expect_error(DeviceError::Label);
    }

    #[test]
    fn device_is_revoked_once() {
        let revoke = DeviceCommand::Revoke;
        Given::with(()).given(vec![signed_in()]).when(revoke.clone()).then_expect_events(vec![REVOKED]);
        Given::with(()).given(vec![signed_in(), REVOKED]).when(revoke.clone()).then_expect_events(vec![]);
        Given::with(()).given_no_previous_events().when(revoke).then_expect_error(DeviceError::Absent);
    }

    #[test]
    fn revoked_device_never_comes_back() {
        let mut device = Device::default();
        for event in [REVOKED, signed_in(), REVOKED, REVOKED, signed_in()] {
            device.apply(event);
        }
        assert_eq!(device, Device::Revoked(who()));
    }
}
