//! Operations on the tools that hand one provider's own interface to their caller.

use exai_judge::operation::ProofKind;
use serde_json::{Map, json};

use super::{Builder, Shape, tool};
use crate::operation::OperationPlan;
use crate::operation::prose::Size;

/// What a preview and its chat are both asked with, since the two tools' defaults differ.
const TEMPERATURE: f64 = 0.3;

impl Builder {
    /// `kimi_chat_with_tools` over messages of every role but the tool's own, and one function
    /// that the model may leave alone; each text carries a tracer.
    pub fn tool_chat(&mut self, deadline: u64) -> OperationPlan {
        let mut planted = Vec::new();
        let messages: Vec<_> = ["system", "user", "assistant", "user"]
            .iter()
            .enumerate()
            .map(|(number, role)| {
                let text = self.plant(&mut planted, format!("message.{number}"), Size::Short);
                json!({"role": role, "content": text})
            })
            .collect();
        let description = self.plant(&mut planted, "function.0".to_owned(), Size::Short);
        let function = json!({
            "name": "look_up",
            "description": description,
            "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
        });
        let mut arguments = Map::new();
        arguments.insert("messages".into(), messages.into());
        arguments.insert(
            "tools".into(),
            json!([{"type": "function", "function": function}]),
        );
        self.keyed(("kimi_chat_with_tools", arguments), planted, 1, deadline)
    }

    /// `glm_payload_preview` of a prompt, and the chat over the same prompt that shows whether the
    /// preview was right. `model` is one of GLM's.
    pub fn preview(&mut self, model: &str, deadline: u64) -> [OperationPlan; 2] {
        let mut arguments = Map::new();
        let shape = Shape {
            model: Some(model.to_owned()),
            ..Shape::plain(deadline)
        };
        let planted = self.prompt(&mut arguments, &shape);
        arguments.insert("temperature".into(), json!(TEMPERATURE));
        let proof = ProofKind::Twin {
            tracers: planted.clone(),
        };
        let ask = tool("glm_payload_preview", arguments.clone());
        let preview = OperationPlan::new(self.numbering.next(), ask, proof, deadline);
        let chat = self.keyed(("chat", arguments), planted, 1, deadline);
        [preview, chat]
    }
}
