//! The state in the address, after `#`: `bundle=models/mine&history=32,50,318&view=lesson&step=4&ask=films&t=0.5`.
//!
//! Items are named by the ids of the raw data, so a link survives a new catalogue. Opening a link never downloads a model.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::{
    catalog::{Catalog, ItemId},
    trace::Asking,
};

use crate::{state::Display, view::View};

/// The ways of asking by their names in links: by letters or not, without the adapter or not.
const WAYS: [(&str, bool, bool); 4] = [
    ("letters", true, false),
    ("letters-untuned", true, true),
    ("films", false, false),
    ("films-untuned", false, true),
];

/// What a link says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The history, oldest first.
    pub history: Vec<ItemId>,
    /// Items of it that are not known here.
    pub unknown: usize,
    /// How the page is shown.
    pub display: Display,
    /// How the lesson asks, if it is said; without an order.
    pub asking: Option<Asking>,
}

/// The part of the address after `#`; empty for a page as it is at first. `bundle` is one in the place of the page's own.
pub fn write(
    bundle: Option<&str>,
    history: &[ItemId],
    display: &Display,
    asking: &Asking,
    catalog: &Catalog,
) -> String {
    let raw: Vec<String> =
        history.iter().filter_map(|&item| catalog.get(item)).map(|item| encoded(&item.raw)).collect();
    let first = Display::default();
    let mut fields = Vec::new();
    fields.extend(bundle.map(|bundle| format!("bundle={bundle}")));
    if !raw.is_empty() {
        fields.push(format!("history={}", raw.join(",")));
    }
    if display.view != first.view {
        fields.push(format!("view={}", display.view.slug()));
    }
    if display.step != first.step {
        fields.push(format!("step={}", display.step + 1));
    }
    let way = WAYS.iter().skip(1).find(|way| (way.1, way.2) == (asking.letters, asking.untuned));
    fields.extend(way.map(|way| format!("ask={}", way.0)));
    if (display.temperature - first.temperature).abs() > f32::EPSILON {
        fields.push(format!("t={}", display.temperature));
    }
    for (set, name) in [(display.large, "large"), (display.guided, "guided")] {
        if set {
            fields.push(format!("{name}=1"));
        }
    }
    fields.join("&")
}

/// An id as a link holds it: those of data sets of one's own may have commas or anything else.
fn encoded(raw: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(raw, &KEPT).to_string()
}

/// The bundle that a link names in the place of the page's own.
pub fn bundle(hash: &str) -> Option<&str> {
    field(hash, "bundle").filter(|named| !named.is_empty())
}

/// The view that a link leads to.
pub fn view(hash: &str) -> View {
    field(hash, "view").and_then(View::of_slug).unwrap_or_default()
}

/// Names and values, in their order.
fn fields(hash: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    hash.trim_start_matches('#').split('&').filter_map(|field| field.split_once('='))
}

/// The value of this name; where there are several, the last counts.
fn field<'a>(hash: &'a str, name: &str) -> Option<&'a str> {
    fields(hash).rev().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Reads what [`write`] wrote, with or without the `#`. What cannot be read is as at first.
pub fn read(hash: &str, catalog: &Catalog) -> Link {
    let mut link = Link::default();
    for (key, value) in fields(hash) {
        let display = &mut link.display;
        match key {
            "history" => {
                for raw in value.split(',').filter(|raw| !raw.is_empty()) {
                    let raw = percent_decode_str(raw).decode_utf8_lossy();
                    match catalog.iter().find(|(_, item)| item.raw == raw) {
                        Some((id, _)) if link.history.contains(&id) => {}
                        Some((id, _)) => link.history.push(id),
                        None => link.unknown += 1,
                    }
                }
            }
            "view" => display.view = View::of_slug(value).unwrap_or_default(),
            "ask" => {
                let way = WAYS.iter().find(|way| way.0 == value);
                link.asking =
                    way.map(|&(_, letters, untuned)| Asking { letters, untuned, ..Asking::default() });
            }
            "step" => display.go_to(value.parse::<usize>().unwrap_or(1).saturating_sub(1)),
            "t" => display.heat(value.parse().unwrap_or(1.0)),
            "large" => display.large = value == "1",
            "guided" => display.guided = value == "1",
            _ => {}
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use shared::catalog::Item;

    use super::*;

    fn catalog() -> Catalog {
        let item = |raw: &str| Item { raw: raw.into(), title: format!("Film {raw}"), genres: vec![] };
        Catalog::new(vec![item("50"), item("318"), item("B000X")])
    }

    fn asking(letters: bool, untuned: bool) -> Asking {
        Asking { letters, untuned, ..Asking::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let history = vec![ItemId(3), ItemId(1)];
        let first = asking(true, false);
        assert_eq!(write(None, &history, &Display::default(), &first, &catalog()), "history=B000X,50");
        assert_eq!(write(None, &[], &Display::default(), &first, &catalog()), "");
        let display = Display { view: View::Lesson, step: 3, temperature: 0.25, large: true, guided: true };
        let films = asking(false, false);
        let hash = write(None, &history, &display, &films, &catalog());
        assert_eq!(hash, "history=B000X,50&view=lesson&step=4&ask=films&t=0.25&large=1&guided=1");
        let expected = Link { history, unknown: 0, display, asking: Some(films) };
        assert_eq!(read(&format!("#{hash}"), &catalog()), expected);
        assert_eq!(
            (view(&format!("#{hash}")), view("#history=3"), view("")),
            (View::Lesson, View::Recommend, View::Recommend)
        );
    }

    #[test]
    fn ids_of_any_data_set_survive() {
        let item = |raw: &str| Item { raw: raw.into(), title: String::new(), genres: vec![] };
        let catalog = Catalog::new(["a,b", "A&B", "x%20", "Ä/= #"].map(item).to_vec());
        let history: Vec<ItemId> = (1..=4).map(ItemId).collect();
        let hash = write(None, &history, &Display::default(), &asking(true, false), &catalog);
        let link = read(&hash, &catalog);
        assert_eq!((link.history, link.unknown), (history, 0), "{hash}");
    }

    #[test]
    fn every_way_of_asking_has_a_name() {
        for (letters, untuned) in [(true, true), (false, true), (false, false)] {
            let way = Asking { order: vec![1, 0], ..asking(letters, untuned) };
            let hash = write(None, &[], &Display::default(), &way, &catalog());
            assert_eq!(read(&hash, &catalog()).asking, Some(asking(letters, untuned)), "{hash}");
        }
        assert_eq!(read("#ask=louder", &catalog()).asking, None);
    }

    #[test]
    fn another_bundle_is_named_first() {
        let hash =
            write(Some("models/mine"), &[ItemId(2)], &Display::default(), &asking(true, false), &catalog());
        assert_eq!(hash, "bundle=models/mine&history=318");
        assert_eq!(bundle(&format!("#{hash}")), Some("models/mine"));
        assert_eq!(read(&hash, &catalog()).history, [ItemId(2)]);
        assert_eq!((bundle("#history=3"), bundle("#bundle=&step=2")), (None, None));
    }

    #[test]
    fn strange_links_are_read_as_far_as_they_go() {
        let read = |hash| read(hash, &catalog());
        assert_eq!(read(""), Link::default());
        assert_eq!(read("#history="), Link::default());
        let twice = "#view=lesson&view=results";
        assert_eq!((read(twice).display.view, view(twice)), (View::Results, View::Results));
        let link = read("#other=1&history=318,318,,nope&view=moon&step=0&t=-3&large=yes");
        assert_eq!((link.history, link.unknown, link.display.view), (vec![ItemId(2)], 1, View::Recommend));
        assert_eq!((link.display.step, link.display.large), (0, false));
        assert!(read("#t=NaN").display.temperature > 0.0 && read("#t=1e9").display.temperature < 100.0);
        assert!(read("#step=999").display.step < 20);
    }
}
