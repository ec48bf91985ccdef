//! Histories to try with one click.

use shared::catalog::{Catalog, ItemId};

/// A taste and its films, oldest first.
pub struct Example {
    /// Its name on the button.
    pub name: &'static str,
    titles: &'static [&'static str],
}

/// The examples offered.
pub const EXAMPLES: [Example; 3] = [
    Example {
        name: "Space adventures",
        titles: &[
            "Star Wars: Episode IV - A New Hope (1977)",
            "Alien (1979)",
            "Star Wars: Episode V - The Empire Strikes Back (1980)",
            "Contact (1997)",
            "The Matrix (1999)",
        ],
    },
    Example {
        name: "Crime and suspense",
        titles: &[
            "The Silence of the Lambs (1991)",
            "Reservoir Dogs (1992)",
            "Pulp Fiction (1994)",
            "Heat (1995)",
            "Fargo (1996)",
        ],
    },
    Example {
        name: "Animation",
        titles: &[
            "The Lion King (1994)",
            "Toy Story (1995)",
            "Shrek (2001)",
            "Finding Nemo (2003)",
            "WALL·E (2008)",
        ],
    },
];

impl Example {
    /// Its films as far as the catalogue has them.
    pub fn items(&self, catalog: &Catalog) -> Vec<ItemId> {
        let find = |title: &&str| catalog.iter().find(|(_, item)| item.title == **title);
        self.titles.iter().filter_map(find).map(|(id, _)| id).collect()
    }
}
