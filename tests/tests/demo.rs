//! `llamarec demo` without a browser: what its server answers, and a port that is taken.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use shared::manifest::{BaseModel, FileEntry, Manifest};
use tests::llamarec;
use trainer::demo::server::{self, Site};

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn get(port: u16, path: &str, range: Option<&str>) -> Answer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let range = range.map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{range}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

/// A folder that looks like what trunk builds.
fn page(folder: &Path) {
    let bundle = folder.join("models/movielens");
    fs::create_dir_all(&bundle).unwrap();
    let entry = |path: &str| FileEntry { path: path.into(), bytes: 1, sha256: "0".repeat(64) };
    let manifest = Manifest {
        name: "movielens".into(),
        data: "test".into(),
        data_licence: "none".into(),
        catalog: entry("catalog.json"),
        retriever: entry("retriever.safetensors"),
        base: BaseModel {
            name: "announced".into(),
            licence: "none".into(),
            file: entry("../base/announced.gguf"),
        },
        adapter: None,
        letters: None,
        examples: None,
        results: None,
    };
    fs::write(bundle.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    fs::write(folder.join("index.html"), "<!DOCTYPE html><title>page</title>").unwrap();
    fs::write(folder.join("app-0123456789abcdef_bg.wasm"), "\0asm").unwrap();
    fs::write(folder.join("engine.js"), "export {}").unwrap();
}

fn serve(site: Site) -> u16 {
    let listener = server::listen(0).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(site.serve(listener, std::future::pending()));
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_have_the_right_types_and_lifetimes() {
    let folder = tempfile::tempdir().unwrap();
    page(folder.path());
    let port = serve(Site::new(folder.path()).unwrap());
    let cases = [
        ("/", "text/html", "no-cache"),
        ("/engine.js", "text/javascript", "no-cache"),
        ("/app-0123456789abcdef_bg.wasm", "application/wasm", "public, max-age=31536000, immutable"),
        ("/models/movielens/manifest.json", "application/json", "no-cache"),
    ];
    for (path, kind, kept) in cases {
        let answer = get(port, path, None);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!((answer.header("content-type"), answer.header("cache-control")), (kind, kept), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-embedder-policy"), "require-corp");
        assert!(answer.header("content-security-policy").contains("connect-src 'self'"));
    }
    for path in ["/nothing", "/models/base/announced.gguf", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
        assert_eq!(get(port, path, None).status, 404, "{path}");
    }
    assert_eq!(get(port, "/nothing", None).text(), "/nothing is not here\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_download_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    page(folder.path());
    let base = folder.path().join("mine.gguf");
    fs::write(&base, "0123456789").unwrap();
    let port = serve(Site::new(folder.path()).unwrap().with_base(&base));
    let whole = get(port, "/models/base/announced.gguf", None);
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    let rest = get(port, "/models/base/announced.gguf", Some("bytes=7-"));
    assert_eq!((rest.status, rest.text().as_str()), (206, "789"));
    assert_eq!(rest.header("content-range"), "bytes 7-9/10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_ones_own_is_announced_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    page(folder.path());
    // Blanks and braces mean something in addresses and in routes.
    for name in ["mine.gguf", "my model.gguf", "{model}.gguf", "{*rest}.gguf", "100%.gguf"] {
        let base = folder.path().join(name);
        fs::write(&base, "0123456789").unwrap();
        let port = serve(Site::new(folder.path()).unwrap().with_other_base(&base).unwrap());
        let manifest = get(port, "/models/movielens/manifest.json", None);
        let BaseModel { name: shown, file, .. } =
            serde_json::from_slice::<Manifest>(&manifest.body).unwrap().base;
        assert_eq!((shown.as_str(), file.bytes), (name, 10));
        // The SHA-256 of the ten digits.
        assert_eq!(file.sha256, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
        assert_eq!(file.path, "../base/custom.gguf");
        let answer = get(port, "/models/base/custom.gguf", None);
        assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"), "{name}");
    }
}

#[test]
fn a_base_that_is_no_model_is_said_before_anything_is_built() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my model.gguf"), "0123456789").unwrap();
    fs::write(folder.path().join("short.gguf"), "GG").unwrap();
    // The port is taken: were the file not looked at first, the port would be the error.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let demo = |base: &Path| {
        llamarec().args(["demo", "--no-browser", "--port", &port, "--base"]).arg(base).output().unwrap()
    };
    for (name, wrong) in [
        ("my model.gguf", "is no GGUF file"),
        ("short.gguf", "is no GGUF file"),
        ("nothing.gguf", "cannot be read"),
        ("", "is not a file"),
    ] {
        let base = folder.path().join(name);
        let output = demo(&base);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(output.stdout.is_empty());
        assert!(said.contains(&base.display().to_string()) && said.contains(wrong), "{said}");
        assert!(said.contains("hint: --base takes a model in the GGUF format"), "{said}");
    }
    let good = folder.path().join("good.gguf");
    fs::write(&good, "GGUF and more").unwrap();
    let output = demo(&good);
    assert_eq!(output.status.code(), Some(1), "only the port is wrong: {output:?}");
}

#[test]
fn a_port_in_use_is_said_before_anything_is_built() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = llamarec().args(["demo", "--no-browser", "--port", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("error: port {port} is in use")), "{said}");
    assert!(said.contains("hint: choose another one"), "{said}");
}
