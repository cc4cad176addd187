//! What landing every provider fault asks of the ground.

use exai_harness::server::Settings;
use exai_mocks::provider::Provider;

use super::{CHAT_ROUTE, Ground};
use crate::stage::Trouble;

impl Ground {
    /// Restarts the server with one more provider row: MiniMax over its OpenAI-shaped route.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn serve_chat_route(&self) -> Result<(), Trouble> {
        let minimax = self.topology.vendor(Provider::MiniMax.name())?;
        let url = minimax.base_url().replace("/anthropic", "/v1");
        let variables = vec![minimax.variable().to_owned()];
        let key = |name: &str| format!("provider.{CHAT_ROUTE}.{name}");
        let settings = Settings::default()
            .with(&key("dialect"), "openai")
            .with(&key("base_url"), url)
            .with(&key("allow_private"), true)
            .with(&key("api_key_env"), variables)
            .with(&key("models"), vec!["MiniMax-M3".to_owned()]);
        self.topology.restart_with(&settings).await?;
        Ok(())
    }

    /// The rules of the plan in force that a request of this provider's met.
    ///
    /// # Errors
    /// When its simulator does not answer.
    pub async fn fired(&self, provider: &str) -> Result<Vec<String>, Trouble> {
        let counters = self.topology.vendor(provider)?.simulator().counters().await;
        let counters = counters.map_err(|error| Trouble::Rig(error.to_string()))?;
        let rules = counters.rules.into_iter();
        let fired = rules.filter(|(_, count)| count.fired > 0);
        Ok(fired.map(|(id, _)| id).collect())
    }
}
