//! The engine worker: listens for requests.
#![cfg_attr(target_arch = "wasm32", allow(unsafe_code, reason = "a function of the linker's"))]

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// Registers what the compiler of kernels is made of.
    fn __wasm_call_ctors();
}

fn main() {
    #[cfg(target_arch = "wasm32")]
    {
        // Called here once. A program that does not call it at all has it called at every entry from JavaScript, of which every
        // handle of an object is one: that took longer than the products between them.
        // SAFETY: nothing else has run yet.
        unsafe { __wasm_call_ctors() };
        web::engine::start();
    }
}
