//! `consensus`.

use super::*;
use crate::failure::Category;

fn question(models: Value) -> Value {
    json!({
        "step": "Shall we?",
        "step_number": 1,
        "total_steps": 2,
        "next_step_required": false,
        "findings": "known fact",
        "relevant_files": [{"name": "a.rs", "content": "fn a() {}"}],
        "models": models,
    })
}

#[tokio::test]
async fn each_member_is_asked_itself_with_its_stance_and_the_chair_sees_all_answers() {
    let table: Table = Arc::new(|ask| {
        let model = ask.model.clone().unwrap();
        Ok(if last_text(ask).contains("Your part: chair") {
            "the balance".into()
        } else {
            format!("opinion of {model}")
        })
    });
    let bench = Bench::new("", table).await;
    let models = json!([
        {"model": "kimi-k2", "stance": "for", "stance_prompt": "think of cost"},
        {"model": "glm-5", "stance": "against"},
        {"model": "kimi-k2"},
    ]);
    let reply = bench.call("consensus", question(models)).await.unwrap();
    assert_eq!(
        reply.text,
        "## kimi-k2 (for)\n\nopinion of kimi-k2\n\n## glm-5 (against)\n\nopinion of glm-5\n\n\
         ## kimi-k2 (neutral)\n\nopinion of kimi-k2\n\n## Synthesis (auto)\n\nthe balance"
    );
    let asked = bench.questions();
    assert_eq!(asked.len(), 4);
    for (n, ask) in asked.iter().enumerate() {
        for part in ["Shall we?", "known fact", "fn a() {}"] {
            assert!(last_text(ask).contains(part), "question {n} lacks {part}");
        }
        assert_eq!(ask.system, asked[0].system);
    }
    let parts = ["stance: for", "stance: against", "stance: neutral"];
    for part in parts {
        assert_eq!(
            asked
                .iter()
                .filter(|ask| last_text(ask).contains(part))
                .count(),
            1,
            "{part}"
        );
    }
    let about_cost = asked
        .iter()
        .filter(|ask| last_text(ask).contains("think of cost"))
        .count();
    assert_eq!(about_cost, 1);
    assert!(last_text(&asked[3]).contains("opinion of glm-5"));
    let kept = reply.about.unwrap().kept;
    assert_eq!(kept.trace["tokens"]["input"], 12);
    assert_eq!(kept.trace["cost_usd"], 2.0);
    assert_eq!(kept.trace["answers"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_member_that_cannot_answer_fails_the_call_by_name() {
    let table: Table = Arc::new(|ask| match ask.model.as_deref() {
        Some("glm-5") => Err(Failure::new(
            Category::ProviderError,
            "refused",
            "It said no.",
        )),
        _ => Ok("fine".into()),
    });
    let bench = Bench::new("", table).await;
    let models = json!([{"model": "kimi-k2"}, {"model": "glm-5"}]);
    let failure = bench.call("consensus", question(models)).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.category),
        ("refused", Category::ProviderError)
    );
    assert_eq!(failure.message, "glm-5 could not answer. It said no.");
}

#[tokio::test]
async fn a_panel_needs_members_each_once_and_is_complete_after_one_step() {
    let bench = Bench::echoing().await;
    let twice = json!([{"model": "a", "stance": "for"}, {"model": "a", "stance": "for"}]);
    let failure = bench.call("consensus", question(twice)).await.unwrap_err();
    assert_eq!(failure.field.as_deref(), Some("/models/1"));
    let mut none = question(json!([{"model": "a"}]));
    none.as_object_mut().unwrap().remove("models");
    let failure = bench.call("consensus", none).await.unwrap_err();
    assert_eq!(failure.field.as_deref(), Some("/models"));
    assert!(failure.message.contains("kimi-k2"), "{}", failure.message);
    let mut second = question(json!([{"model": "a"}]));
    second["step_number"] = json!(2);
    let failure = bench.call("consensus", second).await.unwrap_err();
    assert_eq!(failure.code, "already_complete");
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn without_an_assistant_model_there_is_no_synthesis() {
    let bench = Bench::echoing().await;
    let mut alone = question(json!([{"model": "a"}]));
    alone["use_assistant_model"] = json!(false);
    let reply = bench.call("consensus", alone).await.unwrap();
    assert!(!reply.text.contains("## Synthesis"));
    assert_eq!(bench.questions().len(), 1);
}
