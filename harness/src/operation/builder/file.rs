//! Operations on stored files: a question about one, and the same file given back.

use exai_judge::hex::sha256;
use exai_judge::operation::{Planted, ProofKind};
use serde_json::{Map, json};

use super::{Builder, tool};
use crate::operation::OperationPlan;
use crate::operation::prose::Size;

/// A file that a question has left at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftFile {
    handle: String,
    tracer: Planted,
}

impl Builder {
    /// `smart_file_query` about a file of this size, read by `provider`; the file afterwards.
    pub fn file_query(
        &mut self,
        provider: &str,
        size: Size,
        deadline: u64,
    ) -> (OperationPlan, LeftFile) {
        let mut planted = Vec::new();
        let question = self.plant(&mut planted, "prompt".to_owned(), Size::Short);
        let content = self.plant(&mut planted, "file.0".to_owned(), size);
        let left = LeftFile {
            handle: format!("exai://file/{}", sha256(content.as_bytes())),
            tracer: planted.last().cloned().unwrap_or_else(|| Planted {
                slot: String::new(),
                text: String::new(),
            }),
        };
        let mut arguments = Map::new();
        let file = json!({"name": self.prose.file_name(), "content": content});
        arguments.insert("file_path".into(), file);
        arguments.insert("question".into(), question.into());
        arguments.insert("provider".into(), provider.into());
        let plan = self.keyed(("smart_file_query", arguments), planted, 1, deadline);
        (plan, left)
    }

    /// `smart_file_download` of a file that was left: its tracer comes back, and this request
    /// carries no more of it than a digest.
    pub fn file_download(&mut self, left: &LeftFile, deadline: u64) -> OperationPlan {
        let mut arguments = Map::new();
        arguments.insert("file_id".into(), left.handle.as_str().into());
        let proof = ProofKind::Memory {
            tracers: vec![left.tracer.clone()],
        };
        let ask = tool("smart_file_download", arguments);
        OperationPlan::new(self.numbering.next(), ask, proof, deadline)
    }
}
