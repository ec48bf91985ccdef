//! Tests of searching and finding titles.

use super::{Catalog, ItemId, UnknownTitle};
use crate::catalog::Item;

const TITLES: [&str; 14] = [
    "Heat (1995)",                       // 1
    "The Heat (2013)",                   // 2
    "The Matrix (1999)",                 // 3
    "The Matrix Reloaded (2003)",        // 4
    "Léon: The Professional (1994)",     // 5
    "Sabrina (1995)",                    // 6
    "Sabrina (1954)",                    // 7
    "Blade Runner 2049 (2017)",          // 8
    "Misérables, Les (1995)",            // 9
    "Spider-Man (2002)",                 // 10
    "The City of Lost Children (1995)",  // 11
    "Terminator 2: Judgment Day (1991)", // 12
    "A Beautiful Mind (2001)",           // 13
    "Heathers (1989)",                   // 14
];

fn catalog_of<'a>(titles: impl IntoIterator<Item = &'a str>) -> Catalog {
    let item = |title: &str| Item { raw: String::new(), title: title.to_owned(), genres: Vec::new() };
    Catalog::new(titles.into_iter().map(item).collect())
}

fn catalog() -> Catalog {
    catalog_of(TITLES)
}

fn search(query: &str) -> Vec<u32> {
    catalog().search(query, 5).into_iter().map(|id| id.0).collect()
}

#[test]
fn equal_titles_come_before_beginnings_and_words() {
    assert_eq!(search("heat"), [1, 2, 14]);
    assert_eq!(search("the heat"), [2, 1, 14]);
    assert_eq!(search("matrix"), [3, 4]);
    assert_eq!(search("lost city"), [11]);
}

#[test]
fn articles_accents_and_case_do_not_matter() {
    for query in ["The Matrix", "matrix the", "Matrix, The", "MATRIX, the (1999)", "thé mátrix"] {
        assert_eq!(search(query)[0], 3, "{query}");
    }
    assert_eq!(search("leon"), [5]);
    assert_eq!(search("les miserables"), [9]);
    assert_eq!(search("Misérables, Les"), [9]);
}

#[test]
fn a_query_is_useful_while_it_is_typed() {
    assert_eq!(search("matr relo"), [4]);
    assert_eq!(search("sabrina 19"), [6, 7]);
    assert_eq!(search("spiderman"), [10]);
    assert_eq!(search("the m")[0], 3);
    assert_eq!(search("beaut"), [13]);
}

#[test]
fn misspelt_words_are_forgiven() {
    assert_eq!(search("terminatr"), [12]);
    assert_eq!(search("matirx"), [3, 4]);
    assert_eq!(search("beatiful mind"), [13]);
    assert_eq!(search("qqqq"), [] as [u32; 0]);
    // A whole word is meant rather than the beginning of a longer one, however long the rest of the title is.
    let catalog = catalog_of(["Star Trek: Wrath (1982)", "Star Wars: Episode IV - A New Hope (1977)"]);
    assert_eq!(catalog.search("star wras", 2), [ItemId(2), ItemId(1)]);
}

#[test]
fn nothing_is_found_for_nothing() {
    assert!(search("").is_empty());
    assert!(search(" ,.! ").is_empty());
    assert!(catalog().search("heat", 0).is_empty());
    assert!(Catalog::default().search("heat", 5).is_empty());
}

#[test]
fn the_limit_keeps_the_best() {
    assert_eq!(catalog().search("heat", 1), [ItemId(1)]);
}

#[test]
fn find_takes_each_spelling_of_a_title() {
    let found = |title: &str| catalog().find(title).map(|id| id.0);
    for title in TITLES {
        let id = TITLES.iter().position(|other| *other == title).map(|row| row as u32 + 1);
        assert_eq!(found(title).ok(), id, "{title}");
        assert_eq!(found(&title.to_uppercase()).ok(), id, "{title}");
    }
    assert_eq!(found("Heat"), Ok(1));
    assert_eq!(found("The Heat"), Ok(2));
    assert_eq!(found("Heat, The (2013)"), Ok(2));
    assert_eq!(found("Heat, The (1995)"), Ok(1), "the article gives way to the year");
    assert_eq!(found("matrix"), Ok(3));
    assert_eq!(found("sabrina 1954"), Ok(7));
    assert_eq!(found("blade runner 2049"), Ok(8));
    let raw = "City of Lost Children, The (Cité des enfants perdus, La) (1995)";
    assert_eq!(found(raw), Ok(11));
}

#[test]
fn an_article_distinguishes_films_of_one_year() {
    let catalog = catalog_of(["Heat (1995)", "The Heat (1995)"]);
    assert_eq!(catalog.find("Heat, The (1995)"), Ok(ItemId(2)));
    assert_eq!(catalog.find("heat (1995)"), Ok(ItemId(1)));
    assert!(catalog.find("A Heat (1995)").is_err());
}

#[test]
fn an_ambiguous_title_is_refused_with_all_its_items() {
    let error = catalog().find("sabrina").unwrap_err();
    let message = r#""sabrina" is the title of more than one item: "Sabrina (1995)", "Sabrina (1954)""#;
    assert_eq!(error.to_string(), message);
}

/// Suggestions for a title that is not there.
fn nearest(title: &str) -> Vec<String> {
    match catalog().find(title) {
        Err(UnknownTitle::Absent { nearest, .. }) => nearest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_title_is_refused_with_the_nearest() {
    assert_eq!(nearest("Matrx Reloadd (2003)")[0], "The Matrix Reloaded (2003)");
    assert_eq!(nearest("Heat (1996)")[0], "Heat (1995)");
}

#[test]
fn titles_unlike_all_others_bring_no_suggestion() {
    assert_eq!(nearest("Zqxwv"), Vec::<String>::new());
    let message = catalog().find("Zqxwv").unwrap_err().to_string();
    assert_eq!(message, r#""Zqxwv" is not in the catalogue"#);
}

#[test]
fn an_empty_title_is_refused_without_suggestions() {
    for title in ["", "  "] {
        assert_eq!(catalog().find(title), Err(UnknownTitle::Empty));
    }
    assert_eq!(nearest("?!"), Vec::<String>::new());
    assert!(Catalog::default().find("Heat").is_err());
}
