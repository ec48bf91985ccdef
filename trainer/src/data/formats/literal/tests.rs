//! Lines as Python prints them, and lines that try something else.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn title(line: &str) -> Result<Option<String>, Malformed> {
    text_fields(line, ["asin", "title"]).map(|[_, title]| title)
}

fn what(line: &str) -> &'static str {
    title(line).unwrap_err().what
}

#[test]
fn lines_of_the_2014_release_are_read() {
    let line = r#"{'asin': '0000031852', 'title': "Girls Ballet Tutu Zebra Hot Pink", 'price': 3.17, 'imUrl': 'http://ecx.images-amazon.com/images/I/51fAmVkTbyL._SY300_.jpg', 'related': {'also_bought': ['B00JHONN1S', 'B002BZX8Z6'], 'also_viewed': []}, 'salesRank': {'Toys & Games': 211836}, 'brand': 'Coxlures', 'categories': [['Sports & Outdoors', 'Other Sports', 'Dance']]}"#;
    let [asin, title] = text_fields(line, ["asin", "title"]).unwrap();
    assert_eq!(asin.as_deref(), Some("0000031852"));
    assert_eq!(title.as_deref(), Some("Girls Ballet Tutu Zebra Hot Pink"));
}

#[test]
fn quotes_and_escapes_are_pythons() {
    for (text, expected) in [
        (r#""Bob's""#, "Bob's"),
        (r#"'say \'x\' \"y\"'"#, "say 'x' \"y\""),
        (r"u'caf\xe9 \u2122 \U0001f600'", "café ™ 😀"),
        (r"'\ud83d\ude00 \ud83d!'", "😀 \u{fffd}!"),
        (r"'a\tb\n\\n\0\101\/'", "a\tb\n\\n\0A\\/"),
        ("'日本 &amp; é'", "日本 &amp; é"),
        ("''", ""),
    ] {
        assert_eq!(title(&format!("{{'title': {text}}}")).unwrap().as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn other_values_are_passed_over() {
    let line =
        " {'a': (1, -2.5e-3, 10L), 'b': [True, False, None, nan], u'c': {'d': {}, 1: 'x',}, 'e': () , } ";
    assert_eq!(title(line).unwrap(), None);
    assert_eq!(title("{}").unwrap(), None);
    assert_eq!(title("{'title': 'a', 'title': 'b'}").unwrap().as_deref(), Some("b"));
    assert_eq!(title("{'title': 'a', 'title': None}").unwrap(), None);
    assert_eq!(title("{'x': 'title', 'title ': 'a'}").unwrap(), None);
}

#[test]
fn nothing_is_run() {
    for line in [
        "{'title': __import__('os').system('true')}",
        "{'x': __import__('os')}",
        "{'x': 1 + 1}",
        "{'title': 'a' 'b'}",
        "{'title': 'a'.upper()}",
        "{'x': [y for y in ()]}",
        "{'x': lambda: 0}",
        "{'x': f'{1}'}",
        "{'x': b'bytes'}",
        "{**{}}",
        "dict(title='a')",
        "{'title': 'a'}; print(1)",
        "{'title': 'a'} {'title': 'b'}",
        "",
        "{",
        "{'title'}",
        "{'title':}",
        "{'title': 'a'",
        "{'title': 'a",
        "{'title': 'a\\",
        "{'title': '\\x4'}",
        "{'title': '\\u12é4'}",
        "{'x': 0x1F}",
        "{'x': .}",
        "{'x': [1 2]}",
        "{1: 'x'}",
        "['title', 'a']",
    ] {
        assert!(title(line).is_err(), "{line}");
    }
    assert_eq!(
        title("{'é': os}").unwrap_err(),
        Malformed { column: 7, what: "this is no text, number, True, False, None, list or dict" }
    );
    assert_eq!(what("{'title': 'abc"), "a quote is opened and not closed");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for open in ["[", "(", "{'a':", "[{'a':("] {
        assert_eq!(
            what(&format!("{{'x': {}", open.repeat(1_000_000))),
            "lists and dicts are nested too deep"
        );
    }
    let fits = format!("{{'x': {}{}, 'title': 'a'}}", "[".repeat(60), "]".repeat(60));
    assert_eq!(title(&fits).unwrap().as_deref(), Some("a"));
}

/// As Python's `repr` prints a text, with single quotes and everything unusual escaped.
fn repr(text: &str) -> String {
    let mut line = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => line.extend(['\\', letter]),
            ' '..='~' => line.push(letter),
            _ => write!(line, "\\U{:08x}", u32::from(letter)).unwrap(),
        }
    }
    line + "'"
}

proptest! {
    #[test]
    fn what_python_prints_is_read(text in any::<String>(), key in "[a-z]{1,4}") {
        let line = format!("{{{}: [{{}}, 1], 'title': {}}}", repr(&key), repr(&text));
        prop_assert_eq!(title(&line).unwrap(), Some(text));
    }

    #[test]
    fn any_text_is_read_or_refused(line in "[{}'\"u:, \\\\xX0-9\\[\\]()aN\u{e9}-]{0,40}") {
        let _ = title(&line);
        let _ = title(&format!("{{'title': {line}"));
    }
}
