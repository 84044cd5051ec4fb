//! A device: a signed-in device of a person, the holder of a refresh token family.
//!
//! The frame: it is signed in, and it is ended.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, UserId, Verifier};

/// An id that was never written loads as [`Device::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// Never written.
    #[default]
    Absent,
    /// Acts for its person.
    SignedIn(SignIn),
    /// Ended for good.
    Revoked(SignIn),
}

/// Who signed in, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
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
        sign_in: SignIn,
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
        sign_in: SignIn,
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
}

impl Device {
    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: DeviceCommand) -> Result<Vec<DeviceEvent>, DeviceError> {
        match (self, command) {
            (Self::Absent, DeviceCommand::SignIn { sign_in, label }) => {
                Ok(vec![DeviceEvent::SignedIn { sign_in, label }])
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
        match (event, std::mem::take(self)) {
            (DeviceEvent::SignedIn { sign_in, .. }, _) => *self = Self::SignedIn(sign_in),
            (DeviceEvent::Revoked {}, Self::SignedIn(sign_in) | Self::Revoked(sign_in)) => {
                *self = Self::Revoked(sign_in);
            }
            (DeviceEvent::Revoked {}, Self::Absent) => {}
        }
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
}
