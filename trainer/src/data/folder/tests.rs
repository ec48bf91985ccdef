//! Folders written and read again, and folders that somebody changed.

use std::io::Write;

use super::*;
use crate::{
    data::{Outcome, Provenance},
    report::{Printer, Verbosity},
};

fn folder(items: &str, sequences: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [(ITEMS, items), (SEQUENCES, sequences)] {
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        fs::write(folder.path().join(name), file.finish().unwrap()).unwrap();
    }
    folder
}

fn read(folder: &Path) -> Result<Dataset, UserError> {
    load("tiny", folder, &mut Intake::new(&Printer::new(Verbosity::Quiet), 0))
}

const ITEMS_TEXT: &str = "{\"id\": 1, \"asin\": \"B1\", \"title\": \" A\\tb \"}\n{\"id\": 2, \"raw\": \"B2\", \"title\": \"C\", \"genres\": [\"D\"]}\n";

#[test]
fn reads_items_and_sequences_as_they_are() {
    let folder = folder(ITEMS_TEXT, "7\t2 1 2\n");
    let data = read(folder.path()).unwrap();
    assert_eq!(data.catalog.title(ItemId(1)), "A\tb");
    assert_eq!(data.catalog.get(ItemId(1)).unwrap().raw, "B1");
    assert_eq!(data.catalog.get(ItemId(2)).unwrap().genres, ["D"]);
    assert_eq!((data.name.as_str(), &data.users[..]), ("tiny", &["7".to_owned()][..]));
    assert_eq!(data.sequences, [[2, 1, 2].map(ItemId)]);
}

#[test]
fn wrong_lines_are_named() {
    for (sequences, what) in [
        ("7\t2 1 2\n8\t1 3 1\n", "line 2: item \"3\" is not one of the 2 items"),
        ("7 2\n", "line 1: no tab between user and items"),
        ("7\t1 2\n", "line 1: user 7 has 2 items, at least 3 are needed"),
        ("", "is empty"),
    ] {
        let error = read(folder(ITEMS_TEXT, sequences).path()).unwrap_err().to_string();
        assert!(error.ends_with(what), "{error}");
    }
    let error = read(folder("{\"id\": 2, \"raw\": \"B\", \"title\": \"C\"}\n", "").path()).unwrap_err();
    assert!(error.message.ends_with("line 1: item id 2 where 1 was expected"), "{error}");
    let error = read(folder("{\"id\": 1}\n", "").path()).unwrap_err();
    assert!(error.message.ends_with("it is no JSON object with id, raw (or asin) and title"), "{error}");
}

fn prepared() -> Prepared {
    let item = |raw: &str, title: &str| Item { raw: raw.into(), title: title.into(), genres: Vec::new() };
    let first = Item { genres: vec!["Drama".into()], ..item("é\"", "A \\ \u{2028}\tB\n") };
    let first = Item { title: first.title.trim().to_owned(), ..first };
    let dataset = Dataset {
        name: "mine".into(),
        catalog: Catalog::new(vec![first, item("b", "C")]),
        users: vec!["u 1".into(), "日本".into()],
        sequences: vec![[1, 2, 1].map(ItemId).to_vec(), [2, 2, 1, 2].map(ItemId).to_vec()],
    };
    let provenance = Provenance {
        llamarec: "0".into(),
        name: dataset.name.clone(),
        format: "csv".into(),
        inputs: Vec::new(),
        preparation: None,
        result: Outcome::of(&dataset),
        files: Vec::new(),
    };
    Prepared { dataset, provenance }
}

#[test]
fn what_is_written_is_read_and_equal_data_give_equal_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut data = prepared();
    write(&one.path().join("new/folder"), &mut data).unwrap();
    let one = one.path().join("new/folder");
    assert_eq!(read(&one).unwrap(), data.dataset);
    write(two.path(), &mut prepared()).unwrap();
    for file in [SEQUENCES, ITEMS, STATS, PROVENANCE] {
        assert_eq!(fs::read(one.join(file)).unwrap(), fs::read(two.path().join(file)).unwrap(), "{file}");
    }
    // The header of a gzip file holds the time in bytes 4 to 7.
    assert_eq!(fs::read(one.join(SEQUENCES)).unwrap()[4..8], [0; 4]);
    assert!(check_free(&one, true).is_ok());
    assert!(check_free(&one, false).unwrap_err().message.ends_with("sequences.tsv.gz is there already"));
}

#[test]
fn a_changed_file_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &mut prepared()).unwrap();
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all("u 1\t1 2 1\n".as_bytes()).unwrap();
    fs::write(folder.path().join(SEQUENCES), file.finish().unwrap()).unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(error.message.contains("is not the file that provenance.json tells of"), "{error}");
    fs::write(folder.path().join(PROVENANCE), "{}").unwrap();
    assert!(read(folder.path()).unwrap_err().message.contains("is not a provenance"));
}
