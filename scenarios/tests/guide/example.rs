//! One call of each tool, as a model would make it.

use serde_json::{Value, json};

/// A call and what it shows.
pub struct Example {
    pub tool: &'static str,
    /// One sentence for people.
    pub says: &'static str,
    pub arguments: Value,
    /// Whether the answer is the tool's error.
    pub is_error: bool,
}

const DIFF: &str = "diff --git a/pay.rs b/pay.rs\n--- a/pay.rs\n+++ b/pay.rs\n@@ -1,3 +1,3 @@\n \
                    fn pay(cents: u64) {\n-    charge(cents);\n+    charge(cents + 1);\n }\n";

const CODE: &str = "fn total(prices: &[u32]) -> u32 {\n    prices.iter().sum()\n}\n";

/// The SHA-256 of [`CODE`].
const DIGEST: &str = "8985f42a2efbdb861cb630881efba211b7c4c746c6876fe98215f5081cdd5468";

/// A workflow in one call, with what is its own.
fn whole(step: &str, findings: &str, own: Value) -> Value {
    let mut call = json!({"step": step, "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": findings});
    let more = own.as_object().cloned().unwrap_or_default();
    call.as_object_mut().expect("an object").extend(more);
    call
}

fn code() -> Value {
    json!([{"name": "total.rs", "content": CODE}])
}

fn example(tool: &'static str, says: &'static str, arguments: Value) -> Example {
    Example {
        tool,
        says,
        arguments,
        is_error: false,
    }
}

/// In the order in which they are called: tools that look back come last.
pub fn all() -> Vec<Example> {
    let mut all = asking();
    all.extend(judging());
    all.extend(laid_out());
    all.extend(direct());
    all.extend(files());
    all.extend(looking());
    all
}

fn asking() -> Vec<Example> {
    let sum = "sum of u32 can overflow";
    vec![
        example(
            "chat",
            "One question, one answer.",
            json!({
            "prompt": "Does this overflow?", "files": code()}),
        ),
        example(
            "analyze",
            "What you found, reviewed by a model.",
            whole("Understand total()", sum, json!({"relevant_files": code()})),
        ),
        example(
            "codereview",
            "The reviewer sees your issues and the files.",
            whole(
                "Review total()",
                sum,
                json!({
                "issues_found": ["high: total.rs:2: sum may overflow"], "relevant_files": code()}),
            ),
        ),
        example(
            "debug",
            "Your evidence and hypothesis, judged.",
            whole(
                "The invoice is negative",
                "total() wrapped",
                json!({
                "hypothesis": "u32 overflow in total()", "relevant_files": code()}),
            ),
        ),
        example(
            "refactor",
            "What to restructure, in which order.",
            whole("Make total() safe", sum, json!({"relevant_files": code()})),
        ),
    ]
}

fn judging() -> Vec<Example> {
    vec![
        example(
            "testgen",
            "Tests that fail when the code breaks.",
            whole(
                "Tests for total()",
                "sum of u32 can overflow",
                json!({"relevant_files": code()}),
            ),
        ),
        example(
            "thinkdeep",
            "Your reasoning, taken further.",
            whole("Saturate or fail?", "Both are possible", json!({})),
        ),
        example(
            "secaudit",
            "An audit of what handles untrusted input.",
            whole(
                "Audit total()",
                "prices come from a request",
                json!({"relevant_files": code()}),
            ),
        ),
        example(
            "precommit",
            "Changes given as a `diff` are reviewed before they are committed.",
            whole(
                "Check this change",
                "one line changed",
                json!({"diff": DIFF}),
            ),
        ),
        example(
            "consensus",
            "Several models argue, one draws the balance.",
            whole(
                "Should total() return u64?",
                "Callers expect u32",
                json!({"models": [
                {"model": "kimi-k2.6", "stance": "for"},
                {"model": "glm-4.6", "stance": "against"}]}),
            ),
        ),
    ]
}

fn laid_out() -> Vec<Example> {
    vec![
        example(
            "planner",
            "A step that is not the last answers with its `next_call`.",
            json!({
            "step": "Widen total() to u64", "step_number": 1, "total_steps": 2,
            "next_step_required": true}),
        ),
        example(
            "tracer",
            "Lines `caller -> callee` become a call flow.",
            whole(
                "Trace the invoice",
                "main -> invoice (main.rs:3)\ninvoice -> total (total.rs:1)",
                json!({"trace_mode": "precision", "target_description": "main"}),
            ),
        ),
        example(
            "docgen",
            "Notes for each file, until all are documented.",
            whole(
                "Document total.rs",
                "total: sums prices in cents",
                json!({
                "document_complexity": true, "document_flow": false, "update_existing": true,
                "comments_on_complex_logic": true, "num_files_documented": 1,
                "total_files_to_document": 1}),
            ),
        ),
        example(
            "challenge",
            "A statement handed back to be checked.",
            json!({
            "prompt": "You are wrong: sum() never overflows."}),
        ),
        example(
            "test_echo",
            "The text comes back.",
            json!({"text": "hello"}),
        ),
    ]
}

fn direct() -> Vec<Example> {
    let messages = json!([{"role": "user", "content": "Rain in Bern?"}]);
    let weather = json!({"type": "function", "function": {"name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}});
    vec![
        example(
            "kimi_chat_with_tools",
            "Kimi answers, or chooses a function that you run.",
            json!({
            "messages": messages, "tools": [weather]}),
        ),
        example(
            "glm_payload_preview",
            "The body that would be sent; nothing is.",
            json!({
            "prompt": "Does this overflow?"}),
        ),
        Example {
            tool: "glm_web_search",
            says: "Pages, not an answer. The simulators have no search engine, so this is the \
                   error of a provider without one.",
            arguments: json!({"search_query": "u32 overflow"}),
            is_error: true,
        },
        Example {
            tool: "kimi_intent_analysis",
            says: "What a request asks for. A simulator does not write the JSON asked for, so this \
                   is the error of a model that would not.",
            arguments: json!({"prompt": "Review my code, please."}),
            is_error: true,
        },
        example(
            "kimi_capture_headers",
            "Headers there and back, secrets left out.",
            json!({
            "messages": messages}),
        ),
    ]
}

fn files() -> Vec<Example> {
    let handle = format!("exai://file/{DIGEST}");
    let file = json!({"name": "total.rs", "content": CODE});
    vec![
        example(
            "smart_file_query",
            "A question about one file, which is stored. A file this small stands in the question.",
            json!({"file_path": file, "question": "What is the sum of no prices?"}),
        ),
        example(
            "smart_file_download",
            "The same file back, by the SHA-256 of its content.",
            json!({ "file_id": handle }),
        ),
        example(
            "kimi_manage_files",
            "For administrators: what is kept at Kimi, and how many refer to it.",
            json!({"operation": "list"}),
        ),
    ]
}

fn looking() -> Vec<Example> {
    vec![
        example("listmodels", "Which models can be named.", json!({})),
        example("version", "Which build answers.", json!({})),
        example("status", "What works, what is hidden and why.", json!({})),
        example("health", "The server's own state.", json!({})),
        example(
            "self_check",
            "Keys, tools and parts, checked one by one.",
            json!({}),
        ),
        example(
            "provider_capabilities",
            "What each provider can do.",
            json!({}),
        ),
        example("activity", "Your last calls.", json!({"lines": 10})),
        example(
            "toolcall_log_tail",
            "The same as JSON lines.",
            json!({"n": 3}),
        ),
    ]
}
