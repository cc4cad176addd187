//! Images of local files: the executables, what the loader says they load, and the few files that
//! any program expects. Nothing is pulled.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use exai_harness::engine::wire::Carried;

use crate::trouble::Trouble;

/// Certificate authorities, carried when this machine has them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const PASSWD: &[u8] = b"root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n";
const GROUP: &[u8] = b"root:x:0:\nnogroup:x:65534:\n";

/// A root file system.
pub(crate) struct Root {
    /// The archive.
    pub(crate) tar: Vec<u8>,
    /// The paths of the files in it.
    pub(crate) holds: Vec<String>,
}

/// Collects the files and their libraries into an archive.
///
/// # Errors
/// When a file cannot be read, or its place is not an absolute path.
pub(crate) fn root(files: &[Carried]) -> Result<Root, Trouble> {
    let mut wanted: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    for file in files {
        if !file.to.starts_with('/') {
            return Err(Trouble::new(
                format!("could not place {} at {}", file.from.display(), file.to),
                "give an absolute path in the image",
            ));
        }
        for library in libraries(&file.from)? {
            wanted.insert(library.clone(), library.into());
        }
        wanted.insert(file.to.clone(), file.from.clone());
    }
    if Path::new(AUTHORITIES).exists() {
        wanted.insert(AUTHORITIES.to_owned(), AUTHORITIES.into());
    }
    archive(&wanted)
}

fn archive(wanted: &BTreeMap<String, std::path::PathBuf>) -> Result<Root, Trouble> {
    let unfit = |path: &str, cause: std::io::Error| {
        Trouble::new(
            format!("could not put {path} into the image: {cause}"),
            "give it a shorter path, or free some memory",
        )
    };
    let mut archive = tar::Builder::new(Vec::new());
    for folder in folders(wanted.keys()) {
        let mode = if folder == "/tmp" { 0o1777 } else { 0o755 };
        put(&mut archive, &folder, mode, None).map_err(|cause| unfit(&folder, cause))?;
    }
    for (path, content) in [("/etc/passwd", PASSWD), ("/etc/group", GROUP)] {
        put(&mut archive, path, 0o444, Some(content)).map_err(|cause| unfit(path, cause))?;
    }
    for (to, from) in wanted {
        let unread = |cause: std::io::Error| {
            Trouble::new(
                format!("could not read {}: {cause}", from.display()),
                "build it first, or name another file",
            )
        };
        let content = std::fs::read(from).map_err(unread)?;
        let mode = std::fs::metadata(from)
            .map_err(unread)?
            .permissions()
            .mode();
        let mode = if mode & 0o111 == 0 { 0o444 } else { 0o555 };
        put(&mut archive, to, mode, Some(&content)).map_err(|cause| unfit(to, cause))?;
    }
    Ok(Root {
        tar: archive
            .into_inner()
            .map_err(|cause| unfit("the end", cause))?,
        holds: wanted.keys().cloned().collect(),
    })
}

/// Appends a file, or a folder where there is no content, that belongs to root and has no time.
fn put(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: Option<&[u8]>,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(match content {
        Some(_) => tar::EntryType::Regular,
        None => tar::EntryType::Directory,
    });
    header.set_mode(mode);
    let content = content.unwrap_or_default();
    header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
    archive.append_data(&mut header, path.trim_matches('/'), content)
}

/// Every folder on the way to a file, parents first.
fn folders<'a>(paths: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let mut folders: BTreeSet<String> = ["/tmp", "/etc", "/data"].map(str::to_owned).into();
    for path in paths {
        let mut rest = path.as_str();
        while let Some((folder, _)) = rest.rsplit_once('/') {
            if !folder.is_empty() {
                folders.insert(folder.to_owned());
            }
            rest = folder;
        }
    }
    folders
}

/// What the loader would load for a program; nothing for one that is linked statically or is no
/// program at all.
fn libraries(program: &Path) -> Result<Vec<String>, Trouble> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|cause| {
        Trouble::new(
            format!("could not ask ldd about {}: {cause}", program.display()),
            "install libc-bin, which has ldd",
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(Trouble::new(
            format!(
                "{} does not run here: {}",
                program.display(),
                missing.trim()
            ),
            "install the library it names",
        ));
    }
    Ok(loaded(&text))
}

/// The absolute paths in ldd's words: `lib => /path (0x…)`, or `/path (0x…)` for the loader itself.
fn loaded(text: &str) -> Vec<String> {
    let path = |line: &str| {
        let after = line.split_once("=> ").map_or(line, |(_, after)| after);
        let word = after.split_whitespace().next()?;
        word.starts_with('/').then(|| word.to_owned())
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_read_and_the_kernels_page_is_not() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(loaded(text), expected);
        assert!(loaded("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn a_root_holds_the_program_its_libraries_and_each_folder_before_its_files() {
        let program = std::env::current_exe().unwrap();
        let carried = Carried {
            from: program,
            to: "/usr/local/bin/program".to_owned(),
        };
        let root = root(&[carried]).unwrap();
        let mut archive = tar::Archive::new(root.tar.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, (entry.header().mode().unwrap(), entry.size()))
        });
        let entries: BTreeMap<_, _> = entries.collect();
        assert_eq!(entries["usr/local/bin/program"].0, 0o555);
        assert!(entries["usr/local/bin/program"].1 > 1_000);
        assert_eq!(entries["tmp"], (0o1777, 0));
        assert_eq!(entries["etc/passwd"].0, 0o444);
        assert!(root.holds.iter().any(|path| path.contains("libc.so")));
        assert!(root.holds.contains(&"/usr/local/bin/program".to_owned()));
        let folders = folders(["/usr/local/bin/program".to_owned()].iter());
        let folders: Vec<_> = folders.into_iter().collect();
        let usr = folders.iter().position(|one| one == "/usr").unwrap();
        let bin = folders.iter().position(|one| one == "/usr/local/bin");
        assert!(usr < bin.unwrap());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let carried = Carried {
            from: "/no/such/program".into(),
            to: "/program".to_owned(),
        };
        let trouble = root(&[carried]).err().unwrap();
        assert!(trouble.what.contains("/no/such/program"), "{trouble}");
    }
}
