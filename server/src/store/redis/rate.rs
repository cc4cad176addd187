//! The rates of several instances: for each bucket when it is full again, by Redis' own clock. All
//! buckets share a slot, since one script takes from many.

use super::{Redis, digest};
use crate::store::StoreError;

fn bucket(name: &str) -> String {
    // A name holds a caller's address or principal.
    format!("exai:{{rate}}:{}", digest(name))
}

impl Redis {
    pub(in crate::store) async fn take_rates(
        &self,
        taken: &[(String, u64)],
    ) -> Result<Vec<u64>, StoreError> {
        let mut call = self.rates.prepare_invoke();
        for (name, micros) in taken {
            call.key(bucket(name)).arg(*micros);
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let left: Vec<u64> = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        if left.len() == taken.len() {
            Ok(left)
        } else {
            Err(StoreError::Corrupt(format!("{} buckets", left.len())))
        }
    }
}
