//! The verified caller. Transports put one into a request's extensions; nothing else makes one.

use std::sync::Arc;

use super::policy::Policy;

/// Longest name, in bytes.
pub const LONGEST_NAME: usize = 128;

/// Who calls, and what the policy grants them.
#[derive(Debug, Clone)]
pub struct Principal {
    name: String,
    roles: Vec<String>,
    team: Option<String>,
    policy: Arc<Policy>,
}

impl Principal {
    /// A verified caller.
    #[must_use]
    pub fn new(name: String, roles: Vec<String>, policy: Arc<Policy>) -> Self {
        Self {
            name,
            roles,
            team: None,
            policy,
        }
    }

    /// The same caller as a member of a team, whose budget it shares.
    #[must_use]
    pub fn with_team(self, team: Option<String>) -> Self {
        Self { team, ..self }
    }

    /// The caller when authentication is off: `anonymous`, role admin.
    #[must_use]
    pub fn anonymous(policy: Arc<Policy>) -> Self {
        Self::new("anonymous".to_owned(), vec!["admin".to_owned()], policy)
    }

    /// The verified `sub`, or `anonymous`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verified roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The verified team; `None` for a caller without one.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// Whether the policy grants a tool, by the name a caller used or the canonical one.
    #[must_use]
    pub fn may_call(&self, tool: &str) -> bool {
        self.policy.may_call(&self.roles, &canonical(tool))
    }

    /// Whether any tool at all is granted; prompts and resources need that much.
    #[must_use]
    pub fn may_use_tools(&self) -> bool {
        self.policy.may_use_tools(&self.roles)
    }

    /// Whether health detail and the manifest are granted.
    #[must_use]
    pub fn may_administer(&self) -> bool {
        self.policy.may_administer(&self.roles)
    }

    /// Whether metrics are granted.
    #[must_use]
    pub fn may_scrape(&self) -> bool {
        self.policy.may_scrape(&self.roles)
    }
}

/// A tool's name without the suffixes some clients add, in lower case: a denied tool stays denied
/// however its name is dressed.
#[must_use]
pub fn canonical(tool: &str) -> String {
    let lower = tool.to_lowercase();
    let suffixes = ["_exai-ws", "-exai-ws", "_exai_ws", "-exai_ws"];
    let bare = suffixes
        .iter()
        .find_map(|suffix| lower.strip_suffix(suffix));
    match bare.unwrap_or(&lower) {
        "self-check" => "self_check".to_owned(),
        bare => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_tool_stays_denied_however_its_name_is_dressed() {
        let policy = Arc::new(Policy::load("").unwrap());
        let user = Principal::new("u".into(), vec!["user".into()], policy);
        for name in [
            "kimi_manage_files",
            "KIMI_MANAGE_FILES",
            "kimi_manage_files_EXAI-WS",
        ] {
            assert!(!user.may_call(name), "{name} was allowed");
        }
        assert!(user.may_call("chat-EXAI_WS"));
    }
}
