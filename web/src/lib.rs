//! The page and its engine worker.
//!
//! What the page knows ([`state`]) and how it changes ([`update`]) is plain data and logic, compiled and
//! tested natively. The browser parts are two binaries: `app` (feature `app`, Leptos, no Burn) draws the
//! state; `engine` (feature `engine`, Burn) answers requests in a dedicated worker. They speak
//! [`shared::protocol`] and nothing else.

pub mod chips;
pub mod compare;
pub mod device;
pub mod format;
pub mod help;
pub mod history;
pub mod ids;
pub mod import;
pub mod lesson;
pub mod letters;
pub mod link;
pub mod own_bundle;
pub mod picture;
pub mod record;
pub mod rows;
pub mod shuffle;
pub mod spoken;
pub mod state;
pub mod stored;
pub mod update;
pub mod view;

#[cfg(all(target_arch = "wasm32", feature = "app"))]
pub mod app;
#[cfg(all(target_arch = "wasm32", any(feature = "app", feature = "engine")))]
mod caches;
#[cfg(all(target_arch = "wasm32", any(feature = "app", feature = "engine")))]
mod digest;
#[cfg(all(target_arch = "wasm32", feature = "engine"))]
pub mod engine;
