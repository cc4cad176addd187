//! Providers' keys that were read again: all are made ready first, then all are put in force.

use super::Router;
use super::settings::provider_rows;
use crate::config::Config;
use crate::provider::ProviderError;
use crate::provider::key::Key;

/// Keys of registered providers that differ from those in force, by the row's name.
#[derive(Debug, Default)]
pub struct Keys(Vec<(String, Key)>);

impl Router {
    /// The keys of a configuration that are not in force yet. Which providers are registered never
    /// changes: a row without a key stays without one.
    ///
    /// # Errors
    /// A key that no header can carry.
    pub fn other_keys(&self, config: &Config) -> Result<Keys, ProviderError> {
        let mut keys = Vec::new();
        for row in provider_rows(config) {
            let registered = self.registered(&row.name);
            if let (Some((_, provider)), Some(secret)) = (registered, &row.key)
                && let Some(key) = provider.other_key(secret)?
            {
                keys.push((row.name, key));
            }
        }
        Ok(Keys(keys))
    }

    /// Puts keys in force. What was said to the old ones counts no longer: quotas that are used up,
    /// and the providers' own lists of models.
    pub fn take_keys(&self, keys: Keys) {
        for (name, key) in keys.0 {
            if let Some((member, provider)) = self.registered(&name) {
                provider.take_key(key);
                member.forget_quota();
                self.lists.clear();
            }
        }
    }
}
