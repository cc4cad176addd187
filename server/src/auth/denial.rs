//! Why a request is denied: the closed set of reasons, as an audit line and `exai_denials_total`
//! have them.

/// Every reason. Each is counted from the start, since no increase is seen in a series that begins
/// at one.
pub const REASONS: [&str; 43] = [
    "connections",
    "connections_per_address",
    "grace_ended",
    "host",
    "origin",
    "preamble",
    "rate_address",
    "rate_global",
    "rate_principal",
    "role",
    "rotation_old",
    "rotation_principal",
    "session",
    "token_algorithm",
    "token_audience",
    "token_encoding",
    "token_expired",
    "token_foreign_header",
    "token_from_the_future",
    "token_issuer",
    "token_json",
    "token_key_id",
    "token_kind",
    "token_lifetime",
    "token_malformed",
    "token_missing",
    "token_not_compact",
    "token_not_yet",
    "token_of_another",
    "token_revoked",
    "token_rotated",
    "token_scheme",
    "token_signature",
    "token_subject",
    "token_team",
    "token_times",
    "token_too_long",
    "token_twice",
    "token_unknown",
    "token_unsigned",
    "token_without_id",
    "too_many_open_requests",
    "too_many_sessions",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    /// What stands before a reason wherever one is given; of the last, a part of it.
    const OPENERS: [&str; 9] = [
        "TokenError(\"",
        "refuse(\"",
        ".denied(\"",
        "unauthorized(\"",
        "over_count(\"",
        "Err(\"",
        "ok_or(\"",
        "map_err(|_| \"",
        "=> \"rate_",
    ];

    fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if !path.ends_with("tests.rs") && !path.ends_with("denial.rs") {
                into.push(path);
            }
        }
    }

    /// The reasons that the code gives.
    fn given() -> BTreeSet<String> {
        let mut files = Vec::new();
        for folder in ["auth", "transport"] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            sources(&root.join(folder), &mut files);
        }
        let mut given = BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            for opener in OPENERS {
                let begin = opener.rsplit('"').next().unwrap();
                let ends = text.split(opener).skip(1);
                let words = ends.filter_map(|rest| Some(rest.split_once('"')?.0));
                let is_code = |word: &&str| {
                    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                    word.bytes().all(is_letter)
                };
                given.extend(words.filter(is_code).map(|word| format!("{begin}{word}")));
            }
        }
        given
    }

    #[test]
    fn every_reason_that_is_given_is_listed_and_counted_from_the_start_and_none_besides() {
        let listed: BTreeSet<String> = REASONS.into_iter().map(str::to_owned).collect();
        assert_eq!(listed.len(), REASONS.len(), "one stands twice");
        assert_eq!(given(), listed);
        let scrape = crate::observe::Metrics::new().prometheus();
        for reason in REASONS {
            let line = format!("\nexai_denials_total{{reason=\"{reason}\"}} 0\n");
            assert!(scrape.contains(&line), "{reason}");
        }
    }

    #[test]
    fn the_page_about_denials_names_every_reason() {
        let page = include_str!("../../../docs/runbooks/denials.md");
        for reason in REASONS {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
    }
}
