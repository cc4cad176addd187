use proptest::prelude::*;

use super::*;

fn served(name: &str, dialect: Dialect, catalogue: &Catalogue) -> Served {
    let models = catalogue
        .models()
        .iter()
        .filter(|model| model.dialect == dialect && model.successor.is_none())
        .cloned()
        .map(Arc::new)
        .collect();
    Served {
        name: name.to_owned(),
        dialect,
        models,
        has_own_list: false,
    }
}

fn roster(names: &[&str]) -> Roster {
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let (mut all, mut without) = (Vec::new(), Vec::new());
    for dialect in [Dialect::Kimi, Dialect::Glm, Dialect::Minimax, Dialect::Demo] {
        let name = dialect.name();
        if names.contains(&name) {
            all.push(served(name, dialect, &catalogue));
        } else if dialect != Dialect::Demo {
            without.push(Unregistered {
                name: name.to_owned(),
                dialect,
                key_variables: vec![format!("{}_API_KEY", name.to_uppercase())],
                is_disabled: false,
            });
        }
    }
    Roster {
        catalogue,
        served: all,
        unregistered: without,
        aliases: Current::new(BTreeMap::new()),
    }
}

fn ask<'a>(tool: &'a str, model: Option<&'a str>) -> Question<'a> {
    Question {
        tool,
        model,
        ..Question::default()
    }
}

fn shape(question: &Question<'_>, roster: &Roster) -> Vec<String> {
    candidates(question, roster)
        .unwrap()
        .iter()
        .map(|one| format!("{}/{} {}", one.provider, one.model.name, one.reason))
        .collect()
}

#[test]
fn automatic_routes_follow_tool_size_and_wishes() {
    let all = roster(&["kimi", "glm", "minimax"]);
    let quick = shape(&ask("chat", None), &all);
    assert_eq!(
        quick,
        [
            "glm/glm-5-turbo auto_preferred",
            "kimi/kimi-k2.6 fallback_kimi",
            "minimax/MiniMax-M3 fallback_minimax"
        ]
    );
    let first = |question: &Question<'_>| shape(question, &all).remove(0);
    assert_eq!(first(&ask("debug", None)), "kimi/kimi-k2.6 auto_preferred");
    let long = Question {
        tokens: 1201,
        ..ask("chat", Some("auto"))
    };
    assert_eq!(first(&long), "kimi/kimi-k2.6 auto_hint_applied");
    let deep = Question {
        thinking: Some(ThinkingMode::High),
        ..ask("chat", None)
    };
    assert_eq!(
        shape(&deep, &all),
        [
            "kimi/kimi-k3 auto_hint_applied",
            "glm/glm-5.2 fallback_glm",
            "minimax/MiniMax-M3 fallback_minimax"
        ]
    );
    let search = Question {
        websearch: true,
        ..ask("debug", None)
    };
    assert_eq!(first(&search), "glm/glm-5-turbo auto_hint_applied");
    let images = Question {
        has_images: true,
        ..ask("chat", None)
    };
    assert_eq!(first(&images), "glm/glm-5v-turbo auto_preferred");
    let alone = roster(&["minimax"]);
    assert_eq!(
        shape(&ask("chat", None), &alone),
        ["minimax/MiniMax-M3 auto_first_available"]
    );
}

#[test]
fn an_explicit_model_is_honoured_and_followed_by_its_equals() {
    let all = roster(&["kimi", "glm", "minimax"]);
    let own = [("house".to_owned(), "MiniMax-M2.7".to_owned())];
    all.aliases.set(BTreeMap::from(own));
    assert_eq!(
        shape(&ask("chat", Some("HOUSE")), &all),
        [
            "minimax/MiniMax-M2.7 explicit",
            "kimi/kimi-k3 fallback_kimi",
            "glm/glm-5.2 fallback_glm"
        ]
    );
    let routes = candidates(&ask("chat", Some("kimi/kimi-k2.6")), &all).unwrap();
    assert!(
        routes
            .iter()
            .all(|route| route.class() == ModelClass::Prompt),
        "{routes:?}"
    );
}

#[test]
fn each_name_that_cannot_be_served_is_a_typed_refusal() {
    let all = roster(&["kimi", "glm"]);
    let none = roster(&[]);
    let images = Question {
        has_images: true,
        ..ask("chat", Some("glm-5-turbo"))
    };
    let cases = [
        (
            ask("chat", Some("kimi-k2-0905-preview")),
            &all,
            "model_retired",
            "kimi-k2.6",
        ),
        (
            ask("chat", Some("kimi-k2")),
            &all,
            "model_retired",
            "kimi-k2.6",
        ),
        (
            ask("chat", Some("glm5turbo")),
            &all,
            "model_unknown",
            "glm-5-turbo",
        ),
        (ask("chat", Some("demo")), &all, "model_unknown", "demo"),
        (
            ask("chat", Some("MiniMax-M3")),
            &all,
            "provider_key_missing",
            "MINIMAX_API_KEY",
        ),
        (
            ask("chat", None),
            &none,
            "provider_key_missing",
            "exai doctor",
        ),
        (
            ask("chat", Some("kimi-k3")),
            &none,
            "provider_key_missing",
            "KIMI_API_KEY",
        ),
        (images, &all, "model_without_images", "images"),
    ];
    for (question, roster, code, word) in cases {
        let failure = candidates(&question, roster).unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(word), "{failure:?}");
    }
}

#[test]
fn the_demonstration_answers_only_where_nothing_else_can() {
    assert_eq!(
        shape(&ask("chat", None), &roster(&["demo"])),
        ["demo/demo auto_first_available"]
    );
    let both = roster(&["demo", "kimi"]);
    assert_eq!(
        shape(&ask("chat", None), &both),
        ["kimi/kimi-k2.6 auto_first_available"]
    );
    assert_eq!(
        shape(&ask("chat", Some("demo")), &both),
        ["demo/demo explicit"]
    );
    let real = shape(&ask("chat", Some("kimi-k2.6")), &both);
    assert_eq!(real, ["kimi/kimi-k2.6 explicit"]);
}

#[test]
fn tokens_are_estimated_by_script() {
    assert_eq!(estimate_tokens(["abcdefgh"]), 2);
    assert_eq!(estimate_tokens(["漢字漢字漢字漢字漢字"]), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What makes it right to rank one question for all of its shape.
    #[test]
    fn questions_of_one_shape_have_the_same_routes(
        which in proptest::sample::subsequence(vec!["kimi", "glm", "minimax", "demo"], 0..=4),
        model in proptest::option::of("(auto|kimi-k2.6|glm-5v-turbo|MiniMax-M2.7|demo)"),
        (has_images, websearch) in any::<(bool, bool)>(),
        thinking in proptest::option::of(proptest::sample::select(vec![
            ThinkingMode::Minimal, ThinkingMode::Low, ThinkingMode::Max])),
        tokens in proptest::sample::select(vec![0, 1, 1200, 1201, 65_536, 65_537, 128_000,
            200_000, 200_001, 262_144, 1_000_000, 1_000_001, 1_048_576, 1_048_577, 2_000_000]),
        more in 0_u64..300_000,
    ) {
        let roster = roster(&which);
        let bands = crate::router::shape::Bands::of(&roster);
        let one = Question {
            has_images, websearch, thinking, tokens, ..ask("chat", model.as_deref())
        };
        let other = Question { tokens: tokens + more, ..one.clone() };
        if bands.shape(&one) == bands.shape(&other) {
            let routes = [&one, &other].map(|question| candidates(question, &roster).ok());
            prop_assert_eq!(&routes[0], &routes[1]);
        }
    }

    #[test]
    fn every_route_is_served_fits_and_is_named_once(
        which in proptest::sample::subsequence(vec!["kimi", "glm", "minimax", "demo"], 0..=4),
        model in proptest::option::of("(kimi-k2.6|glm-5.2|MiniMax-M3|kimi-k3|glm-4|x{0,5}|/)"),
        (has_images, websearch) in any::<(bool, bool)>(),
        thinking in proptest::option::of(proptest::sample::select(vec![
            ThinkingMode::Minimal, ThinkingMode::Low, ThinkingMode::Max])),
        tokens in 0_u64..2_000_000,
    ) {
        let roster = roster(&which);
        let question =
            Question { has_images, websearch, thinking, tokens, ..ask("chat", model.as_deref()) };
        let Ok(routes) = candidates(&question, &roster) else { return Ok(()) };
        prop_assert!(!routes.is_empty());
        let class = routes[0].class();
        let mut seen = std::collections::BTreeSet::new();
        for route in &routes {
            prop_assert!(seen.insert(route.provider.clone()), "{:?}", routes);
            prop_assert!(which.contains(&route.provider.as_str()));
            prop_assert!(route.model.images || !has_images);
            prop_assert!(tokens <= route.model.context);
            prop_assert!(route.class() == class, "{:?}", routes);
            prop_assert!(!route.reason.is_empty());
        }
    }
}
