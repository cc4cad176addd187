//! The caches of routes, of the providers' own lists and of meaning: what they answer and for how
//! long, and what they never do.

use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, token, wait_for};
use super::provider::{serve_asking, serve_asking_with};
use super::providers::{result, said, started, started_with};
use super::upstream::{LISTED, Upstream};

const METRICS_TOKEN: &str = "0a9b8c7d6e5f40312233445566778899";

/// How often a cache of this name hit and missed.
fn counted(server: &Server, cache: &str) -> (u64, u64) {
    let bearer = format!("Bearer {METRICS_TOKEN}");
    let page = server.admin("/metrics", &[("authorization", &bearer)]).body;
    let of = |family: &str| {
        let start = format!("exai_cache_{family}_total{{cache=\"{cache}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |count| count.trim().parse().unwrap())
    };
    (of("hits"), of("misses"))
}

fn about(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/reply"]
}

fn chat(server: &Server, prompt: &str) -> Value {
    result(server, "chat", json!({ "prompt": prompt }))
}

#[test]
fn routes_are_chosen_once_for_questions_of_one_shape_until_the_time_is_over() {
    let (server, provider) = serve_asking(&["models.choice_ttl=1500ms"]);
    let first = chat(&server, "one");
    let second = chat(&server, "two");
    // The choice is kept, the answer is not: other words are another question.
    assert_eq!(provider.asked(), 2);
    assert_eq!(counted(&server, "model_choice"), (1, 1));
    for field in ["model_used", "provider", "reason"] {
        assert_eq!(about(&first)[field], about(&second)[field], "{second}");
    }
    let long = "word ".repeat(1000);
    let others = [
        json!({ "prompt": long }),
        json!({"prompt": "three", "thinking_mode": "high"}),
        json!({"prompt": "four", "model": "kimi-k2.6"}),
    ];
    for (place, other) in others.iter().enumerate() {
        let answered = result(&server, "chat", other.clone());
        assert_eq!(answered["isError"], false, "{answered}");
        assert_eq!(counted(&server, "model_choice").1, 2 + place as u64);
    }
    let mut turn = 0;
    wait_for("the choice to be made anew", || {
        turn += 1;
        chat(&server, &format!("later {turn}"));
        (counted(&server, "model_choice").1 > 4).then_some(())
    });
}

#[test]
fn a_refused_model_is_refused_anew_and_a_cache_that_is_off_counts_nothing() {
    let (server, provider) = serve_asking(&["models.choice_entries=0"]);
    chat(&server, "one");
    assert_eq!(counted(&server, "model_choice"), (0, 0));
    let (cached, _) = serve_asking(&[]);
    for count in 1..=2 {
        let wrong = json!({"prompt": "x", "model": "kimi-k9"});
        let refused = result(&cached, "chat", wrong);
        let error = &refused["structuredContent"]["error"];
        assert_eq!(error["code"], "model_unknown", "{refused}");
        assert_eq!(counted(&cached, "model_choice"), (0, count));
    }
    assert_eq!(provider.asked(), 1);
}

#[test]
fn a_providers_own_list_is_read_once_until_its_time_is_over_or_it_is_asked_for_anew() {
    let upstream = Upstream::start(|_| said("hello"));
    // Nothing answers at GLM's address.
    let own = [
        "models.list_ttl=2s",
        "provider.glm.base_url=http://127.0.0.1:9/v1",
    ];
    let server = started_with(&upstream, &own, &[]);
    let listed = |name: &str, more: Value| {
        let mut arguments = json!({"show_advanced": true, "include_tools": false});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let told = result(&server, "provider_capabilities", arguments);
        let rows = told["structuredContent"]["providers"]
            .as_array()
            .unwrap()
            .clone();
        let row = rows.iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("{told}"))["listed"].clone()
    };
    // The sign of life at the start reads the same address.
    wait_for("the first probe", || {
        (upstream.requests() > 0).then_some(())
    });
    let before = upstream.requests();
    let first = listed("kimi", json!({}));
    assert_eq!(first["names"], json!(LISTED));
    assert_eq!(first["from_cache"], false, "{first}");
    let again = listed("kimi", json!({}));
    assert_eq!(again["from_cache"], true, "{again}");
    assert_eq!(again["read_at"], first["read_at"]);
    assert_eq!(upstream.requests(), before + 1);
    let anew = listed("kimi", json!({"invalidate_cache": true}));
    assert_eq!(anew["from_cache"], false, "{anew}");
    assert_eq!(upstream.requests(), before + 2);
    // A list that could not be had is no list, and is asked for each time.
    for _ in 0..2 {
        let none = listed("glm", json!({}));
        assert_eq!(none["names"], json!([]), "{none}");
        assert_eq!(none["from_cache"], false, "{none}");
        assert!(none["failure"].is_string(), "{none}");
    }
    assert_eq!(listed("minimax", json!({})), Value::Null);
    wait_for("the list to be too old", || {
        (listed("kimi", json!({}))["from_cache"] == false).then_some(())
    });
    let (hits, misses) = counted(&server, "model_list");
    assert!(hits > 0 && misses > 4, "{hits} hits, {misses} misses");
}

#[test]
fn the_same_question_written_otherwise_is_answered_once_where_that_is_switched_on() {
    let (off, asked_off) = serve_asking(&[]);
    for prompt in ["what is  it?", "what is it?"] {
        assert!(about(&chat(&off, prompt))["from_cache"].is_null());
    }
    assert_eq!(asked_off.asked(), 2);
    assert_eq!(counted(&off, "semantic"), (0, 0));

    let (server, provider) = serve_asking(&["tools.semantic_ttl=10m", "tools.websearch=on"]);
    let first = result(
        &server,
        "chat",
        json!({"prompt": "what is it?", "model": "kimi"}),
    );
    let same = [
        json!({"prompt": "what is  it?\n", "model": "kimi"}),
        json!({"prompt": "what is it?", "model": "kimi-k2.6", "files": []}),
        json!({"prompt": " what is it?", "model": "KIMI", "use_websearch": false}),
    ];
    for one in &same {
        let answered = result(&server, "chat", one.clone());
        assert_eq!(about(&answered)["from_cache"], true, "{one}: {answered}");
        assert_eq!(answered["content"][0], first["content"][0]);
        let footer = answered["content"].to_string();
        assert!(footer.contains("written otherwise"), "{footer}");
    }
    assert_eq!(
        (provider.asked(), counted(&server, "semantic")),
        (1, (3, 1))
    );
    assert_eq!(counted(&server, "result"), (0, 4));
    let other = [
        json!({"prompt": "what is it", "model": "kimi"}),
        json!({"prompt": "What is it?", "model": "kimi"}),
        json!({"prompt": "what is it?"}),
        json!({"prompt": "what is it?", "model": "kimi-k3"}),
        json!({"prompt": "what is it?", "model": "kimi", "temperature": 0.9}),
        json!({"prompt": "what is it?", "model": "kimi", "thinking_mode": "high"}),
        json!({"prompt": "what is it?", "model": "kimi", "use_websearch": true}),
        json!({"prompt": "what is it?", "model": "kimi",
            "files": [{"name": "a.txt", "content": "a"}]}),
    ];
    for (place, one) in other.iter().enumerate() {
        let answered = result(&server, "chat", one.clone());
        assert!(
            about(&answered)["from_cache"].is_null(),
            "{one}: {answered}"
        );
        assert_eq!(provider.asked(), 2 + place, "{one}");
    }
}

#[test]
fn no_cache_answers_across_users_tools_or_turns() {
    let mut settings: Vec<&str> = JWT.into_iter().collect();
    settings.extend(["tools.semantic_ttl=10m", "tools.profile=full"]);
    let env = [
        ("EXAI_JWT_SECRET", SECRET),
        ("EXAI_METRICS_TOKEN", METRICS_TOKEN),
    ];
    let (server, provider) = serve_asking_with(&settings, &env);
    let asks = |who: &str, tool: &str, arguments: Value| {
        let bearer = format!("Bearer {}", token(who, &["user"]));
        let mut headers = call_headers(tool);
        headers.push(("authorization", &bearer));
        server.post(&call(tool, arguments), &headers).json()["result"].clone()
    };
    let same = json!({"prompt": "the same words"});
    let first = asks("ada", "chat", same.clone());
    for (who, tool) in [("eve", "chat"), ("ada", "kimi_intent_analysis")] {
        let before = provider.asked();
        let crossed = asks(who, tool, same.clone());
        assert_ne!(
            about(&crossed)["from_cache"],
            true,
            "{who} {tool}: {crossed}"
        );
        assert!(provider.asked() > before, "{who} {tool} was not asked");
    }
    let id = &about(&first)["continuation_id"];
    for turn in [2, 3] {
        let before = provider.asked();
        let on = asks(
            "ada",
            "chat",
            json!({"prompt": "the same words", "continuation_id": id}),
        );
        assert_eq!(about(&on)["turn"], turn, "{on}");
        assert_eq!(provider.asked(), before + 1);
    }
    let hits = ["result", "semantic", "inflight"].map(|cache| counted(&server, cache).0);
    assert_eq!(hits, [0, 0, 0]);
}

#[test]
fn half_an_answer_and_one_after_a_failover_are_not_kept() {
    let upstream = Upstream::start(|seen| {
        let mut answer = said("hello");
        if seen.body.to_string().contains("half of it") {
            answer["choices"][0]["finish_reason"] = json!("length");
        }
        answer
    });
    let whole = started(&upstream);
    for count in 1..=2 {
        let cut = chat(&whole, "half of it");
        assert_eq!(about(&cut)["incomplete"], "length", "{cut}");
        assert_eq!(upstream.posts().len(), count);
    }
    // GLM comes first for a short chat, and nothing answers at its address.
    let dead = ["provider.glm.base_url=http://127.0.0.1:9/v1"];
    let server = started_with(&upstream, &dead, &[]);
    for count in 3..=4 {
        let second = chat(&server, "all of it");
        assert_eq!(about(&second)["failover"], true, "{second}");
        assert_eq!(about(&second)["from_cache"], Value::Null, "{second}");
        assert_eq!(upstream.posts().len(), count);
    }
}
