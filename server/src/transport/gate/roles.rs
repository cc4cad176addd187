//! What the caller's roles permit of a message.

use super::super::envelope::Envelope;
use super::super::refusal::Refusal;
use super::Gate;
use crate::auth::Principal;
use crate::auth::principal::canonical;
use crate::tool::registry::Found;

impl Gate {
    /// Whether the caller's roles permit a message.
    pub(in crate::transport) fn may(
        &self,
        principal: &Principal,
        envelope: &Envelope,
    ) -> Result<(), Refusal> {
        // Whoever may call tools hears that there is none of a name, not that it is denied.
        let registry = self.toolbox.registry();
        let is_nobody = |tool| matches!(registry.find(&canonical(tool)), Found::Unknown);
        let is_permitted = match (envelope.method.as_deref(), envelope.name.as_deref()) {
            (Some("tools/call"), Some(tool)) => {
                principal.may_call(tool) || (principal.may_use_tools() && is_nobody(tool))
            }
            (Some("tools/call"), None) => principal.may_use_tools(),
            (Some(method), _) => {
                let is_open = ["resources/", "prompts/", "completion/", "tasks/"]
                    .iter()
                    .all(|family| !method.starts_with(family) || method.ends_with("/list"));
                is_open || principal.may_use_tools()
            }
            (None, _) => true,
        };
        is_permitted.then_some(()).ok_or_else(Refusal::forbidden)
    }
}
