//! Requests that try to be more than they are: what each is refused with, over HTTP and on bare connections.
//! `docs/refusals.md` says which number of the list each test is for.

mod broken;
mod forwarded;
mod framing;
mod in_url;
mod more_rights;
mod removed;
mod two_credentials;
