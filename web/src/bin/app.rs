//! The page: mounts the Leptos app.

fn main() {
    #[cfg(target_arch = "wasm32")]
    web::app::start();
}
