//! A share as a bar.

use leptos::prelude::*;

/// A bar; what it says stands beside it as text.
#[component]
pub fn Bar(
    /// Share of the longest bar, 0 to 1.
    share: f32,
) -> impl IntoView {
    view! {
        <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width="100" height="10"/>
            <rect class="fill" width=format!("{:.1}", 100.0 * share) height="10"/>
        </svg>
    }
}
