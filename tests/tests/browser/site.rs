//! The page as `llamarec demo` builds and serves it, with a base model of the test's choice.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;
use trainer::{
    demo::{
        page,
        server::{self, Site},
        tools::Tools,
    },
    report::{Printer, Verbosity},
};

/// A served page; it ends with the test's runtime.
pub struct Served {
    /// Its address, without a slash at the end.
    pub url: String,
    _files: Vec<TempDir>,
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

    /// The page with the real base model.
    pub fn with_real_base(path: &Path) -> Self {
        Self::start(&[], |site, _| site.with_base(path))
    }

    /// The page with a base model, and with scripts beside its own.
    pub fn with_scripts(bytes: &[u8], scripts: &[(&str, String)]) -> Self {
        let page = tempfile::tempdir().unwrap();
        copy(built(), page.path());
        for (name, text) in scripts {
            fs::write(page.path().join(name), text).unwrap();
        }
        let path = page.path().to_owned();
        Self::of_page(&path, vec![page], bytes, |site, base| site.with_other_base(base).unwrap())
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
        let url = server::url(&listener).unwrap();
        tokio::spawn(site.serve(listener, std::future::pending()));
        files.push(folder);
        Self { url, _files: files }
    }
}

/// Copies a folder with what is in it.
fn copy(from: &Path, to: &Path) {
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
