//! What each kind of failure means to the visitor.

use shared::protocol::FailureCode;

/// What it means, in one sentence.
pub fn meaning(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Network => "A file that this page needs did not arrive.",
        FailureCode::Checksum => {
            "A file arrived, but it is not the file that was announced; it was thrown away."
        }
        FailureCode::Format => "A file arrived whole, but it cannot be read.",
        FailureCode::Input => "What was given cannot be used as it is.",
        FailureCode::Device => "The device that should compute is not there or stopped.",
        FailureCode::NotReady => "The engine was asked before it was ready.",
    }
}
