//! The views of the page.

/// What the page shows beside the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Recommendations.
    #[default]
    Recommend,
    /// How the verbalizer reads one forward pass, step by step.
    Lesson,
    /// How the first stage reads the history.
    Retriever,
    /// What the models are worth, beside the paper.
    Results,
}

impl View {
    /// All, in the order of the navigation.
    pub const ALL: [Self; 4] = [Self::Recommend, Self::Lesson, Self::Retriever, Self::Results];

    /// Its name in the navigation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recommend => "Recommend",
            Self::Lesson => "Lesson",
            Self::Retriever => "Retriever",
            Self::Results => "Results",
        }
    }

    /// Its name in links.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Recommend => "recommend",
            Self::Lesson => "lesson",
            Self::Retriever => "retriever",
            Self::Results => "results",
        }
    }

    /// The view of this name.
    pub fn of_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.slug() == slug)
    }
}
