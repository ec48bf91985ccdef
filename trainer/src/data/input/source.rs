//! One input file: decompressed if need be, counted and hashed while it is read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    time::Instant,
};

use flate2::read::MultiGzDecoder;
use indicatif::{HumanCount, ProgressBar};
use sha2::{Digest, Sha256};
use shared::manifest::FileEntry;

use crate::{
    fetch::hex,
    report::{Printer, UserError},
};

const BUFFER: usize = 1 << 18;

/// A file that is being read. Size, checksum and progress are those of the file as it lies on the disk.
pub struct Source {
    shown: String,
    name: String,
    body: BufReader<Body>,
    bar: ProgressBar,
    start: Instant,
}

enum Body {
    Plain(Hashing),
    Gzip(Box<MultiGzDecoder<BufReader<Hashing>>>),
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(file) => file.read(buffer),
        }
    }
}

struct Hashing {
    file: Box<dyn Read>,
    hash: Sha256,
    bytes: u64,
    bar: ProgressBar,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hash.update(&buffer[..length]);
        self.bytes += length as u64;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

impl Source {
    /// Opens a text file; if its name ends in `.gz`, it is decompressed.
    pub fn open(path: &Path, printer: &Printer) -> Result<Self, UserError> {
        let cannot = |error: io::Error| UserError::input(format!("cannot read {}: {error}", path.display()));
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            let message = format!("{} is a folder, a file is needed", path.display());
            return Err(UserError::input(message).hint("give one of the files in it"));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bar = printer.bytes_bar(metadata.len(), &name);
        let gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let mut source = Self::new(path.display().to_string(), name, Box::new(file), gzip, bar);
        source.check_text()?;
        Ok(source)
    }

    /// Refuses what would be read as one strange line.
    fn check_text(&mut self) -> Result<(), UserError> {
        let start = self.peek()?;
        // By the byte order mark, or the first letter.
        let utf_16 = start.starts_with(b"\xff\xfe")
            || start.starts_with(b"\xfe\xff")
            || start.iter().take(2).any(|&byte| byte == 0);
        let end = start.iter().position(|byte| b"\r\n".contains(byte)).map_or(&[][..], |end| &start[end..]);
        let (what, command) = match end {
            _ if utf_16 => ("is UTF-16 text", "iconv -f utf-16 -t utf-8 FILE > NEW"),
            [b'\r', next, ..] if *next != b'\n' => {
                ("ends its lines with CR alone, as old Macs did", r"tr '\r' '\n' < FILE > NEW")
            }
            _ => return Ok(()),
        };
        Err(UserError::input(format!("{} {what}", self.shown))
            .hint(format!("make another file of it: {command}")))
    }

    /// Bytes in memory.
    pub fn memory(name: &str, bytes: &'static [u8]) -> Self {
        Self::new(name.to_owned(), name.to_owned(), Box::new(bytes), false, ProgressBar::hidden())
    }

    fn new(shown: String, name: String, file: Box<dyn Read>, gzip: bool, bar: ProgressBar) -> Self {
        let file = Hashing { file, hash: Sha256::new(), bytes: 0, bar: bar.clone() };
        let body = if gzip {
            Body::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file))))
        } else {
            Body::Plain(file)
        };
        Self { shown, name, body: BufReader::with_capacity(BUFFER, body), bar, start: Instant::now() }
    }

    /// What messages call the file: the path as the user gave it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The file's name without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes, not consumed; empty only for an empty file.
    pub fn peek(&mut self) -> Result<&[u8], UserError> {
        match self.body.fill_buf() {
            // A second borrow of what is buffered: the first one would have to outlive the error.
            Ok(_) => Ok(self.body.buffer()),
            Err(error) => Err(unreadable(&self.shown, &error)),
        }
    }

    /// Appends the next bytes up to and with a line feed, at most `limit`; gives their number, 0 at the end.
    pub fn read_line(&mut self, line: &mut Vec<u8>, limit: u64) -> Result<usize, UserError> {
        let read = Read::by_ref(&mut self.body).take(limit).read_until(b'\n', line);
        read.map_err(|error| unreadable(&self.shown, &error))
    }

    /// Says in the progress bar how many rows were read.
    pub fn progress(&self, rows: u64) {
        let rate = rows as f64 / self.start.elapsed().as_secs_f64().max(1e-3);
        let (rows, rate) = (HumanCount(rows), HumanCount(rate as u64));
        self.bar.set_message(format!("{}: {rows} rows, {rate} rows/s", self.name));
    }

    /// Ends the reading: size and checksum of the whole file.
    pub fn finish(self) -> Result<FileEntry, UserError> {
        let mut file = match self.body.into_inner() {
            Body::Plain(file) => file,
            Body::Gzip(file) => file.into_inner().into_inner(),
        };
        // Whatever nobody asked for belongs to the checksum too.
        io::copy(&mut file, &mut io::sink()).map_err(|error| unreadable(&self.shown, &error))?;
        self.bar.finish_and_clear();
        Ok(FileEntry { path: self.name, bytes: file.bytes, sha256: hex(&file.hash.finalize()) })
    }
}

fn unreadable(shown: &str, error: &io::Error) -> UserError {
    UserError::input(format!("cannot read {shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::report::Verbosity;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_hashed_whole_however_little_was_read() {
        let mut source = Source::memory("abc", b"abc");
        assert_eq!(source.peek().unwrap(), b"abc");
        let mut line = Vec::new();
        assert_eq!(source.read_line(&mut line, 2).unwrap(), 2);
        let entry = source.finish().unwrap();
        assert_eq!((entry.path.as_str(), entry.bytes, entry.sha256.as_str()), ("abc", 3, ABC));
    }

    #[test]
    fn compressed_files_are_read_to_the_end_of_their_last_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv.gz");
        let part = |text: &[u8]| {
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            file.write_all(text).unwrap();
            file.finish().unwrap()
        };
        let bytes = [part(b"one\nt"), part(b"wo\n")].concat();
        fs::write(&path, &bytes).unwrap();
        let printer = Printer::new(Verbosity::Quiet);
        let mut source = Source::open(&path, &printer).unwrap();
        let mut text = Vec::new();
        while source.read_line(&mut text, 100).unwrap() > 0 {}
        assert_eq!(text, b"one\ntwo\n");
        assert_eq!(source.finish().unwrap().bytes, bytes.len() as u64);

        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let mut source = Source::open(&path, &printer).unwrap();
        let error = loop {
            match source.read_line(&mut text, 100) {
                Ok(0) => panic!("a cut file was read to its end"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.message.starts_with("cannot read ") && error.message.contains("a.csv.gz"), "{error}");
        assert!(Source::open(folder.path(), &printer).is_err());
    }
}
