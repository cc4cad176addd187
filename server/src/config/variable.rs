//! Variables whose value stands in a file, as containers are handed their secrets: `NAME_FILE`
//! names the file where `NAME` would hold the value.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::layer::{self, Settings};
use super::schema::Schema;
use super::{Fault, Faults, Layer, Sources, secret};

/// What is put behind a variable's name.
const SUFFIX: &str = "_FILE";

/// What the keys of providers begin with.
const ROWS: &str = "provider.";

/// Bytes. A longer file is not what it was taken for.
const LONGEST: u64 = 65_536;

impl Sources {
    /// The same with the files read that variables name: those of secrets, of settings and of the
    /// providers' keys. Other variables of such a name are left as they are. What cannot be read is
    /// a fault of whatever is loaded from these sources.
    #[must_use]
    pub fn with_files(mut self) -> Self {
        let Ok(schema) = Schema::embedded() else {
            return self;
        };
        let keys = key_variables(&self, &schema);
        let is_ours = |name: &str, stem: &str| {
            let is_setting = layer::key_of(stem).is_some_and(|key| schema.find(&key).is_some());
            let is_itself = layer::key_of(name).is_some_and(|key| schema.find(&key).is_some());
            secret::ALL.contains(&stem) || keys.contains(stem) || (is_setting && !is_itself)
        };
        let named: Vec<(String, String)> = self
            .environment
            .keys()
            .filter_map(|name| Some((name.clone(), name.strip_suffix(SUFFIX)?.to_owned())))
            .filter(|(name, stem)| is_ours(name, stem))
            .collect();
        for (name, stem) in named {
            let path = self.environment.remove(&name).unwrap_or_default();
            let is_double = self.environment.contains_key(&stem);
            let read = match is_double {
                true => Err(format!("{stem} is set as well; keep one of them")),
                false => value_in(Path::new(&path)).map_err(|why| format!("{path:?} {why}")),
            };
            match read {
                Ok(value) => {
                    self.environment.insert(stem.clone(), value);
                    self.in_files.insert(stem, PathBuf::from(path));
                }
                Err(why) => {
                    let layer = Layer::Environment(name.clone());
                    self.unread.push(Fault::new(name, layer, why));
                }
            }
        }
        self
    }

    /// The same with each of those files read again, for what may have changed in them.
    #[must_use]
    pub fn read_again(&self) -> Self {
        let mut again = self.clone();
        for (name, path) in std::mem::take(&mut again.in_files) {
            again.environment.remove(&name);
            let path = path.display().to_string();
            again.environment.insert(format!("{name}{SUFFIX}"), path);
        }
        again.with_files()
    }

    /// The value of a variable, wherever it stood.
    ///
    /// # Errors
    /// When it was to be read from a file and could not be.
    pub fn value(&self, name: &str) -> Result<Option<String>, Faults> {
        let file = format!("{name}{SUFFIX}");
        match self.unread.iter().find(|fault| fault.key == file) {
            Some(fault) => Err(fault.clone().into()),
            None => Ok(self.environment.get(name).cloned()),
        }
    }

    /// The variable that was set: this one, or the one that names its file.
    pub(super) fn set_by(&self, name: &str) -> String {
        let suffix = if self.in_files.contains_key(name) {
            SUFFIX
        } else {
            ""
        };
        format!("{name}{suffix}")
    }
}

/// The variables that may hold a provider's key, by every layer.
fn key_variables(sources: &Sources, schema: &Schema) -> BTreeSet<String> {
    let settings = Settings::merged(sources, schema);
    let lists = settings
        .values()
        .filter(|(key, _)| key.starts_with(ROWS) && key.ends_with(".api_key_env"))
        .filter_map(|(_, value)| value.as_array());
    let names = lists.flatten().filter_map(|name| name.as_str());
    names.map(str::to_owned).collect()
}

/// The text of a file without the line's end that editors and shells put behind it.
fn value_in(path: &Path) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("could not be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(unread)?;
    let value = text.trim_end_matches(['\r', '\n']);
    match value.len() as u64 {
        0 => Err("is empty".to_owned()),
        1..=LONGEST => Ok(value.to_owned()),
        _ => Err(format!("holds more than {LONGEST} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::{Config, told};

    const SECRET: &str = "9f2c81d4e6b7a0355c1e8f7d2b4a6903";

    fn sources(variables: &[(&str, &str)]) -> Sources {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(pair).collect();
        Sources {
            environment,
            ..Sources::default()
        }
    }

    #[test]
    fn secrets_settings_and_providers_keys_are_read_from_files_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let [jwt, key, url] = [
            write("jwt", &format!("{SECRET}\n")),
            write("key", "sk-from-a-file\r\n"),
            write("url", "redis://:hidden@127.0.0.1:6379"),
        ];
        let sources = sources(&[
            ("EXAI_JWT_SECRET_FILE", &jwt),
            ("MOONSHOT_API_KEY_FILE", &key),
            ("EXAI_STORE__URL_FILE", &url),
            ("SSL_CERT_FILE", "/no/such/file"),
        ]);
        let sources = sources.with_files();
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.secrets.jwt.unwrap().expose_secret(), SECRET);
        let kimi = config.providers["kimi"].key.as_ref().unwrap();
        assert_eq!(kimi.secret.expose_secret(), "sk-from-a-file");
        assert_eq!(config.store.url, "redis://:hidden@127.0.0.1:6379");
        assert_eq!(sources.environment["SSL_CERT_FILE"], "/no/such/file");
        let origin = told(&sources)
            .into_iter()
            .find(|(key, ..)| key == "store.url");
        assert_eq!(origin.unwrap().2, "environment EXAI_STORE__URL_FILE");
    }

    #[test]
    fn what_stands_in_files_is_read_again_and_a_change_is_told_by_the_variables_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        let all = ["jwt", "metrics", "daemon"];
        for (name, n) in all.iter().zip(0..) {
            write(name, &format!("{SECRET}{n}"));
        }
        write("key", "sk-first\n");
        write("url", "redis://127.0.0.1:1");
        let sources = sources(&[
            ("EXAI_JWT_SECRET_FILE", &path("jwt")),
            ("EXAI_METRICS_TOKEN_FILE", &path("metrics")),
            ("EXAI_DAEMON_KEY_FILE", &path("daemon")),
            ("ZAI_API_KEY_FILE", &path("key")),
            ("EXAI_STORE__URL_FILE", &path("url")),
        ]);
        let sources = sources.with_files();
        let load = |sources: &Sources| Config::load(sources).unwrap();
        let first = load(&sources);
        assert_eq!(
            secret::changed(&first, &load(&sources.read_again())),
            [""; 0]
        );
        for (name, variable) in [
            ("key", "ZAI_API_KEY"),
            ("jwt", secret::JWT_SECRET),
            ("metrics", secret::METRICS_TOKEN),
            ("daemon", secret::DAEMON_KEY),
        ] {
            let before = load(&sources.read_again());
            write(name, "71c0aa93be52d86f4403fe129d8b7c5a");
            let after = load(&sources.read_again());
            assert_eq!(secret::changed(&before, &after), [variable]);
        }
        write("url", "redis://127.0.0.1:2");
        assert_eq!(load(&sources.read_again()).store.url, "redis://127.0.0.1:2");
        std::fs::remove_file(path("key")).unwrap();
        let faults = Config::load(&sources.read_again()).unwrap_err();
        assert_eq!(faults.0[0].key, "ZAI_API_KEY_FILE");
        write("key", "sk-later");
        let mended = load(&sources.read_again());
        let key = mended.providers["glm"].key.as_ref().unwrap();
        assert_eq!(key.secret.expose_secret(), "sk-later");
    }

    #[test]
    fn a_setting_whose_own_name_ends_so_stays_a_setting() {
        let sources = sources(&[("EXAI_AUTH__POLICY_FILE", "/no/such/file")]).with_files();
        let faults = Config::load(&sources).unwrap_err();
        assert_eq!(faults.0[0].key, "auth.policy_file");
    }

    #[test]
    fn what_cannot_be_read_or_is_said_twice_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("empty"), "\n").unwrap();
        std::fs::write(path("long"), "x".repeat(70_000)).unwrap();
        std::fs::write(path("good"), SECRET).unwrap();
        let said = |variables: &[(&str, &str)]| {
            let faults = Config::load(&sources(variables).with_files()).unwrap_err();
            faults.to_string()
        };
        let table = [
            ("none", "could not be read"),
            ("empty", "is empty"),
            ("long", "holds more than 65536 bytes"),
        ];
        for (name, why) in table {
            let told = said(&[("EXAI_JWT_SECRET_FILE", &path(name))]);
            assert!(
                told.contains("EXAI_JWT_SECRET_FILE") && told.contains(why),
                "{told}"
            );
        }
        let twice = [
            ("EXAI_JWT_SECRET", SECRET),
            ("EXAI_JWT_SECRET_FILE", &path("good")),
        ];
        let told = said(&twice);
        assert!(told.contains("keep one of them"), "{told}");
        let weak = said(&[("EXAI_JWT_SECRET_FILE", &path("none"))]);
        assert!(!weak.contains(SECRET), "{weak}");
    }
}
