//! The table of configuration keys for people, drawn from the schema.

use std::fmt::Write as _;

use super::Schema;
use super::schema::Mark;

/// Every key as a Markdown table: name, default, digest, meaning.
#[must_use]
pub fn table(schema: &Schema) -> String {
    let mut text = String::from("| Key | Default | Digest | Meaning |\n|---|---|---|---|\n");
    for (key, entry) in &schema.entries {
        let mark = match entry.mark {
            Mark::Policy => "policy",
            Mark::Site => "site",
        };
        let note = entry.note.replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{key}` | `{}` | {mark} | {note} |", entry.default);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is written by `EXAI_WRITE_DOCS=1 cargo test -p exai-server the_page_of_keys`.
    #[test]
    fn the_page_of_keys_equals_the_code() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/guide/configuration.md"
        );
        let head = "# Configuration keys\n\nDrawn from `server/default.toml`. Layers: defaults < \
                    file (`--config`) < `EXAI_*` environment < flags (`--set KEY=VALUE`); a key \
                    `a.b` is `EXAI_A__B` in the environment. `exai check` names every fault at \
                    once. A key may change what the server does (policy) or where it stands \
                    (site); each kind has a digest of its own. Another provider is another \
                    `[provider.NAME]` table with the keys of `provider.kimi`; `[models.aliases]` \
                    holds free names. Secrets come from the environment alone: the variables of \
                    `api_key_env`, `EXAI_JWT_SECRET`, `EXAI_METRICS_TOKEN`, `EXAI_DAEMON_KEY`, \
                    `EXAI_TOKEN`; shared tokens from the file of \
                    `auth.token_file`. `NAME_FILE` in the place of any of these, or of the \
                    variable of a key, names a file that holds the value, which is read at the \
                    start and at each [reload](access.md#reload).\n\n";
        let wanted = format!("{head}{}", table(&Schema::embedded().unwrap()));
        if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == wanted,
            "{path} is out of date; write it with EXAI_WRITE_DOCS=1"
        );
    }
}
