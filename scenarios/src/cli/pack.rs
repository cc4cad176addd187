//! `verify pack` and `verify open`: a record as one file, and back on another machine.
//!
//! A packed record is a compressed tar of one flat folder, the same bytes for the same record. What
//! vouches for it is inside: opening checks every digest and judges the history again.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::path::{Component, Path, PathBuf};

use exai_harness::report::files::Format;
use exai_judge::verdict::Exit;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::arguments::{OpenArguments, PackArguments};
use super::{Ending, print, record};

/// What is unpacked at most, in bytes: a record of four hours has its room.
const MOST_BYTES: u64 = 8 << 30;

/// How many files a record has at most.
const MOST_FILES: usize = 4096;

/// Writes a record that was not touched into one file.
///
/// # Errors
/// [`Ending::Usage`] when there is no record or the file exists, [`Ending::Refused`] when the
/// record was touched.
pub fn pack(arguments: &PackArguments) -> Result<Exit, Ending> {
    record::open(&arguments.run)?;
    let folder = fs::canonicalize(&arguments.run).map_err(disk(&arguments.run))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let file = match &arguments.out {
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{name}.verify.tar.gz")),
    };
    let written = File::create_new(&file).map_err(|error| {
        let says = format!("{}: {error}; name another with --out", file.display());
        Ending::Usage(says)
    })?;
    let mut packed = Builder::new(GzEncoder::new(
        BufWriter::new(written),
        Compression::default(),
    ));
    for path in files(&folder)? {
        append(&mut packed, &name, &path).map_err(disk(&path))?;
    }
    let ended = packed.into_inner().and_then(GzEncoder::finish);
    let ended = ended.and_then(|rest| rest.into_inner().map_err(io::IntoInnerError::into_error));
    ended
        .and_then(|file| file.sync_all())
        .map_err(disk(&file))?;
    if arguments.json {
        let value = json!({"schema": "exai-verify-pack/1", "run": name, "file": file});
        print(&value.to_string());
    } else {
        print(&file.display().to_string());
    }
    Ok(Exit::Pass)
}

/// The files of a record in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Ending> {
    let listed = fs::read_dir(folder).map_err(disk(folder))?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.map_err(disk(folder))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Neither owner nor time of the machine it was made on.
fn append(packed: &mut Builder<impl io::Write>, run: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let mut header = Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(0o600);
    header.set_entry_type(EntryType::Regular);
    let name = path.file_name().unwrap_or_default();
    packed.append_data(&mut header, Path::new(run).join(name), file)
}

/// Unpacks a record, judges it again, and renders its page beside it.
///
/// # Errors
/// [`Ending::Usage`] when there is no such file or the folder exists, [`Ending::Refused`] when it
/// is no packed record, or one whose bytes or verdicts are not what they were.
pub fn open(arguments: &OpenArguments) -> Result<Exit, Ending> {
    let file = &arguments.file;
    let packed = File::open(file).map_err(|error| {
        Ending::Usage(format!(
            "{}: {error}; name a file that `verify pack` wrote",
            file.display()
        ))
    })?;
    // Beside its place, so that a record appears whole or not at all.
    let place = arguments.into.clone();
    let above = place.as_deref().and_then(Path::parent).map(Path::to_owned);
    let above = above.filter(|path| !path.as_os_str().is_empty());
    let above = above.unwrap_or_else(|| PathBuf::from("."));
    let opened = tempfile::Builder::new()
        .prefix(".opening-")
        .tempdir_in(&above);
    let opened = opened.map_err(disk(&above))?;
    let run = unpack(packed, opened.path())
        .map_err(|error| Ending::Refused(format!("{}: {error}", file.display())))?;
    let from = opened.path().join(&run);
    let read = record::read(&from)?;
    let page = Format::Html
        .render(&read.report)
        .map_err(|error| Ending::Bug(error.to_string()))?;
    let place = place.unwrap_or_else(|| PathBuf::from(&run));
    if place.exists() {
        let says = format!("{} exists; name another with --into", place.display());
        return Err(Ending::Usage(says));
    }
    fs::rename(&from, &place).map_err(disk(&place))?;
    // Beside the record's files, not one of them: digests cover what was sealed.
    let path = PathBuf::from(format!("{}.html", place.display()));
    fs::write(&path, page).map_err(disk(&path))?;
    if arguments.json {
        let mut value = record::as_json(&read);
        value["schema"] = json!("exai-verify-open/1");
        value["record"] = json!(place);
        value["report"] = json!(path);
        print(&value.to_string());
    } else {
        record::tell(&read);
        print(&format!("report  {}", path.display()));
        print(&format!("record  {}", place.display()));
    }
    Ok(record::exit(&read))
}

/// Gives the one folder's name.
fn unpack(packed: File, into: &Path) -> io::Result<String> {
    let refused = |says: &str| io::Error::new(io::ErrorKind::InvalidData, says.to_owned());
    let mut archive = Archive::new(GzDecoder::new(packed).take(MOST_BYTES));
    let mut run = None;
    for (number, entry) in archive.entries()?.enumerate() {
        if number == MOST_FILES {
            return Err(refused("it has more files than a record"));
        }
        let mut entry = entry?;
        let (folder, name) = name_of(&entry).ok_or_else(|| {
            refused("an entry is no plain file in one folder; this is no packed record")
        })?;
        if *run.get_or_insert_with(|| folder.clone()) != folder {
            return Err(refused("it holds more than one record"));
        }
        let folder = into.join(folder);
        fs::create_dir_all(&folder)?;
        let mut file = File::create_new(folder.join(name))?;
        io::copy(&mut entry, &mut file)?;
    }
    run.ok_or_else(|| refused("it is empty"))
}

/// The folder and the file's name; None for a link, a device, or a path that leads elsewhere.
fn name_of(entry: &Entry<'_, impl io::Read>) -> Option<(String, String)> {
    if entry.header().entry_type() != EntryType::Regular {
        return None;
    }
    let path = entry.path().ok()?;
    let parts: Vec<Component<'_>> = path.components().collect();
    match parts.as_slice() {
        [Component::Normal(folder), Component::Normal(name)] => {
            Some((folder.to_str()?.to_owned(), name.to_str()?.to_owned()))
        }
        _ => None,
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> Ending {
    let path = path.to_owned();
    move |error| Ending::Harness(format!("{}: {error}", path.display()))
}
