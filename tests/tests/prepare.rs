//! `llamarec data prepare` on the real binary: every format, the paper's figures, every refusal.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;
use shared::catalog::ItemId;
use tempfile::TempDir;
use tests::{documented::as_documented, llamarec, shared_data, workspace};
use trainer::data::{self, Dataset};

/// Exit code, standard output, standard error.
type Ran = (Option<i32>, String, String);

fn prepare(arguments: &[&str]) -> Ran {
    let output = llamarec().args(["data", "prepare"]).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Prepares and gives the provenance.
fn provenance(arguments: &[&str]) -> Value {
    let (code, out, err) = prepare(&[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{err}");
    as_documented("data prepare", &out);
    let told: Value = serde_json::from_str(&out).unwrap();
    told["provenance"].clone()
}

fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    tests::refused(&[&["data", "prepare"], arguments].concat(), code, &[parts, &["\nhint: "]].concat());
}

/// A folder for files and one that does not exist yet.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let bytes = bytes.as_ref();
        let path = self.folder.path().join(name);
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            file.write_all(bytes).unwrap();
            fs::write(&path, file.finish().unwrap()).unwrap();
        } else {
            fs::write(&path, bytes).unwrap();
        }
        self.at(name)
    }

    fn load(&self, name: &str) -> Dataset {
        data::load(Some(Path::new(&self.at(name)))).unwrap()
    }
}

/// Rows of six users who met five items, each in an order of their own; `row` formats user, item and time.
fn rows(row: impl Fn(u32, u32, u32) -> String) -> String {
    (1..=6)
        .flat_map(|user| (1..=5).map(move |item| (user, item, (user + item) % 5)))
        .map(|(u, i, t)| row(u, i, t))
        .collect()
}

/// A line for each of the five items.
fn items(line: impl Fn(u32) -> String) -> String {
    (1..=5).map(line).collect()
}

/// The files of a prepared data set.
fn files(folder: &str) -> Vec<Vec<u8>> {
    ["sequences.tsv.gz", "items.jsonl.gz", "stats.json", "provenance.json"]
        .map(|file| fs::read(Path::new(folder).join(file)).unwrap())
        .to_vec()
}

fn text(folder: &str, file: &str) -> String {
    let mut text = String::new();
    let file = fs::File::open(Path::new(folder).join(file)).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_papers_figures_come_out_and_the_split_is_the_references() {
    for (preset, folder, size) in [
        ("ml-100k", "data/ml-latest-small", [610, 3_650, 90_274]),
        ("beauty", "data/amazon-beauty-2014", [22_332, 12_086, 198_215]),
        ("games", "data/amazon-video-games-2014", [15_264, 7_676, 147_861]),
    ] {
        let Some(folder) = shared_data(folder) else { continue };
        let place = Place::new();
        let (from, out) = (folder.to_str().unwrap(), place.at("out"));
        let (code, table, err) = prepare(&[preset, "--from", from, "--out", &out, "--name", "mine"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(err.contains("are those of the paper's") && !err.contains("warning"), "{err}");
        assert!(table.contains("paper: Beauty"), "{table}");
        let stats: Value =
            serde_json::from_slice(&fs::read(Path::new(&out).join("stats.json")).unwrap()).unwrap();
        assert_eq!(["users", "items", "interactions"].map(|key| stats[key].as_u64().unwrap()), size);

        let (direct, loaded) = (data::load(Some(&folder)).unwrap(), place.load("out"));
        assert_eq!(loaded.name, "mine");
        assert_eq!(Dataset { name: direct.name.clone(), ..loaded }, direct);
        if preset == "ml-100k" {
            let mut equal = 0;
            for line in fs::read_to_string(folder.join("reference_sequences.tsv")).unwrap().lines() {
                let (user, items) = line.split_once('\t').unwrap();
                let test = direct.split(direct.user(user).unwrap()).test;
                equal +=
                    usize::from(direct.catalog.get(test).unwrap().raw == items.rsplit(' ').next().unwrap());
            }
            assert_eq!(equal, 610);
        }
    }
}

/// A text as Python's `repr` prints it.
fn repr(text: &str) -> String {
    let mut line = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => line.extend(['\\', letter]),
            ' '..='~' => line.push(letter),
            _ => write!(line, "\\u{:04x}", u32::from(letter)).unwrap(),
        }
    }
    line + "'"
}

#[test]
fn raw_files_made_of_the_papers_amazon_splits_give_them_back() {
    for (preset, folder, [ratings, metadata]) in [
        ("beauty", "data/amazon-beauty-2014", ["ratings_Beauty.csv", "meta_Beauty.json.gz"]),
        ("games", "data/amazon-video-games-2014", ["games.csv.gz", "games_meta.json"]),
    ] {
        let Some(folder) = shared_data(folder) else { continue };
        let split = data::load(Some(&folder)).unwrap();
        let raw = |data: &Dataset| -> BTreeMap<String, Vec<String>> {
            let raw = |id: &ItemId| data.catalog.get(*id).unwrap().raw.clone();
            let sequences = data.sequences.iter().map(|items| items.iter().map(raw).collect());
            data.users.iter().cloned().zip(sequences).collect()
        };
        let (mut rows, mut lines) = (String::new(), String::new());
        for (user, items) in raw(&split) {
            for (time, item) in items.iter().enumerate() {
                writeln!(rows, "A{user},{item},{}.0,{time}", time % 5 + 1).unwrap();
            }
            // Items that fall out: too rare, and without title.
            writeln!(rows, "A{user},R{user},1.0,7\nA{user},NONE,1.0,8").unwrap();
            writeln!(lines, "{{'asin': 'R{user}', 'title': 'Rare'}}").unwrap();
        }
        for (_, item) in split.catalog.iter() {
            let (asin, title) = (&item.raw, repr(&item.title));
            writeln!(lines, "{{'asin': '{asin}', 'price': 3.5, 'title': {title}, 'x': [['é']]}}").unwrap();
        }
        let place = Place::new();
        place.write(ratings, rows);
        place.write(metadata, lines);
        let told = provenance(&[preset, "--from", &place.at(""), "--out", &place.at("out")]);
        let dropped = &told["preparation"]["dropped"];
        assert_eq!(dropped["untitled_interactions"], split.users.len());
        assert_eq!(dropped["k_core_rounds"][0]["items"], split.users.len());

        let found = place.load("out");
        let without_letter = |user: String| user.strip_prefix('A').unwrap().to_owned();
        let sequences: BTreeMap<_, _> =
            raw(&found).into_iter().map(|(user, items)| (without_letter(user), items)).collect();
        assert!(sequences == raw(&split), "{preset}");
        let titles = |data: &Dataset| -> BTreeMap<String, String> {
            data.catalog.iter().map(|(_, item)| (item.raw.clone(), item.title.clone())).collect()
        };
        assert!(titles(&found) == titles(&split), "{preset}");
        assert!(found.catalog.iter().map(|(_, item)| &item.raw).is_sorted());
    }
}

#[test]
fn two_runs_give_the_same_bytes_and_name_no_folder() {
    let place = Place::new();
    let from = workspace().join("public/data/movielens-small-2016");
    let from = from.to_str().unwrap();
    for out in ["one", "two"] {
        let told = provenance(&["movielens", "--from", from, "--out", &place.at(out), "--name", "same"]);
        assert_eq!(told["result"]["interactions"], 90_072);
    }
    assert_eq!(files(&place.at("one")), files(&place.at("two")));
    let told = fs::read_to_string(PathBuf::from(place.at("one")).join("provenance.json")).unwrap();
    for part in [from, place.folder.path().to_str().unwrap()] {
        assert!(!told.contains(part), "{told}");
    }
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["inputs"][0]["path"], "ratings.csv");
    assert_eq!(told["inputs"][0]["bytes"], fs::metadata(Path::new(from).join("ratings.csv")).unwrap().len());
    let sums = fs::read_to_string(Path::new(from).join("SHA256SUMS")).unwrap();
    for input in told["inputs"].as_array().unwrap() {
        assert!(sums.contains(input["sha256"].as_str().unwrap()), "{input}");
    }
    let preparation = &told["preparation"];
    assert_eq!((&preparation["k_core"], &preparation["skipped_rows"]), (&5.into(), &0.into()));
    assert_eq!(preparation["dropped"]["interactions_read"], 100_004);
    assert_eq!(preparation["dropped"]["repeated_interactions"], 0);
    assert!(
        preparation["rules"].as_array().unwrap().iter().any(|rule| rule.as_str().unwrap().contains("ties"))
    );
    assert_eq!(told["files"].as_array().unwrap().len(), 3);
    assert_eq!(place.load("one"), Dataset { name: "same".into(), ..data::load(None).unwrap() });
}

#[test]
fn every_format_gives_the_same_data_set() {
    let place = Place::new();
    place.write(
        "ratings.csv",
        "userId,movieId,rating,timestamp\n".to_owned() + &rows(|u, i, t| format!("{u},{i},0.5,{t}\n")),
    );
    place.write("movies.csv", "movieId,title,genres\n".to_owned() + &items(|i| format!("{i},é{i},Drama\n")));
    let csv = place.at("");
    provenance(&["movielens", "--from", &csv, "--out", &place.at("csv")]);
    let expected = place.load("csv");
    assert_eq!((expected.sequences.len(), expected.catalog.len()), (6, 5));
    assert_eq!(expected.catalog.iter().next().unwrap().1.genres, ["Drama"]);
    let same = |name: &str| {
        let data = place.load(name);
        assert_eq!((&data.users, &data.sequences), (&expected.users, &expected.sequences), "{name}");
        let titles =
            |data: &Dataset| data.catalog.iter().map(|(_, item)| item.title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&data), titles(&expected), "{name}");
    };

    fs::create_dir(place.at("1m")).unwrap();
    place.write("1m/ratings.dat.gz", rows(|u, i, t| format!("{u}::{i}::5::{t}\n")));
    let latin1: Vec<u8> =
        items(|i| format!("{i}::é{i}::Drama\n")).chars().map(|letter| letter as u8).collect();
    place.write("1m/movies.dat", latin1);
    let told = provenance(&["movielens", "--from", &place.at("1m"), "--out", &place.at("dat")]);
    assert_eq!(told["inputs"][0]["path"], "ratings.dat.gz");
    same("dat");

    let ratings = place.write("r.csv", rows(|u, i, t| format!("{u},{i},5.0,{t}\n")));
    let python = items(|i| format!("{{'related': {{'x': ['y']}}, 'asin': '{i}', 'title': '\\xe9{i} '}}\n"));
    let python = place.write("meta.json.gz", python);
    provenance(&["amazon", "--from", &ratings, "--titles", &python, "--out", &place.at("python")]);
    same("python");
    let json = items(|i| format!("{{\"asin\": \"{i}\", \"title\": \"&eacute;{i}\"}}\n"));
    let json = place.write("meta2.json", json);
    let amazon = ["amazon", "--from", &ratings, "--titles", &json, "--unescape-titles"];
    provenance(&[&amazon[..], &["--out", &place.at("json")]].concat());
    same("json");

    let beside = place
        .write("a.csv", "title;time;item;user\n".to_owned() + &rows(|u, i, t| format!("é{i};{t};{i};{u}\n")));
    provenance(&["csv", "--from", &beside, "--out", &place.at("beside")]);
    same("beside");
    let own =
        place.write("b.tsv.gz", "u\tsong\twhen\n".to_owned() + &rows(|u, i, t| format!("{u}\t{i}\t{t}.0\n")));
    let titles = place.write("t.csv", "song,name\n".to_owned() + &items(|i| format!("{i},\"é{i}\"\n")));
    let columns =
        ["--user-column", "u", "--item-column", "song", "--time-column", "when", "--title-column", "name"];
    let csv = ["csv", "--from", &own, "--titles", &titles, "--out", &place.at("own")];
    let told = provenance(&[&csv[..], &columns].concat());
    assert_eq!(told["preparation"]["columns"], serde_json::json!(["u", "song", "when", "name"]));
    same("own");

    // The paper's file names are found by the preset, which says that these are other data.
    fs::copy(&ratings, place.at("beauty.csv")).unwrap();
    fs::copy(&python, place.at("meta_Beauty.json.gz")).unwrap();
    fs::remove_file(place.at("ratings.csv")).unwrap();
    let (code, _, err) = prepare(&["beauty", "--from", &place.at(""), "--out", &place.at("beauty")]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("warning: the paper's beauty has 22,332 users"), "{err}");
    same("beauty");
}

#[test]
fn bad_rows_are_skipped_as_far_as_allowed() {
    let place = Place::new();
    let good = rows(|u, i, t| format!("{u},{i},{t},T{i}\n"));
    let file = place.write("a.csv", format!("user,item,time,title\n7,x\n{good}8,1,noon,T1\n"));
    let out = place.at("out");
    let csv = ["csv", "--from", &file, "--out", &out];
    refused(&csv, 3, &["a.csv line 2: 2 columns where the first line has 4", "--skip-bad-rows N"]);
    let one = [&csv[..], &["--skip-bad-rows", "1"]].concat();
    refused(&one, 3, &["a.csv line 33: time \"noon\" is not a whole number; bad rows skipped before it: 1"]);
    assert!(!Path::new(&out).exists());

    let two = [&csv[..], &["--skip-bad-rows", "2"]].concat();
    let (code, _, err) = prepare(&two);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("warning: skipped a.csv line 2: ") && err.contains("warning: bad rows skipped: 2"),
        "{err}"
    );
    let told = fs::read_to_string(Path::new(&out).join("provenance.json")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["preparation"]["skipped_rows"], 2);
    assert_eq!(
        told["preparation"]["first_skipped_rows"][1],
        "a.csv line 33: time \"noon\" is not a whole number"
    );
}

#[test]
fn what_is_dropped_is_told() {
    let place = Place::new();
    let good = rows(|u, i, t| format!("{u},{i},{t}\n"));
    let file = place.write("a.csv", format!("user,item,time\n{good}1,1,99\n1,9,1\n2,9,1\n1,8,1\n7,1,1\n"));
    let titles = place.write("t.csv", "item,title\n1,Old\n1,A\n2,B\n3,C\n4,D\n5,E\n8,H\n9,\n");
    let csv = ["csv", "--from", &file, "--titles", &titles, "--out", &place.at("out")];
    let (code, out, err) = prepare(&csv);
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "left out, for want of a title: 2 interactions (items: 1)",
        "the user met the item before: 1 interactions",
        "another title than before, the last one counts: 1",
    ] {
        assert!(err.contains(part), "{part:?} is not in\n{err}");
    }
    assert!(out.contains("35 interactions read"), "{out}");
    assert!(out.contains("5-core, round 1: 1 items, 1 users and their 2 interactions dropped"), "{out}");
    assert_eq!(place.load("out").catalog.iter().next().unwrap().1.title, "A");
    assert_eq!(text(&place.at("out"), "sequences.tsv.gz").lines().next(), Some("1\t4 5 1 2 3"));
    let item = text(&place.at("out"), "items.jsonl.gz");
    assert_eq!(item.lines().next(), Some("{\"id\":1,\"raw\":\"1\",\"title\":\"A\"}"));

    let ids = ["csv", "--from", &file, "--titles-from-ids", "--k-core", "6", "--out", &place.at("ids")];
    refused(&ids, 3, &["is left when users and items with fewer than 6 interactions are dropped"]);
    let ids = ["csv", "--from", &file, "--titles-from-ids", "--k-core", "3", "--out", &place.at("ids")];
    provenance(&ids);
    assert_eq!(place.load("ids").catalog.iter().next().unwrap().1.title, "1");
}

#[test]
fn a_prepared_data_set_is_replaced_only_by_force_and_checked_when_loaded() {
    let place = Place::new();
    let file = place
        .write("a.csv", "user,item,time,title\n".to_owned() + &rows(|u, i, t| format!("{u},{i},{t},T{i}\n")));
    let out = place.at("out");
    let csv = ["csv", "--from", &file, "--out", &out];
    provenance(&csv);
    refused(&csv, 2, &["sequences.tsv.gz is there already", "--force"]);
    let before = files(&out);
    provenance(&[&csv[..], &["--force"]].concat());
    assert_eq!(files(&out), before);

    // Runs are kept in a folder of that name, beside one another.
    for name in ["../up", "", ".."] {
        refused(
            &["games", "--from", &out, "--out", &place.at("up"), "--name", name],
            2,
            &["no name for a folder"],
        );
    }
    // A finished split is taken as it is, users included.
    let split = ["games", "--from", &out, "--out", &place.at("again"), "--name", "out"];
    let told = provenance(&split);
    assert_eq!((&told["format"], &told["preparation"]), (&"split".into(), &Value::Null));
    assert_eq!(files(&place.at("again"))[..3], before[..3]);
    refused(
        &["games", "--from", &out, "--out", &place.at("x"), "--k-core", "7"],
        2,
        &["holds a finished split", "leave out --k-core"],
    );
    refused(
        &["games", "--from", &out, "--out", &place.at("x"), "--unescape-titles"],
        2,
        &["holds a finished split", "leave out --unescape-titles"],
    );
    for option in [&["--titles-from-ids"][..], &["--titles", &file], &["--item-column", "song"]] {
        let again = ["csv", "--from", &out, "--out", &place.at("x")];
        let remedy = format!("leave out {}", option[0]);
        refused(&[&again[..], option].concat(), 2, &["holds a finished split", &remedy]);
    }
    refused(
        &["amazon", "--from", &out, "--titles", &file, "--out", &place.at("x")],
        2,
        &["holds a finished split", "data prepare csv"],
    );
    refused(&["games", "--from", &out, "--out", &out, "--force"], 2, &["is the input"]);
    refused(&["games", "--from", &out, "--out", &file], 2, &["is not a folder"]);

    place.write("out/items.jsonl.gz", "{\"id\": 1, \"raw\": \"1\", \"title\": \"Other\"}\n");
    let output = llamarec().args(["data", "stats", "--data", &out]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(err.contains("is not the file that provenance.json tells of"), "{err}");
}

#[test]
fn every_refusal_names_file_and_remedy() {
    let place = Place::new();
    let (here, out) = (place.at(""), place.at("out"));
    let refuse = |arguments: &[&str], parts: &[&str]| {
        refused(&[arguments, &["--out", &out]].concat(), 3, parts);
        assert!(!Path::new(&out).exists());
    };
    refuse(&["movielens", "--from", &here], &["has no ratings.csv or ratings.dat"]);
    refuse(&["ml-100k", "--from", &place.at("nowhere")], &["is not a folder"]);
    refuse(&["games", "--from", &here], &["has no ratings_Video_Games.csv or games.csv"]);
    place.write("ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,4\n");
    refuse(&["movielens", "--from", &here], &["has no movies.csv"]);
    place.write("movies.csv", b"movieId,title,genres\n2,L\xe9on,Drama\n");
    refuse(&["movielens", "--from", &here], &["movies.csv line 2: title is not UTF-8 text", "iconv"]);
    place.write("movies.csv", "movieId,title,genres\n3,Other,Drama\n");
    refuse(&["movielens", "--from", &here], &["is of an item with a title", "same item ids"]);

    let csv = place.write("a.csv", "user,item,time\n1,1,1\n");
    refuse(&["csv", "--from", &csv], &["a.csv has no column title", "--titles-from-ids"]);
    refuse(
        &["csv", "--from", &csv, "--item-column", "song"],
        &["has no column song; it has: user,item,time", "--item-column"],
    );
    let open = place.write("open.csv", "user,item,time\n1,\"1,1\n2,1,1\n");
    refuse(
        &["csv", "--titles-from-ids", "--from", &open, "--skip-bad-rows", "9"],
        &["open.csv line 2: a quote is opened and not closed"],
    );

    let ratings = place.write("r.csv", "u,1,5.0,1\n");
    let meta = place.write("meta.json", "{'asin': '1', 'title': __import__('os').system('true')}\n");
    let amazon = ["amazon", "--from", &ratings, "--titles", &meta];
    refuse(&amazon, &["meta.json line 1: ", "column 24: this is no text"]);
    place.write("meta.json", format!("{{'asin': {}", "[".repeat(500_000)));
    refuse(&amazon, &["meta.json line 1: ", "nested too deep"]);

    let text = "user,item,time\n1,1,1\n";
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".as_slice(), &utf_16].concat();
    for (bytes, what, command) in [
        (utf_16, "is UTF-16", "iconv -f utf-16"),
        (marked, "is UTF-16", "iconv -f utf-16"),
        (text.replace('\n', "\r").into_bytes(), "ends its lines with CR alone", "tr '"),
    ] {
        let file = place.write("strange.csv", bytes);
        refuse(&["csv", "--titles-from-ids", "--from", &file], &["strange.csv", what, command]);
    }

    for (arguments, part) in [
        (&["csv", "--from", "x"][..], "--out"),
        (
            &["csv", "--from", "x", "--out", "y", "--titles-from-ids", "--title-column", "t"],
            "cannot be used with",
        ),
        (&["csv", "--from", "x", "--out", "y", "--k-core", "2"], "2 is not in 3.."),
        (&["csv", "--from", "x", "--out", "y", "--titles", "t", "--titles-from-ids"], "cannot be used with"),
        (&["lastfm"], "unrecognized subcommand"),
    ] {
        let (code, _, err) = prepare(arguments);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(part), "{part:?} is not in\n{err}");
    }
    for missing in [&["csv", "--titles-from-ids", "--from"][..], &["amazon", "--titles", &meta, "--from"]] {
        let (code, _, err) = prepare(&[missing, &[&place.at("no.csv"), "--out", &out]].concat());
        assert_eq!(code, Some(3));
        assert!(err.contains("cannot read") && err.contains("no.csv"), "{err}");
    }
}

#[test]
fn titles_are_lines() {
    let place = Place::new();
    let rows = rows(|u, i, t| format!("{u},{i},{t},\"T{i}\r\nA\tB\"\n"));
    let file = place.write("a.csv", format!("user,item,time,title\n{rows}"));
    provenance(&["csv", "--from", &file, "--out", &place.at("out")]);
    assert!(place.load("out").catalog.iter().all(|(id, item)| item.title == format!("T{} A B", id.0)));
}

#[test]
fn made_up_ratings_are_seeded_and_can_be_prepared() {
    let place = Place::new();
    let made = |out: &str| {
        let output = llamarec()
            .args(["data", "synthetic", "--rows", "20000", "--out", &place.at(out)])
            .output()
            .unwrap();
        output.status.code()
    };
    assert_eq!((made("one"), made("two"), made("one")), (Some(0), Some(0), Some(2)));
    let read = |folder: &str| fs::read(Path::new(&place.at(folder)).join("ratings.csv")).unwrap();
    assert!(read("one") == read("two"));
    let told = provenance(&["movielens", "--from", &place.at("one"), "--out", &place.at("out")]);
    assert_eq!(told["preparation"]["dropped"]["interactions_read"], 20_000);
    assert_eq!(told["preparation"]["dropped"]["repeated_interactions"], 0);
}
