//! Writes a tar archive (ustar) of plain files and folders: what an engine imports as an image.

const BLOCK: usize = 512;

/// An archive in memory.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// A folder, with mode bits such as 0o755.
    ///
    /// # Errors
    /// When the path does not fit the format.
    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> Result<(), String> {
        let path = format!("{}/", path.trim_matches('/'));
        self.header(&path, mode, 0, b'5')
    }

    /// A file.
    ///
    /// # Errors
    /// As [`Archive::folder`].
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), String> {
        self.header(path.trim_start_matches('/'), mode, content.len(), b'0')?;
        self.bytes.extend_from_slice(content);
        let rest = content.len().next_multiple_of(BLOCK) - content.len();
        self.bytes.extend(std::iter::repeat_n(0, rest));
        Ok(())
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 2 * BLOCK]);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, size: usize, kind: u8) -> Result<(), String> {
        let (prefix, name) = split(path)?;
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, name.as_bytes());
        put(&mut header, 100, format!("{mode:07o}").as_bytes());
        put(&mut header, 108, b"0000000");
        put(&mut header, 116, b"0000000");
        put(&mut header, 124, format!("{size:011o}").as_bytes());
        put(&mut header, 136, b"00000000000");
        put(&mut header, 148, b"        ");
        put(&mut header, 156, &[kind]);
        put(&mut header, 257, b"ustar\x0000");
        put(&mut header, 345, prefix.as_bytes());
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        Ok(())
    }
}

/// The format has 100 bytes for a name and 155 for the folders before it.
fn split(path: &str) -> Result<(&str, &str), String> {
    if path.len() <= 100 {
        return Ok(("", path));
    }
    let cuts = path.match_indices('/').map(|(at, _)| at);
    let mut fitting = cuts.filter(|at| *at <= 155 && path.len() - at - 1 <= 100);
    let at = fitting
        .next()
        .ok_or_else(|| format!("the path {path} is too long for an image"))?;
    Ok((&path[..at], &path[at + 1..]))
}

fn put(header: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    if let Some(place) = header.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn another_tar_reads_back_names_modes_and_content() {
        let mut archive = Archive::default();
        let deep = format!("/{}/{}/file", "a".repeat(90), "b".repeat(60));
        archive.folder("/usr/bin", 0o755).unwrap();
        archive.file("/usr/bin/tool", 0o555, b"content").unwrap();
        archive.file(&deep, 0o444, &[7; 513]).unwrap();
        let mut tar = Command::new("tar")
            .args(["-tvf", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = tar.stdin.take().unwrap();
        stdin.write_all(&archive.finish()).unwrap();
        drop(stdin);
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).unwrap();
        assert!(listing.contains("drwxr-xr-x"), "{listing}");
        assert!(listing.contains("-r-xr-xr-x"), "{listing}");
        assert!(listing.contains("usr/bin/tool"), "{listing}");
        assert!(listing.contains(deep.trim_start_matches('/')), "{listing}");
        assert!(listing.contains(" 513 "), "{listing}");
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused_by_name() {
        let mut archive = Archive::default();
        let refused = archive.file(&"x".repeat(300), 0o444, b"").unwrap_err();
        assert!(refused.contains("xxx"), "{refused}");
    }
}
