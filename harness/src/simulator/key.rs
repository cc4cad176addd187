//! Keys in the shapes the vendors issue, made for one run.

use exai_mocks::provider::Provider;
use serde::Serialize;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What a vendor makes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Served.
    Valid,
    /// Belongs to the other region's host.
    WrongRegion,
    /// The account is empty.
    NoBalance,
    /// Belongs to another product of the vendor.
    WrongPlan,
}

/// A row of a simulator's key table.
#[derive(Clone, Serialize)]
pub struct KeyRow {
    /// The secret.
    pub key: String,
    /// Its name in journals.
    pub id: String,
    /// The tier whose limits it has; `unlimited` has none.
    pub tier: String,
    /// What the vendor makes of it.
    pub state: KeyState,
}

impl KeyRow {
    /// A fresh good key without limits, of the vendor's own shape.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn fresh(provider: Provider) -> Result<Self, getrandom::Error> {
        let key = match provider {
            Provider::Kimi => format!("sk-{}", letters(48)?),
            Provider::Glm => format!("{}.{}", letters(32)?.to_lowercase(), letters(16)?),
            Provider::MiniMax => format!("sk-api-{}", letters(96)?),
        };
        Ok(Self {
            key,
            id: format!("{}-main", provider.name()),
            tier: "unlimited".to_owned(),
            state: KeyState::Valid,
        })
    }
}

fn letters(count: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes)?;
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    Ok(bytes.into_iter().map(letter).collect())
}
