//! Serves the page on this machine: files, the base model, and nothing else.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::Context;
use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use shared::manifest::{BaseModel, FileEntry, Manifest};
use tower_http::services::{ServeDir, ServeFile};

use super::offline;
use crate::{fetch::sha256, report::UserError};

/// Folder of the bundle's manifest, as the browser sees it.
const BUNDLE: &str = "/models/movielens/";
const MANIFEST: &str = "/models/movielens/manifest.json";
const WORKER: &str = "/sw.js";
/// Where a base model of one's own is served, relative to the bundle: its own name could hold anything, a
/// route cannot.
const OTHER_BASE: &str = "../base/custom.gguf";
/// The same for adapters.
const OTHER_ADAPTER: &str = "custom-adapter.safetensors";
const OTHER_LETTERS: &str = "custom-letters.safetensors";
/// The page's own policy, for the worker too: a worker does not inherit the page's `meta`.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'";

/// What is served: the page and a base model.
#[derive(Clone, Debug)]
pub struct Site {
    /// The folder that trunk built.
    page: PathBuf,
    /// The manifest, as it is served.
    manifest: Manifest,
    /// The base model's file, served under the path that the manifest names.
    base: Option<PathBuf>,
    /// Adapters in place of the page's own: path relative to the bundle, file.
    adapters: Vec<(&'static str, PathBuf)>,
}

impl Site {
    /// The page in a folder, without a base model.
    ///
    /// # Errors
    /// If the page has no manifest.
    pub fn new(page: &Path) -> anyhow::Result<Self> {
        let file = page.join(MANIFEST.trim_start_matches('/'));
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let manifest =
            serde_json::from_slice(&text).with_context(|| format!("{} is no manifest", file.display()))?;
        Ok(Self { page: page.to_owned(), manifest, base: None, adapters: Vec::new() })
    }

    /// The manifest, as it is served.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Serves `base` as the base model that the manifest announces.
    #[must_use]
    pub fn with_base(mut self, base: &Path) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// Serves `base` under a fixed path and announces it in the manifest, with its own name, size and sum. The page's
    /// adapters are of no use to it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_other_base(mut self, base: &Path) -> anyhow::Result<Self> {
        let file = entry(base, OTHER_BASE)?;
        if file.sha256 != self.manifest.base.file.sha256 {
            let name = base.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            self.manifest.base = BaseModel { name, licence: "of your own file".into(), file };
            (self.manifest.adapter, self.manifest.letters) = (None, None);
        }
        Ok(self.with_base(base))
    }

    /// Serves this adapter in place of the page's own, all of them.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_adapter(mut self, adapter: &Path) -> anyhow::Result<Self> {
        self.manifest.adapter = Some(entry(adapter, OTHER_ADAPTER)?);
        self.manifest.letters = None;
        self.adapters = vec![(OTHER_ADAPTER, adapter.to_owned())];
        Ok(self)
    }

    /// Serves this adapter as the one that answers by index letters.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_letters(mut self, letters: &Path) -> anyhow::Result<Self> {
        self.manifest.letters = Some(entry(letters, OTHER_LETTERS)?);
        self.adapters.push((OTHER_LETTERS, letters.to_owned()));
        Ok(self)
    }

    /// Answers requests until `stop` is done.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = self.router()?;
        axum::serve(listener, router).with_graceful_shutdown(stop).await.context("the server failed")
    }

    /// The manifest as it is served.
    fn manifest_text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.manifest)?)
    }

    /// The service worker for what is served now, with this site's manifest.
    fn worker(&self) -> Response {
        let text = self.manifest_text();
        match text.and_then(|manifest| offline::worker(&self.page, manifest.as_bytes())) {
            Ok(text) => ([(header::CONTENT_TYPE, "text/javascript")], text).into_response(),
            Err(error) => (StatusCode::NOT_FOUND, format!("{error:#}\n")).into_response(),
        }
    }

    fn router(self) -> anyhow::Result<Router> {
        let manifest = self.manifest_text()?;
        let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], manifest) };
        let site = self.clone();
        let worker = move || async move { site.worker() };
        let mut router = Router::new().route(MANIFEST, get(answer)).route(WORKER, get(worker));
        if let Some(base) = &self.base {
            router = router.route_service(&resolve(&self.manifest.base.file.path), ServeFile::new(base));
        }
        for (path, adapter) in &self.adapters {
            router = router.route_service(&resolve(path), ServeFile::new(adapter));
        }
        let files = ServeDir::new(&self.page).precompressed_br();
        Ok(router.fallback_service(files).layer(middleware::from_fn(headers)))
    }
}

/// What a manifest says of a file that is served under this path.
fn entry(file: &Path, path: &str) -> anyhow::Result<FileEntry> {
    let read = || format!("cannot read {}", file.display());
    let bytes = fs::metadata(file).with_context(read)?.len();
    let sum = fs::File::open(file).and_then(|file| sha256(file, |_| ())).with_context(read)?;
    Ok(FileEntry { path: path.into(), bytes, sha256: sum })
}

/// Takes a port of this machine; 0 takes a free one.
///
/// # Errors
/// [`UserError`] with the advice to take another one, if it is in use.
pub fn listen(port: u16) -> Result<TcpListener, UserError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).map_err(|error| {
        let other = "choose another one, for example: --port 8081, or --port 0 for any free one";
        match error.kind() {
            ErrorKind::AddrInUse => UserError::failed(format!("port {port} is in use")).hint(other),
            ErrorKind::PermissionDenied => {
                UserError::failed(format!("port {port} needs more rights")).hint(other)
            }
            _ => UserError::failed(format!("cannot listen on {address}: {error}")).hint(other),
        }
    })
}

/// The address of a listener for people and browsers.
///
/// # Errors
/// If the system does not tell the port.
pub fn url(listener: &TcpListener) -> io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// The absolute path of a path relative to the bundle.
fn resolve(path: &str) -> String {
    let mut parts: Vec<&str> = BUNDLE.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Adds what every answer needs: isolation, policy, and how long it may be kept.
async fn headers(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        response = (StatusCode::NOT_FOUND, format!("{path} is not here\n")).into_response();
    }
    let kept = if has_hash(&path) && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let all = [
        (header::CACHE_CONTROL, kept),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether trunk put the content's hash into a file's name, as in `base-1a2b3c4d5e6f7a8b.css`.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches("_bg");
    let hash = stem.rsplit('-').next().unwrap_or_default();
    stem.contains('-') && (14..=16).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(has_hash("/app-4f3a2b1c0d9e8f7a_bg.wasm"));
        assert!(has_hash("/base-4f3a2b1c0d9e8f7.css"));
        for path in [
            "/",
            "/index.html",
            "/engine.js",
            "/engine_bg.wasm",
            "/models/base/SmolLM2-135M-Instruct.Q4_1.gguf",
        ] {
            assert!(!has_hash(path), "{path}");
        }
    }

    #[test]
    fn paths_of_the_manifest_stay_below_the_root() {
        assert_eq!(resolve("retriever.safetensors"), "/models/movielens/retriever.safetensors");
        assert_eq!(resolve("../base/a.gguf"), "/models/base/a.gguf");
        assert_eq!(resolve("../../../../x"), "/x");
    }

    #[test]
    fn a_port_in_use_is_said() {
        let taken = listen(0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(port).unwrap_err();
        assert_eq!(error.message, format!("port {port} is in use"));
        assert!(error.hint.unwrap().contains("--port"));
    }

    #[test]
    fn the_page_and_its_server_have_one_policy() {
        let page = super::super::workspace().unwrap().join("web/index.html");
        assert!(fs::read_to_string(page).unwrap().contains(POLICY));
    }
}
