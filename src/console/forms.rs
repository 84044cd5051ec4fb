//! The fields of forms: what stands in them, and what is wrong with what somebody typed, said where it stands.

use askama::Template;

use super::posted::Posted;
use crate::problem::Problem;

/// A line of text to be typed. Rendered by itself: `{{ field|safe }}`.
#[derive(Template)]
#[template(path = "_field.html")]
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    longest: usize,
    autocomplete: &'static str,
    value: String,
    fault: Option<&'static str>,
}

impl Field {
    /// An empty one, of at most so many characters.
    pub(super) const fn new(
        name: &'static str,
        label: &'static str,
        hint: &'static str,
        longest: usize,
    ) -> Self {
        Self { name, label, hint, longest, autocomplete: "off", value: String::new(), fault: None }
    }

    /// How somebody new is called.
    pub(super) const fn person() -> Self {
        let hint = "As the others in the workspace will see it.";
        let mut field = Self::new("name", "Your name", hint, 100);
        field.autocomplete = "name";
        field
    }

    /// How a new workspace is called.
    pub(super) const fn workspace() -> Self {
        Self::new("workspace", "The workspace's name", "Your team's, say. It can be changed later.", 100)
    }

    /// As somebody sent it, with what is wrong with it, if that is what is.
    #[must_use]
    pub(super) fn again(mut self, posted: &Posted, fault: &Fault) -> Self {
        posted.field(self.name).clone_into(&mut self.value);
        self.fault = (fault.field == self.name).then_some(fault.says);
        self
    }
}

/// What is wrong with what somebody typed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// In which field.
    pub(super) field: &'static str,
    /// For whoever typed it.
    says: &'static str,
}

impl Fault {
    /// What a person can mend in the form that they sent; none where it is something else.
    pub(super) fn of(problem: &Problem) -> Option<Self> {
        let (field, says) = match problem.code.as_str() {
            "user.name" => ("name", "Give yourself a name of 1 to 100 characters, none of them hidden."),
            "workspace.name" => ("workspace", "Give it a name of 1 to 100 characters, none of them hidden."),
            "api_key.device_label" => {
                ("label", "Say where it will be used, in 1 to 64 characters, none of them hidden.")
            }
            _ => return None,
        };
        Some(Self { field, says })
    }
}
