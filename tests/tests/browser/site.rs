//! The page as `llamarec demo` builds and serves it, with a base model of the test's choice.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use axum::Router;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tower_http::services::ServeDir;
use trainer::{
    demo::{
        page,
        server::{self, Site},
        tools::Tools,
    },
    report::{Printer, Verbosity},
};

/// A served page; it ends with the test's runtime, or when it is stopped.
pub struct Served {
    /// Its address, without a slash at the end.
    pub url: String,
    site: Site,
    port: u16,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    files: Vec<TempDir>,
}

impl Served {
    /// The page with these bytes as base model, announced as they are.
    pub fn with_base(bytes: &[u8]) -> Self {
        Self::start(bytes, |site, base| site.with_other_base(base).unwrap())
    }

    /// The page with a base model and an adapter of it.
    pub fn with_tuned(base: &[u8], adapter: &[u8]) -> Self {
        Self::start(base, |site, base| {
            site.with_other_base(base).unwrap().with_adapter(&beside(base, "adapter", adapter)).unwrap()
        })
    }

    /// The page with a base model, an adapter that decides and one that answers by letters.
    pub fn with_letters(base: &[u8], adapter: &[u8], letters: &[u8]) -> Self {
        Self::start(base, |site, base| {
            let (adapter, letters) = (beside(base, "adapter", adapter), beside(base, "letters", letters));
            let site = site.with_other_base(base).unwrap();
            site.with_adapter(&adapter).unwrap().with_letters(&letters).unwrap()
        })
    }

    /// The page with these bytes in place of the base model that the manifest announces.
    pub fn with_false_base(bytes: &[u8]) -> Self {
        Self::start(bytes, Site::with_base)
    }

    /// The page without a base model.
    pub fn without_base() -> Self {
        Self::start(&[], |site, _| site)
    }

    /// The page with the real base model, and with files beside its own.
    pub fn with_real_base(path: &Path, files: &[(&str, String)]) -> Self {
        Self::with(&[], files, |site, _| site.with_base(path))
    }

    /// The page with a base model, and with files beside its own or in their place.
    pub fn with_files(bytes: &[u8], files: &[(&str, String)]) -> Self {
        Self::with(bytes, files, |site, base| site.with_other_base(base).unwrap())
    }

    fn with(bytes: &[u8], files: &[(&str, String)], complete: impl FnOnce(Site, &Path) -> Site) -> Self {
        let page = tempfile::tempdir().unwrap();
        copy(built(), page.path());
        for (name, text) in files {
            let path = page.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            // The compressed copy is of what was there before.
            let _ = fs::remove_file(path.with_added_extension("br"));
        }
        let path = page.path().to_owned();
        Self::of_page(&path, vec![page], bytes, complete)
    }

    /// The folder of the page, a copy made by [`Self::with_files`].
    pub fn folder(&self) -> &Path {
        self.files[0].path()
    }

    /// Stops the server, as if the device had lost its network.
    pub async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            stop.send(()).unwrap();
            // Connections that the browser keeps open are of no use any more.
            let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
        }
    }

    /// Serves again, at the same address.
    pub fn start_again(&mut self) {
        self.listen(server::listen(self.port).unwrap());
    }

    fn listen(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel();
        let site = self.site.clone();
        let task = tokio::spawn(async move {
            // Without a sender nobody stops it.
            let stopped = async {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            site.serve(listener, stopped).await.unwrap();
        });
        self.running = Some((stop, task));
    }

    fn start(bytes: &[u8], complete: impl FnOnce(Site, &Path) -> Site) -> Self {
        Self::of_page(built(), Vec::new(), bytes, complete)
    }

    /// Keeps `files` as long as it is served.
    fn of_page(
        page: &Path,
        mut files: Vec<TempDir>,
        bytes: &[u8],
        complete: impl FnOnce(Site, &Path) -> Site,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.gguf");
        fs::write(&base, bytes).unwrap();
        let site = complete(Site::new(page).unwrap(), &base);
        let listener = server::listen(0).unwrap();
        let (url, port) = (server::url(&listener).unwrap(), listener.local_addr().unwrap().port());
        files.push(folder);
        let mut served = Self { url, site, port, running: None, files };
        served.listen(listener);
        served
    }
}

/// A folder of the page as any host of files serves it, without the headers of `llamarec demo`: its address.
pub async fn on_a_plain_host(page: &Path) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let files = Router::new().fallback_service(ServeDir::new(page));
    tokio::spawn(async move { axum::serve(listener, files).await });
    url
}

/// Copies a folder with what is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// The folder of the page, built at most once a run and only if its sources have changed; `LLAMAREC_PAGE`
/// names one that is built already.
pub fn built() -> &'static Path {
    static PAGE: OnceLock<PathBuf> = OnceLock::new();
    PAGE.get_or_init(|| {
        if let Some(page) = env::var_os("LLAMAREC_PAGE") {
            return page.into();
        }
        let root = trainer::demo::workspace().unwrap();
        let tools = env::var_os("LLAMAREC_TOOLS").map_or_else(|| root.join(".tools"), PathBuf::from);
        let printer = Printer::new(Verbosity::Normal);
        let tools = Tools::ensure(&tools, true, &printer).unwrap();
        page::build(&root, &tools, true, &printer).unwrap()
    })
}

/// Writes a file of this name beside the base model.
fn beside(base: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = base.with_file_name(name).with_extension("safetensors");
    fs::write(&file, bytes).unwrap();
    file
}
