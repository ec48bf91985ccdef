//! `llamarec demo`: everything from nothing to the page in the browser.

use std::{path::PathBuf, process::Command};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::Common,
    demo::{
        base, page,
        server::{self, Site},
        tools::{self, Tools},
        workspace,
    },
    fetch::fetch_base_model,
    report::Printer,
    run_dir::weights_of,
};

/// Arguments of `llamarec demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port on this machine; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Do not open the browser
    #[arg(long)]
    pub no_browser: bool,
    /// Folder for the tools that build the page [default: .tools in the repository]
    #[arg(long, value_name = "DIR", env = tools::FOLDER_VARIABLE)]
    pub tools: Option<PathBuf>,
    /// Serve this GGUF file as the base model instead of the fetched one
    #[arg(long, value_name = "PATH")]
    pub base: Option<PathBuf>,
    /// Serve this adapter, or that of this run folder, instead of the bundle's
    #[arg(long, value_name = "PATH")]
    pub adapter: Option<PathBuf>,
    /// Serve this adapter, or that of this run folder, as the one that answers by index letters
    #[arg(long, value_name = "PATH")]
    pub letters: Option<PathBuf>,
}

/// Runs `llamarec demo`.
///
/// # Errors
/// If the port is in use, `--base` names no GGUF file, or a tool, the model or the page cannot be had.
pub fn run(args: &DemoArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    // First what fails at once, then what takes minutes.
    if let Some(base) = &args.base {
        base::check(base)?;
    }
    let listener = server::listen(args.port)?;
    let root = workspace()?;
    let tools = args.tools.clone().unwrap_or_else(|| tools::default_folder(&root));

    printer.note("1/3 tools");
    let tools = Tools::ensure(&tools, common.quiet, printer)?;
    printer.note("2/3 base model (98 MB, once)");
    let fetched = if args.base.is_none() { fetched(printer) } else { None };
    printer.note("3/3 page");
    let site = Site::new(&page::build(&root, &tools, common.quiet, printer)?)?;
    let site = match (&args.base, &fetched) {
        (Some(base), _) => site.with_other_base(base)?,
        (None, Some(base)) => site.with_base(base),
        (None, None) => site,
    };

    let site = match args.adapter.as_deref().map(weights_of) {
        Some(adapter) => site.with_adapter(&adapter)?,
        None => site,
    };
    let site = match args.letters.as_deref().map(weights_of) {
        Some(letters) => site.with_letters(&letters)?,
        None => site,
    };

    let url = server::url(&listener)?;
    printer.result(&if common.json {
        serde_json::json!({ "url": url }).to_string()
    } else {
        format!("listening on {url}")
    });
    printer.note("stop with Ctrl-C");
    if !args.no_browser && !open(&url) {
        printer.note(&format!("no browser could be opened: open {url} yourself"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let stop = async {
        // Without a signal handler Ctrl-C ends the process, which is as good.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    runtime.context("cannot start the server")?.block_on(site.serve(listener, stop))
}

/// The base model; without it the page still recommends, with the retriever alone.
fn fetched(printer: &Printer) -> Option<PathBuf> {
    let base = fetch_base_model(printer, None);
    base.inspect_err(|error| printer.warn(&format!("the page will have no ranker: {error:#}"))).ok()
}

/// Opens an address in the visitor's browser; false if the system has no way to.
fn open(url: &str) -> bool {
    let mut command = match std::env::consts::OS {
        "macos" => Command::new("open"),
        "windows" => {
            let mut command = Command::new("rundll32");
            command.arg("url.dll,FileProtocolHandler");
            command
        }
        _ => Command::new("xdg-open"),
    };
    command.arg(url).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null()).spawn().is_ok()
}
