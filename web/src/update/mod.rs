//! How the page's state changes: by what the visitor does ([`act`]) and by what the worker tells
//! ([`apply`]). Both are plain functions; what has to be sent to the worker comes back as a request.

mod act;
mod apply;

pub use act::{Action, act};
pub use apply::{apply, engine_restarted};

#[cfg(test)]
mod tests;
