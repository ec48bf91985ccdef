//! Tables by hand: headers, bad rows, line numbers.

use super::*;

const COLUMNS: [&str; 3] = ["user", "item", "time"];

fn read(text: &'static str, layout: Layout, allowed: u64) -> Result<(Vec<String>, BadRows), UserError> {
    let mut source = Source::memory("r.csv", text.as_bytes());
    let mut bad = BadRows::new(allowed);
    let mut rows = Vec::new();
    Table::open(&mut source, layout, &COLUMNS, 3)?.for_each(&mut bad, |row| {
        rows.push(format!("{} {} {}", row.id(0)?, row.number_id(1)?, row.time(2)?));
        Ok(())
    })?;
    Ok((rows, bad))
}

fn rows(text: &'static str) -> Vec<String> {
    read(text, Layout::Header, 0).unwrap().0
}

fn message(text: &'static str) -> String {
    read(text, Layout::Header, 0).err().unwrap().message
}

#[test]
fn columns_are_found_by_name_in_any_order_and_with_any_delimiter() {
    assert_eq!(rows("user,item,time\na,1,3\nb,02,-1.0"), ["a 1 3", "b 2 -1"]);
    assert_eq!(rows("\u{feff}time\tx\t item \tuser\r\n3\t?\t1\ta, b\r\n\r\n"), ["a, b 1 3"]);
    assert_eq!(rows("user;item;time\n\"a;b\";1;3\n"), ["a;b 1 3"]);
    assert_eq!(read("a,1,3\n", Layout::Bare, 0).unwrap().0, ["a 1 3"]);
    assert_eq!(read("a::1::3\n", Layout::Dat, 0).unwrap().0, ["a 1 3"]);
}

#[test]
fn bad_rows_are_named_with_line_column_value_and_reason() {
    for (text, expected) in [
        ("user,item,time\na,1,3\na,x,3\n", "r.csv line 3: item \"x\" is not a valid number"),
        ("user,item,time\r\n\r\na,1,3\r\na,1,\r\n", "r.csv line 4: time \"\" is not a whole number"),
        ("user,item,time\na,1,1.5\n", "r.csv line 2: time \"1.5\" is not a whole number"),
        ("user,item,time\n ,1,1\n", "r.csv line 2: user is empty"),
        ("user,item,time\na\tb,1,1\n", "r.csv line 2: user \"a\tb\" holds a tab or a line end"),
        ("user,item,time\na,1\n", "r.csv line 2: 2 columns where the first line has 3"),
        ("user,item,time\na,1,2,3\n", "r.csv line 2: 4 columns where the first line has 3"),
        ("user,item\n1,2\n", "r.csv has no column time; it has: user,item"),
        ("user,item,time\n", "r.csv has a header line but no rows"),
        ("", "r.csv is empty"),
    ] {
        assert_eq!(message(text), expected);
    }
    let error = read("1,2\n", Layout::Dat, 0).err().unwrap();
    assert_eq!(error.message, "r.csv line 1: 1 columns where 3 are expected: user, item, time");

    let long = format!("user,item,time\na,{},3\n", "y".repeat(100));
    let shown = format!("item \"{}…\" is not", "y".repeat(60));
    assert!(message(Box::leak(long.into_boxed_str())).contains(&shown));
}

#[test]
fn as_many_bad_rows_as_allowed_are_left_out() {
    let text = "user,item,time\na,1,3\nb,x,3\nc,3\nd,4,5\n";
    let (rows, bad) = read(text, Layout::Header, 2).unwrap();
    assert_eq!(rows, ["a 1 3", "d 4 5"]);
    assert_eq!(bad.skipped(), 2);
    assert_eq!(bad.first()[1], "r.csv line 4: 2 columns where the first line has 3");
    let error = read(text, Layout::Header, 1).err().unwrap();
    assert!(error.message.starts_with("r.csv line 4: "), "{error}");
}

#[test]
fn a_stray_quote_is_never_skipped() {
    let error = read("user,item,time\n\"a,1,3\nb,2,3\n", Layout::Header, 9).err().unwrap();
    assert_eq!(error.message, "r.csv line 2: a quote is opened and not closed");
    let error = read("user,item,time\n\"a,1,3\nb\",2,3,4\nc,1,1\n", Layout::Header, 9).err().unwrap();
    assert_eq!(error.message, "r.csv lines 2 to 3: 4 columns where the first line has 3");
    let (rows, bad) = read("user,item,time\n\"a\"x,1,3\nb,2,3\n", Layout::Header, 9).unwrap();
    assert_eq!((rows, bad.skipped()), (vec!["b 2 3".to_owned()], 1));

    let many: String = (0..200).map(|n| format!("u{n},{n},1\n")).collect();
    let error = read(Box::leak(format!("user,item,time\n\"{many}\"").into_boxed_str()), Layout::Header, 9);
    assert_eq!(error.err().unwrap().message, "r.csv line 2: a quote is opened and not closed");
}

#[test]
fn text_that_is_not_utf8_is_named() {
    let mut source = Source::memory("m.csv", b"user,item,time\nL\xe9on,1,2\n");
    let error = Table::open(&mut source, Layout::Header, &COLUMNS, 3)
        .and_then(|table| table.for_each(&mut BadRows::new(0), |row| row.id(0).map(|_| ())))
        .unwrap_err();
    assert!(error.message.starts_with("m.csv line 2: user is not UTF-8 text"), "{error}");
    assert!(error.message.contains("iconv"), "{error}");
}

#[test]
fn optional_columns_may_be_missing() {
    let mut source = Source::memory("r.csv", b"user,item\na,1\n");
    let table = Table::open(&mut source, Layout::Header, &COLUMNS, 2).unwrap();
    assert!(table.has(1) && !table.has(2));
    table.for_each(&mut BadRows::new(0), |row| row.text(2).map(|text| assert_eq!(text, ""))).unwrap();
}
