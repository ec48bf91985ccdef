//! Unpacking: a Debian package is an `ar` archive whose member `data.tar.xz` holds the files.

use std::io::{Cursor, Read};

use anyhow::{Context, anyhow, bail, ensure};
use flate2::read::{GzDecoder, ZlibDecoder};

/// No data set of this package is larger; more would be a broken or hostile file.
const MAX_BYTES: u64 = 256 << 20;

/// The contents of the files whose paths end in `wanted`, in that order.
pub fn files(package: &[u8], wanted: &[&str]) -> anyhow::Result<Vec<Vec<u8>>> {
    let tarball = unxz(&member(package, "data.tar.xz")?)?;
    let mut found = vec![None; wanted.len()];
    let mut archive = tar::Archive::new(Cursor::new(tarball));
    for entry in archive.entries().context("data.tar")? {
        let mut entry = entry.context("data.tar")?;
        let path = entry.path()?.into_owned();
        if let Some(place) = wanted.iter().position(|suffix| path.ends_with(suffix)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            found[place] = Some(bytes);
        }
    }
    found
        .into_iter()
        .zip(wanted)
        .map(|(bytes, name)| bytes.ok_or_else(|| anyhow!("it holds no {name}")))
        .collect()
}

fn member(package: &[u8], name: &str) -> anyhow::Result<Vec<u8>> {
    let mut archive = ar::Archive::new(package);
    while let Some(entry) = archive.next_entry() {
        let mut entry = entry.context("it is not a Debian package")?;
        // Some writers end names with a slash.
        if entry.header().identifier().strip_suffix(b"/").unwrap_or(entry.header().identifier())
            == name.as_bytes()
        {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    bail!("it holds no {name}")
}

fn unxz(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    lzma_rs::xz_decompress(&mut Cursor::new(bytes), &mut plain)
        .map_err(|error| anyhow!("data.tar.xz: {error:?}"))?;
    Ok(plain)
}

/// Unpacks a gzip file.
pub fn gunzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).take(MAX_BYTES).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Unpacks one chunk of an R database: the length as four bytes, most significant first, then a zlib stream.
pub fn inflate_chunk(chunk: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (length, stream) = chunk.split_first_chunk::<4>().context("a chunk is shorter than 4 bytes")?;
    let length = u64::from(u32::from_be_bytes(*length));
    let mut plain = Vec::new();
    ZlibDecoder::new(stream).take(length.min(MAX_BYTES) + 1).read_to_end(&mut plain)?;
    let got = plain.len() as u64;
    ensure!(got == length, "a chunk says that it holds {length} bytes, but holds {got}");
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn package(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut tarball = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tarball.append_data(&mut header, name, bytes).unwrap();
        let mut packed = Vec::new();
        lzma_rs::xz_compress(&mut Cursor::new(tarball.into_inner().unwrap()), &mut packed).unwrap();
        let mut archive = ar::Builder::new(Vec::new());
        for (name, bytes) in [("debian-binary", b"2.0\n".as_slice()), ("data.tar.xz", &packed)] {
            let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
            archive.append(&header, bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn finds_files_by_the_end_of_their_path() {
        let package = package("./usr/lib/x/data/Rdata.rdx", b"index");
        assert_eq!(files(&package, &["data/Rdata.rdx"]).unwrap(), [b"index"]);
        let error = files(&package, &["data/Rdata.rdb"]).unwrap_err();
        assert_eq!(error.to_string(), "it holds no data/Rdata.rdb");
    }

    #[test]
    fn a_cut_package_is_an_error() {
        let package = package("data/Rdata.rdx", &[7; 5000]);
        for length in 0..package.len() - 1 {
            assert!(files(&package[..length], &["data/Rdata.rdx"]).is_err(), "{length}");
        }
    }

    #[test]
    fn the_length_of_a_chunk_is_checked() {
        let mut stream = ZlibEncoder::new(Vec::new(), Compression::fast());
        stream.write_all(b"hello").unwrap();
        let stream = stream.finish().unwrap();
        let chunk = |length: u32| [&length.to_be_bytes()[..], &stream].concat();
        assert_eq!(inflate_chunk(&chunk(5)).unwrap(), b"hello");
        assert!(inflate_chunk(&chunk(4)).is_err());
        assert!(inflate_chunk(&chunk(6)).is_err());
        assert!(inflate_chunk(&chunk(5)[..3]).is_err());
    }
}
