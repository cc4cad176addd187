//! Kept calls: a hash each, and beside it a key that lives as long as somebody works on the call.

use std::collections::HashMap;

use redis::Value;

use super::{Keys, Redis};
use crate::store::{ALIVE_MS, CallChange, CallId, CallStep, StoreError, StoredCall};

impl Redis {
    pub(in crate::store) async fn change_call(
        &self,
        change: &CallChange,
    ) -> Result<(), StoreError> {
        let key = Keys::of(&change.owner).call(change.id);
        let alive = alive(&key);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut pipe = redis::pipe();
        pipe.atomic();
        if let CallStep::Begin { facts } = &change.step {
            pipe.hset_nx(&key, "facts", facts);
            pipe.hset_nx(&key, "created", change.now_ms);
            pipe.hset_nx(&key, "updated", change.now_ms);
            pipe.cmd("PEXPIRE")
                .arg(&key)
                .arg(self.limits.ttl_ms)
                .arg("NX");
            pipe.pset_ex(&alive, "1", ALIVE_MS);
            let _: Value = self
                .link
                .settle(ticket, pipe.query_async(&mut manager).await)?;
            return Ok(());
        }
        let mut call = self.call.prepare_invoke();
        call.key(&key).key(&alive);
        let (word, text) = match &change.step {
            CallStep::Settle { outcome } => ("settle", outcome.as_str()),
            CallStep::AskCancel => ("cancel", ""),
            CallStep::Begin { .. } | CallStep::Beat => ("beat", ""),
        };
        call.arg(word).arg(change.now_ms).arg(ALIVE_MS);
        call.arg(self.limits.ttl_ms).arg(text);
        let changed: u32 = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        if changed == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    pub(in crate::store) async fn read_call(
        &self,
        owner: &str,
        id: CallId,
    ) -> Result<StoredCall, StoreError> {
        let key = Keys::of(owner).call(id);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut pipe = redis::pipe();
        pipe.atomic().hgetall(&key).pttl(&key).exists(alive(&key));
        let (mut fields, ttl, is_alive): (HashMap<String, String>, i64, bool) = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        let Some(facts) = fields.remove("facts") else {
            return Err(StoreError::NotFound);
        };
        let number = |name: &str| {
            let text = fields.get(name).map(String::as_str);
            let number = text.and_then(|text| text.parse().ok());
            number.ok_or_else(|| StoreError::Corrupt(format!("{name} of call {id}")))
        };
        Ok(StoredCall {
            created_ms: number("created")?,
            updated_ms: number("updated")?,
            is_cancel_asked: fields.contains_key("cancel"),
            is_alive,
            ttl_ms: u64::try_from(ttl).unwrap_or(0),
            outcome: fields.remove("outcome"),
            facts,
        })
    }
}

fn alive(key: &str) -> String {
    format!("{key}:alive")
}
