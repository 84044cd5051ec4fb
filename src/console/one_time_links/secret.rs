//! A link's secret, as it comes in a form's field: the fragment that the page's script took out of the address, or
//! whatever a person pasted.

use actix_web::http::StatusCode;

use crate::credential::{Credential, Kind};
use crate::problem::Problem;

/// `tbk_otl_`
const PREFIX: &str = "tbk_otl_";
/// Of a credential's public id.
const ID: usize = 12;

/// Can it be the public id of a link?
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The credential of the link with this id: from its fragment, or from the whole link.
///
/// # Errors
/// When it isn't one; no look-up was made.
pub(super) fn of(id: &str, text: &str) -> Result<Credential, Problem> {
    let secret = text.rsplit('#').next().unwrap_or_default();
    let credential = Credential::parse(&format!("{PREFIX}{id}{secret}")).map_err(|_| not_whole())?;
    if credential.kind() == Kind::OneTimeLink { Ok(credential) } else { Err(not_whole()) }
}

/// The credential of a whole link: `…/otl/{id}#{secret}`.
///
/// # Errors
/// As [`of`].
pub(super) fn of_link(text: &str) -> Result<Credential, Problem> {
    let (path, secret) = text.split_once('#').ok_or_else(not_whole)?;
    of(path.rsplit('/').next().unwrap_or_default(), secret)
}

fn not_whole() -> Problem {
    let detail = "This is not the whole of a one-time link: a part is missing, or it was mistyped. Nothing was used up.";
    Problem::new(StatusCode::BAD_REQUEST, "link.malformed", "Not a whole link", detail)
        .remedy("Open the link as you were sent it, or paste all of it, with the part behind #.", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::fragment;

    const ID: &str = "abcdefghijkl";

    fn link() -> Credential {
        Credential::from_parts(Kind::OneTimeLink, ID, &[7; 32]).unwrap()
    }

    #[test]
    fn link_is_read_from_its_fragment_and_whole() {
        let (link, fragment) = (link(), fragment(&link()).to_owned());
        let url = format!("https://tollbook.example/otl/{ID}#{fragment}");
        for read in [of(ID, &fragment), of(ID, &url), of_link(&url)] {
            assert_eq!(read.unwrap().expose(), link.expose());
        }
    }

    #[test]
    fn half_a_link_is_told_without_a_look_up() {
        let fragment = fragment(&link()).to_owned();
        let cut = fragment.get(..40).unwrap();
        for (id, text) in [(ID, ""), (ID, cut), ("abcdefghijkm", fragment.as_str()), ("../../abc", &fragment)]
        {
            assert_eq!(of(id, text).unwrap_err().code, "link.malformed", "{id} {text}");
        }
        for text in ["", "https://tollbook.example/otl/abcdefghijkl", &format!("/otl/{ID}#{cut}")] {
            assert_eq!(of_link(text).unwrap_err().code, "link.malformed", "{text}");
        }
        assert!(is_id(ID) && !is_id("abc") && !is_id("abcdefghij/l"));
    }
}
