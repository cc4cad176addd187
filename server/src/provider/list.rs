//! A provider's own list of models.

use serde_json::Value;

use super::dialect::Dialect;
use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::key::Key;
use super::refusal::Refusal;
use super::{PROBE, Provider, exchange, frame};

/// Largest list read, in bytes.
const BODY_BYTES: usize = 1024 * 1024;
/// Most names taken of a list.
const NAMES: usize = 500;
/// Characters of the longest name.
const NAME_CHARS: usize = 200;

impl Provider {
    /// The names of the models that the provider says it has, in its order.
    ///
    /// # Errors
    /// Classified as any answer of the dialect; no text of it holds the key.
    pub async fn list(&self) -> Result<Vec<String>, ProviderFailure> {
        if self.dialect == Dialect::Demo {
            return Ok(vec![Dialect::Demo.name().to_owned()]);
        }
        let key = self.key();
        let listed = tokio::time::timeout(PROBE, self.listed(&key)).await;
        let listed = listed.unwrap_or_else(|_| {
            let said = format!("no list within {} ms", PROBE.as_millis());
            Err(ProviderFailure::new(
                FaultClass::Silent,
                Reaction::FailOver,
                said,
            ))
        });
        listed.map_err(|failure| key.hidden_from(failure))
    }

    async fn listed(&self, key: &Key) -> Result<Vec<String>, ProviderFailure> {
        let request = self.authorised(self.client.get(&self.probe_url), key);
        let response = request.send().await;
        let response = response.map_err(|error| exchange::unreachable_because(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = exchange::whole(response, BODY_BYTES).await?;
        let refusal = Refusal::read(status.as_u16(), &headers, &bytes);
        let body = refusal.json.as_ref().filter(|_| status.is_success());
        match body.filter(|body| !frame::is_error(body)) {
            Some(body) => names(body).ok_or_else(|| {
                let said = "the list of models has no `data`";
                ProviderFailure::new(FaultClass::Malformed, Reaction::FailOver, said)
            }),
            None => Err(frame::classify(self.dialect, &refusal)),
        }
    }
}

/// The ids of a list in the form that all vendors share; what is no plain name is passed over.
fn names(body: &Value) -> Option<Vec<String>> {
    let rows = body.get("data")?.as_array()?;
    let ids = rows.iter().filter_map(|row| row.get("id")?.as_str());
    let is_plain = |id: &&str| {
        !id.is_empty() && id.chars().count() <= NAME_CHARS && !id.chars().any(char::is_control)
    };
    Some(
        ids.filter(is_plain)
            .take(NAMES)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_its_plain_ids_and_bounded() {
        let rows = json!({"data": [{"id": "kimi-k3"}, {"id": ""}, {"id": 3}, {"name": "x"},
            {"id": "two\nlines"}, {"id": "x".repeat(201)}, {"id": "org/model:free"}]});
        assert_eq!(names(&rows).unwrap(), ["kimi-k3", "org/model:free"]);
        assert_eq!(names(&json!({"models": []})), None);
        let many = json!({"data": vec![json!({"id": "m"}); 501]});
        assert_eq!(names(&many).unwrap().len(), 500);
    }
}
