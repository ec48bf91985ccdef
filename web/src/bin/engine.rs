//! The engine worker: listens for requests.

fn main() {
    #[cfg(target_arch = "wasm32")]
    web::engine::start();
}
