//! The binary `llamarec`: see [`trainer::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    trainer::memory::keep();
    trainer::cli::main()
}
