//! JSON-RPC on one connection: a request is open from the moment it is read until its answer is on
//! its way, or its caller cancels it.

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, JsonRpcRequest,
    RequestId,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};

use super::{Ended, Open, Unopened};
use crate::transport::refusal::Refusal;

/// A message for the protocol.
pub type Incoming = RxJsonRpcMessage<RoleServer>;

impl<T> Open<T> {
    /// Reads a message; a request is open from here on and holds what `hold` makes for it.
    ///
    /// # Errors
    /// No message of the protocol, an id that is taken, too many open requests, or what `hold`
    /// says.
    pub fn read(
        &self,
        text: &[u8],
        hold: impl FnOnce(&mut JsonRpcRequest<ClientRequest>) -> Result<T, Refusal>,
    ) -> Result<Incoming, Refusal> {
        let mut message: ClientJsonRpcMessage = serde_json::from_slice(text).map_err(|_| {
            let why = "The parameters do not fit the method; see the schema of its revision.";
            Refusal::invalid("invalid_request", why)
        })?;
        match &mut message {
            JsonRpcMessage::Request(request) => {
                let held = hold(request)?;
                let begun = self.begin(&key(&request.id), held);
                begun.map_err(Unopened::refusal)?;
            }
            JsonRpcMessage::Notification(note) => {
                // A cancelled request is never answered, so it ends here.
                if let ClientNotification::CancelledNotification(cancelled) = &note.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    drop(self.end(&key(id)));
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Ok(message)
    }

    /// Frees the id that a message answers. Dropped once the answer is on its way.
    pub fn answered(&self, message: &TxJsonRpcMessage<RoleServer>) -> Option<Ended<T>> {
        let id = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        self.end(&key(id?))
    }
}

/// The string "7" and the number 7 are different ids.
fn key(id: &RequestId) -> String {
    id.clone().into_json_value().to_string()
}
