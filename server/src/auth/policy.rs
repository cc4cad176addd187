//! Role-based access: a TOML file from role to tools, deny by default.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The policy used when `auth.policy_file` is empty.
pub const DEFAULT_POLICY: &str = include_str!("policy.toml");

/// Tools that change or delete something outside the caller's own threads; role admin only,
/// unless a policy names them.
const DESTRUCTIVE: [&str; 1] = ["kimi_manage_files"];

/// What a policy file got wrong.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file could not be read.
    #[error("the role policy could not be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is not a policy.
    #[error("the role policy could not be parsed: {0}")]
    Unparsable(String),
    /// The file grants nothing.
    #[error("the role policy names no role; an empty policy would lock everybody out")]
    Empty,
}

/// What one role may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[serde(default)]
    tools: BTreeSet<String>,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    metrics: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    roles: BTreeMap<String, Grant>,
}

/// Role to grants; a role that is not listed may do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    roles: BTreeMap<String, Grant>,
    text: String,
}

impl Policy {
    /// Reads the file, or the embedded policy when the path is empty.
    ///
    /// # Errors
    /// When the file cannot be read, is no policy, or names no role.
    pub fn load(path: &str) -> Result<Self, PolicyError> {
        if path.is_empty() {
            return Self::parse(DEFAULT_POLICY);
        }
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads a policy's text.
    ///
    /// # Errors
    /// When the text is no policy or names no role.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let document: Document = toml::from_str(text)
            .map_err(|error| PolicyError::Unparsable(error.message().to_owned()))?;
        if document.roles.is_empty() {
            return Err(PolicyError::Empty);
        }
        Ok(Self {
            roles: document.roles,
            text: text.to_owned(),
        })
    }

    /// A policy that grants nothing, for a configuration already known to be wrong.
    pub(crate) fn deny_all() -> Self {
        Self {
            roles: BTreeMap::new(),
            text: String::new(),
        }
    }

    /// The text the policy was read from, for its digest.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether one of the roles may call a tool, by its canonical name.
    #[must_use]
    pub fn may_call(&self, roles: &[String], tool: &str) -> bool {
        let is_safe = !DESTRUCTIVE.contains(&tool);
        self.grants(roles).any(|grant| {
            let named = |name: &str| grant.tools.contains(name);
            named("*") || named(tool) || (is_safe && named("*-safe"))
        })
    }

    /// Whether one of the roles may call any tool at all.
    #[must_use]
    pub fn may_use_tools(&self, roles: &[String]) -> bool {
        self.grants(roles).any(|grant| !grant.tools.is_empty())
    }

    /// Whether one of the roles may see health detail and the manifest.
    #[must_use]
    pub fn may_administer(&self, roles: &[String]) -> bool {
        self.grants(roles).any(|grant| grant.admin)
    }

    /// Whether one of the roles may scrape metrics.
    #[must_use]
    pub fn may_scrape(&self, roles: &[String]) -> bool {
        self.grants(roles).any(|grant| grant.metrics)
    }

    fn grants<'a>(&'a self, roles: &'a [String]) -> impl Iterator<Item = &'a Grant> {
        roles.iter().filter_map(|role| self.roles.get(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_embedded_policy_denies_what_it_does_not_list() {
        let policy = Policy::load("").unwrap();
        let table = [
            (&["admin"][..], "chat", true),
            (&["admin"], "kimi_manage_files", true),
            (&["user"], "chat", true),
            (&["user"], "kimi_manage_files", false),
            (&["metrics"], "chat", false),
            (&["nobody"], "chat", false),
            (&["ADMIN"], "chat", false),
            (&[], "version", false),
            (&["metrics", "user"], "version", true),
        ];
        for (names, tool, allowed) in table {
            assert_eq!(
                policy.may_call(&roles(names), tool),
                allowed,
                "{names:?} {tool}"
            );
        }
        assert!(policy.may_scrape(&roles(&["metrics"])));
        assert!(!policy.may_scrape(&roles(&["user"])));
        assert!(policy.may_administer(&roles(&["admin"])));
        assert!(!policy.may_administer(&roles(&["metrics"])));
    }

    #[test]
    fn an_empty_or_broken_policy_is_refused() {
        for text in [
            "",
            "[roles]\n",
            "roles = 3",
            "[roles.user]\ntols = []\n",
            "[[[",
        ] {
            assert!(Policy::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
