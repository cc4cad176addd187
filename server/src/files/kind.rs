//! What a file is: a name made harmless, and a type that both name and content bear out.

use super::fault::FileError;
use crate::config::Files;

/// Characters of the longest name kept.
const NAME_CHARS: usize = 255;

/// The start of the text that virus scanners are tested with, in two halves so that this program
/// does not hold it itself.
const SIGNATURE: [&[u8]; 2] = [
    b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR",
    b"-STANDARD-ANTIVIRUS",
];

/// First bytes by which programs are known.
const PROGRAMS: [(&[u8], &str); 7] = [
    (b"\x7fELF", "ELF"),
    (b"MZ", "Windows"),
    (b"\xfe\xed\xfa\xce", "Mach-O"),
    (b"\xfe\xed\xfa\xcf", "Mach-O"),
    (b"\xce\xfa\xed\xfe", "Mach-O"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"\xca\xfe\xba\xbe", "Java or Mach-O"),
];

/// Extensions whose content must begin with certain bytes.
const SIGNED: [(&str, &[u8], &str); 9] = [
    ("pdf", b"%PDF-", "application/pdf"),
    ("png", b"\x89PNG\r\n\x1a\n", "image/png"),
    ("jpg", b"\xff\xd8\xff", "image/jpeg"),
    ("jpeg", b"\xff\xd8\xff", "image/jpeg"),
    ("gif", b"GIF8", "image/gif"),
    ("webp", b"RIFF", "image/webp"),
    (
        "docx",
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (
        "xlsx",
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    (
        "pptx",
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
];

/// Texts that have a type of their own.
const TEXTS: [(&str, &str); 6] = [
    ("json", "application/json"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("css", "text/css"),
];

/// What passes by while a file comes in.
#[derive(Debug, Default)]
pub struct Look {
    head: Vec<u8>,
    /// The end of what came, as long as the signature: it may come in two pieces.
    tail: Vec<u8>,
    /// The bytes of a character that is not whole yet.
    open: Vec<u8>,
    is_broken: bool,
    is_infected: bool,
    bytes: u64,
}

impl Look {
    /// Looks at the next piece.
    pub fn at(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        let room = 16_usize.saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(room));
        self.look_for_signature(piece);
        if !self.is_broken {
            self.read_text(piece);
        }
    }

    fn look_for_signature(&mut self, piece: &[u8]) {
        let signature = SIGNATURE.concat();
        let mut window = std::mem::take(&mut self.tail);
        // Only the seam needs both; the rest is looked at where it lies.
        window.extend(piece.iter().take(signature.len()));
        let is_in = |bytes: &[u8]| bytes.windows(signature.len()).any(|one| one == signature);
        self.is_infected = self.is_infected || is_in(&window) || is_in(piece);
        let mut end = if piece.len() >= signature.len() {
            piece.to_vec()
        } else {
            window
        };
        let keep = end.len().saturating_sub(signature.len() - 1);
        self.tail = end.split_off(keep);
    }

    fn read_text(&mut self, piece: &[u8]) {
        let mut bytes = std::mem::take(&mut self.open);
        bytes.extend_from_slice(piece);
        self.is_broken = bytes.contains(&0);
        if let Err(error) = std::str::from_utf8(&bytes) {
            self.is_broken = self.is_broken || error.error_len().is_some();
            self.open = bytes.split_off(error.valid_up_to());
        }
    }

    /// Bytes seen.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_text(&self) -> bool {
        !self.is_broken && self.open.is_empty()
    }

    /// The type of what was seen, under this name.
    ///
    /// # Errors
    /// Whatever keeps it from being stored.
    pub fn kind(&self, name: &str, files: &Files) -> Result<String, FileError> {
        if self.bytes == 0 {
            return Err(FileError::Empty);
        }
        let extension = extension(name);
        if files
            .blocked
            .iter()
            .any(|one| one.eq_ignore_ascii_case(&extension))
        {
            return Err(FileError::Program(format!("extension {extension}")));
        }
        let program = PROGRAMS
            .iter()
            .find(|(start, _)| self.head.starts_with(start));
        if let Some((_, what)) = program {
            return Err(FileError::Program(format!("{what} content")));
        }
        if self.is_infected {
            return Err(FileError::Infected);
        }
        let kind = self.kind_of(&extension)?;
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == wanted,
        };
        if files.types.iter().any(fits) {
            Ok(kind.to_owned())
        } else {
            Err(FileError::Type(kind.to_owned()))
        }
    }

    fn kind_of(&self, extension: &str) -> Result<&'static str, FileError> {
        if let Some((_, start, kind)) = SIGNED.iter().find(|(own, ..)| *own == extension) {
            return if self.head.starts_with(start) {
                Ok(kind)
            } else {
                Err(FileError::Mismatch { named: kind })
            };
        }
        let text = TEXTS.iter().find(|(own, _)| *own == extension);
        match (text, self.is_text()) {
            (Some((_, kind)), true) => Ok(kind),
            (Some((_, kind)), false) => Err(FileError::Mismatch { named: kind }),
            (None, true) => Ok("text/plain"),
            (None, false) => Ok("application/octet-stream"),
        }
    }
}

/// The extension of a name, in lower case; empty when it has none.
#[must_use]
pub fn extension(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let found = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    found.to_ascii_lowercase()
}

/// A name made harmless: a relative path without `..`, drive, or characters that a shell, a header
/// or a terminal could mistake.
#[must_use]
pub fn harmless(name: &str) -> String {
    let plain = |c: char| match c {
        '\\' => '/',
        c if c.is_control() || "\"'`$<>|*?;&:".contains(c) => '_',
        // Marks that turn the reading direction make a name look like another.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '_',
        c => c,
    };
    let text: String = name.chars().map(plain).collect();
    let parts: Vec<&str> = text
        .split('/')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.chars().all(|c| c == '.'))
        .collect();
    let whole = parts.join("/");
    let skip = whole.chars().count().saturating_sub(NAME_CHARS);
    let kept: String = whole.chars().skip(skip).collect();
    let kept = kept.trim_start_matches('/');
    if kept.is_empty() {
        "file".to_owned()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, pieces: &[&[u8]]) -> Result<String, FileError> {
        let files = crate::config::Config::from_toml("").unwrap().files;
        let mut look = Look::default();
        for piece in pieces {
            look.at(piece);
        }
        look.kind(name, &files)
    }

    #[test]
    fn a_type_needs_a_name_and_a_content_that_agree() {
        let good: [(&str, &[u8], &str); 5] = [
            ("src/a.rs", b"fn a() {}", "text/plain"),
            ("run.sh", b"#!/bin/sh\n", "text/plain"),
            ("a.json", b"{}", "application/json"),
            ("A.PDF", b"%PDF-1.7 \x00", "application/pdf"),
            ("a.png", b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        ];
        for (name, bytes, wanted) in good {
            assert_eq!(kind(name, &[bytes]).unwrap(), wanted, "{name}");
        }
        let bad: [(&str, &[u8], &str); 8] = [
            ("a.txt", b"", "keep a file of no bytes"),
            ("a.exe", b"text", "program"),
            ("a.txt.DLL", b"text", "program"),
            ("notes.txt", b"\x7fELF\x02", "program"),
            ("notes.txt", b"MZ\x90", "program"),
            ("a.pdf", b"plain text", "content is not"),
            ("a.json", b"\xff\xfe", "content is not"),
            ("a.dat", b"\x00\x01", "octet-stream"),
        ];
        for (name, bytes, wanted) in bad {
            let error = kind(name, &[bytes]).unwrap_err().to_string();
            assert!(error.contains(wanted), "{name}: {error}");
        }
    }

    #[test]
    fn a_virus_test_is_found_wherever_it_stands_and_however_it_comes() {
        let signature = SIGNATURE.concat();
        let whole = [b"words before ", &signature[..], b" and after"].concat();
        for cut in 0..whole.len() {
            let (one, two) = whole.split_at(cut);
            let found = kind("a.txt", &[one, two]);
            assert!(
                matches!(found, Err(FileError::Infected)),
                "cut at {cut}: {found:?}"
            );
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert!(matches!(kind("a.txt", &bytes), Err(FileError::Infected)));
    }

    #[test]
    fn a_character_may_come_in_two_pieces() {
        let text = "naïve 数据".as_bytes();
        for cut in 0..text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(kind("a.txt", &[one, two]).unwrap(), "text/plain", "{cut}");
        }
        assert!(kind("a.txt", &["数".as_bytes(), b"\xe6\x95"]).is_err());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let table = [
            ("src/lib.rs", "src/lib.rs"),
            ("../../etc/passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("C:\\Windows\\a.txt", "C_/Windows/a.txt"),
            ("\\\\host\\share\\a", "host/share/a"),
            ("a\r\nb\0c", "a__b_c"),
            ("a\"; rm -rf $HOME", "a__ rm -rf _HOME"),
            ("gpj.\u{202e}exe", "gpj._exe"),
            ("", "file"),
            ("..", "file"),
        ];
        for (given, wanted) in table {
            assert_eq!(harmless(given), wanted, "{given:?}");
        }
        assert_eq!(harmless(&"x".repeat(9000)).chars().count(), 255);
    }
}
