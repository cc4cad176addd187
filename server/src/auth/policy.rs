//! Role-based access: a TOML file from role to tools, deny by default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Names of models; `None` is any.
    models: Option<BTreeSet<String>>,
    /// Names of provider rows; `None` is any.
    providers: Option<BTreeSet<String>>,
}

impl Grant {
    fn may_ask(&self, provider: &str, model: Option<&str>) -> bool {
        let holds = |names: &Option<BTreeSet<String>>, name: &str| {
            names.as_ref().is_none_or(|names| names.contains(name))
        };
        holds(&self.providers, provider) && model.is_none_or(|model| holds(&self.models, model))
    }
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

    /// Whether one of the roles may ask a model at a provider row; without a model, the provider at
    /// all. Roles that the policy does not know may call no tool, so nothing is left to bound.
    #[must_use]
    pub fn may_ask(&self, roles: &[String], provider: &str, model: Option<&str>) -> bool {
        let mut grants = self.grants(roles).peekable();
        grants.peek().is_none() || grants.any(|grant| grant.may_ask(provider, model))
    }

    fn grants<'a>(&'a self, roles: &'a [String]) -> impl Iterator<Item = &'a Grant> {
        roles.iter().filter_map(|role| self.roles.get(role))
    }
}

/// What a caller may ask, by the policy in force when the call began; by default anything.
#[derive(Debug, Clone, Default)]
pub struct MayAsk(Option<(Arc<Policy>, Arc<[String]>)>);

impl MayAsk {
    /// What these roles may ask.
    #[must_use]
    pub const fn of(policy: Arc<Policy>, roles: Arc<[String]>) -> Self {
        Self(Some((policy, roles)))
    }

    /// As [`Policy::may_ask`].
    #[must_use]
    pub fn permits(&self, provider: &str, model: Option<&str>) -> bool {
        let of = self.0.as_ref();
        of.is_none_or(|(policy, roles)| policy.may_ask(roles, provider, model))
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
    fn a_tool_that_comes_later_is_denied_to_users_until_it_is_listed() {
        let policy = Policy::load("").unwrap();
        assert!(!policy.may_call(&roles(&["user"]), "tool_of_tomorrow"));
        let text = "[roles.user]\ntools = [\"version\", \"tool_of_tomorrow\"]\n";
        let listed = Policy::parse(text).unwrap();
        assert!(listed.may_call(&roles(&["user"]), "tool_of_tomorrow"));
    }

    #[test]
    fn models_and_providers_outside_a_roles_lists_may_not_be_asked() {
        let text = "[roles.any]\ntools = [\"chat\"]\n[roles.glm]\nproviders = [\"glm\"]\n\
            [roles.one]\nproviders = [\"kimi\"]\nmodels = [\"kimi-k2.6\"]\n";
        let policy = Policy::parse(text).unwrap();
        let table = [
            (&["any"][..], "kimi", Some("kimi-k3"), true),
            (&["glm"], "glm", Some("glm-5"), true),
            (&["glm"], "kimi", None, false),
            (&["one"], "kimi", Some("kimi-k2.6"), true),
            (&["one"], "kimi", Some("kimi-k3"), false),
            (&["one"], "glm", Some("kimi-k2.6"), false),
            (&["one", "glm"], "glm", Some("glm-5"), true),
            (&["glm", "any"], "kimi", Some("kimi-k3"), true),
        ];
        for (names, provider, model, allowed) in table {
            let may = policy.may_ask(&roles(names), provider, model);
            assert_eq!(may, allowed, "{names:?} {provider} {model:?}");
        }
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
