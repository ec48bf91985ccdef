//! A download that goes on where it stopped.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use indicatif::ProgressBar;
use shared::manifest::FileEntry;
use ureq::{Agent, http::StatusCode, http::header};

use super::checksum;
use crate::report::Printer;

/// A machine without network should know within seconds.
const CONNECT: Duration = Duration::from_secs(5);
/// Silence after which a connection counts as dead.
const SILENCE: Duration = Duration::from_secs(20);
/// Connections in a row that may bring nothing, once one has brought something.
const FRUITLESS: u32 = 3;

/// Downloads `url` into `part`, which may hold the beginning already, and verifies it.
///
/// # Errors
/// No answer, another file than the wanted one (then `part` is gone), or a connection that keeps breaking
/// (then `part` stays and the next call resumes).
pub fn download(url: &str, wanted: &FileEntry, part: &Path, printer: &Printer) -> anyhow::Result<()> {
    let mut out = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(part)?;
    match out.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!("another program is downloading to {}", part.display())
        }
        // Not every file system can lock; the checksum still protects.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let resumed = out.metadata()?.len() > 0;
    let mut fetched = receive(url, wanted, &mut out, printer).and_then(|()| check(part, wanted, printer));
    if resumed && fetched.as_ref().is_err_and(anyhow::Error::is::<Spoilt>) {
        // The beginning was that of another file: once more from the start.
        out.set_len(0)?;
        fetched = receive(url, wanted, &mut out, printer).and_then(|()| check(part, wanted, printer));
    }
    fetched.inspect_err(|error| {
        let empty = out.metadata().is_ok_and(|file| file.len() == 0);
        if empty || error.is::<Spoilt>() {
            fs::remove_file(part).ok();
        }
    })
}

/// All bytes are there and their sum is wrong: they are of no use.
#[derive(Debug)]
struct Spoilt(String);

impl fmt::Display for Spoilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Spoilt {}

fn check(part: &Path, wanted: &FileEntry, printer: &Printer) -> anyhow::Result<()> {
    checksum::verify(part, &"what was downloaded", wanted, printer)
        .map_err(|error| Spoilt(error.message).into())
}

/// Connects again and again until all bytes are there.
fn receive(url: &str, wanted: &FileEntry, out: &mut File, printer: &Printer) -> anyhow::Result<()> {
    let agent: Agent = Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let bar = printer.bytes_bar(wanted.bytes, "downloading");
    let (mut fruitless, mut fruitful) = (0, false);
    loop {
        let have = out.metadata()?.len();
        if have == wanted.bytes {
            out.sync_all()?;
            bar.finish_and_clear();
            return Ok(());
        }
        let cause = match transfer(&agent, url, wanted, out, &bar) {
            Ok(()) => anyhow!("the connection was closed"),
            Err(error) => error,
        };
        let now = out.metadata()?.len();
        if now > have {
            (fruitless, fruitful) = (0, true);
            continue;
        }
        fruitless += 1;
        if !fruitful || fruitless == FRUITLESS {
            bar.finish_and_clear();
            let state = format!("after {now} of {} bytes", wanted.bytes);
            return Err(if now == 0 { cause } else { cause.context(state) });
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// One connection: appends what it brings.
fn transfer(
    agent: &Agent,
    url: &str,
    wanted: &FileEntry,
    out: &mut File,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    if out.metadata()?.len() > wanted.bytes {
        out.set_len(0)?;
    }
    let have = out.seek(SeekFrom::End(0))?;
    let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = request.call().context("no answer")?;
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let start = match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let (first, total) = field(header::CONTENT_RANGE)
                .and_then(content_range)
                .context("the server answered with a part and did not say which")?;
            ensure!(first == have, "the server sent bytes from {first} when asked for those from {have}");
            same_size(total, wanted)?;
            have
        }
        StatusCode::OK => {
            if let Some(total) = field(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()) {
                same_size(total, wanted)?;
            }
            // The server does not resume.
            out.set_len(0)?;
            out.seek(SeekFrom::Start(0))?
        }
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
            out.set_len(0)?;
            return transfer(agent, url, wanted, out, bar);
        }
        status => bail!("the server answered {status}"),
    };
    bar.set_position(start);
    let body = response.into_body().into_reader();
    // One byte more than wanted is enough to see that it is another file.
    let mut body = bar.wrap_read(body.take(wanted.bytes - start + 1));
    io::copy(&mut body, out).context("the transfer broke")?;
    out.flush()?;
    if out.metadata()?.len() > wanted.bytes {
        out.set_len(0)?;
        bail!("the server sends more than {} bytes", wanted.bytes);
    }
    Ok(())
}

fn same_size(total: u64, wanted: &FileEntry) -> anyhow::Result<()> {
    ensure!(total == wanted.bytes, "the server has another file: {total} bytes, expected {}", wanted.bytes);
    Ok(())
}

/// First byte and total of `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_range_gives_first_and_total() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        assert_eq!(content_range("bytes */10"), None);
        assert_eq!(content_range("bytes 5-9/*"), None);
        assert_eq!(content_range("5-9/10"), None);
    }
}
