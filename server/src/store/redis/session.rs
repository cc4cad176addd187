//! Sessions of revision 2025-11-25: the handshake of each, under its owner and a digest of its id.
//! An id is a credential, so Redis does not hold it.

use std::time::Duration;

use redis::Value;

use super::{Keys, Redis, digest};
use crate::store::StoreError;

/// Answers whether a session is there. It is prolonged only when less than `ARGV[1]` ms are left:
/// each write waits for the disk, and a session has many requests. `ARGV[2]`: its new life in ms.
pub(super) const LOOK: &str = "local left = redis.call('PTTL', KEYS[1])
    if left < 0 then return 0 end
    if left < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 1";

impl Keys {
    fn session(&self, id: &str) -> String {
        format!("exai:{{{}}}:session:{}", self.tag, digest(id))
    }
}

impl Redis {
    pub(in crate::store) async fn keep_session(
        &self,
        owner: &str,
        id: &str,
        handshake: &str,
        idle: Duration,
    ) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command
            .arg(Keys::of(owner).session(id))
            .arg(handshake)
            .arg("PX")
            .arg(life(idle));
        let (mut manager, ticket) = self.link.manager().await?;
        let _: Value = self
            .link
            .settle(ticket, command.query_async(&mut manager).await)?;
        Ok(())
    }

    pub(in crate::store) async fn has_session(
        &self,
        owner: &str,
        id: &str,
        idle: Duration,
    ) -> Result<bool, StoreError> {
        let mut call = self.look.prepare_invoke();
        call.key(Keys::of(owner).session(id))
            .arg(milliseconds(idle))
            .arg(life(idle));
        let (mut manager, ticket) = self.link.manager().await?;
        self.link
            .settle(ticket, call.invoke_async(&mut manager).await)
    }

    pub(in crate::store) async fn handshake(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(Keys::of(owner).session(id));
        let (mut manager, ticket) = self.link.manager().await?;
        self.link
            .settle(ticket, command.query_async(&mut manager).await)
    }

    pub(in crate::store) async fn end_session(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(Keys::of(owner).session(id));
        let (mut manager, ticket) = self.link.manager().await?;
        let _: Value = self
            .link
            .settle(ticket, command.query_async(&mut manager).await)?;
        Ok(())
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 2)
}

/// How long a session is kept, so that after any request at least `idle` of it is left.
fn life(idle: Duration) -> u64 {
    milliseconds(idle + idle / 8).max(1)
}
