use super::*;

fn faults_of(text: &str) -> Vec<Fault> {
    Config::from_toml(text)
        .err()
        .map(|faults| faults.0)
        .unwrap_or_default()
}

fn keys_of(text: &str) -> Vec<String> {
    faults_of(text).into_iter().map(|fault| fault.key).collect()
}

#[test]
fn the_embedded_defaults_are_a_valid_configuration() {
    let config = Config::from_toml("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8079");
    assert_eq!(config.limits.in_flight, 512);
    assert_eq!(config.thread.ttl.as_secs(), 3 * 3600);
    assert_eq!(
        config.providers.keys().collect::<Vec<_>>(),
        ["glm", "kimi", "minimax"]
    );
}

#[test]
fn every_key_of_the_defaults_is_marked_and_described() {
    for (key, entry) in Schema::embedded().unwrap().entries {
        assert!(!entry.note.is_empty(), "{key} has no note");
    }
}

#[test]
fn all_faults_are_reported_at_once_with_key_and_layer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exai.toml");
    std::fs::write(
        &file,
        "[server]\nlisten = 3\nlissten = \"x\"\n[store]\nkind = \"mysql\"\n",
    )
    .unwrap();
    let environment = [
        ("EXAI_LIMITS__BODY_BYTES", "many"),
        ("EXAI_NO_SUCH", "1"),
        ("EXAI_JWT_SECRET", "weak"),
        ("EXAI_REQUIRE", "redis"),
        ("HOME", "/root"),
    ];
    let sources = Sources {
        file: Some(file.clone()),
        environment: environment
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        flags: vec![Flag {
            flag: "--set".into(),
            key: "thread.ttl".into(),
            value: "3d".into(),
        }],
        ..Sources::default()
    };
    let faults = Config::load(&sources).unwrap_err().0;
    let file = format!("file {}", file.display());
    let wanted = [
        ("server.listen", file.as_str()),
        ("server.lissten", &file),
        ("store.kind", &file),
        ("limits.body_bytes", "environment EXAI_LIMITS__BODY_BYTES"),
        ("no_such", "environment EXAI_NO_SUCH"),
        ("EXAI_JWT_SECRET", "environment EXAI_JWT_SECRET"),
        ("thread.ttl", "flag --set"),
    ];
    for (key, layer) in wanted {
        let found = faults
            .iter()
            .any(|fault| fault.key == key && fault.layer == layer);
        assert!(found, "{key} ({layer}) is missing from {faults:#?}");
    }
    assert_eq!(faults.len(), wanted.len(), "{faults:#?}");
}

#[test]
fn a_later_layer_wins() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exai.toml");
    std::fs::write(
        &file,
        "[thread]\nexchanges = 3\n[server]\ndrain = \"1s\"\nlog = \"a\"\n",
    )
    .unwrap();
    let environment = [("EXAI_SERVER__DRAIN", "2s"), ("EXAI_SERVER__LOG", "b")];
    let sources = Sources {
        file: Some(file),
        environment: environment
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        flags: vec![Flag {
            flag: "--set".into(),
            key: "server.log".into(),
            value: "c".into(),
        }],
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.thread.exchanges, 3);
    assert_eq!(config.server.drain.as_secs(), 2);
    assert_eq!(config.server.log, "c");
}

#[test]
fn broken_relations_name_the_outer_key() {
    let table = [
        (
            "[timeouts.prompt]\nworkflow = \"44s\"",
            "timeouts.prompt.workflow",
        ),
        (
            "[timeouts.thinking]\nfirst_token = \"301s\"",
            "timeouts.thinking.total",
        ),
        ("[limits]\nin_flight = 0", "limits.in_flight"),
        ("[limits]\nmemory_bytes = 1048576", "limits.memory_bytes"),
        ("[server]\nlisten = \"0.0.0.0:8079\"", "server.listen"),
        ("[server]\nadmin = \"0.0.0.0:8080\"", "server.admin"),
        (
            "[server]\nallowed_origins = [\"*\"]",
            "server.allowed_origins",
        ),
        (
            "[server]\npublic_url = \"https://exai.example.com/mcp\"",
            "server.public_url",
        ),
        (
            "[provider.glm]\nbase_url = \"http://127.0.0.1:9/\"",
            "provider.glm.base_url",
        ),
        (
            "[provider.mine]\ndialect = \"openai\"\nbase_url = \"https://10.0.0.1/v1\"",
            "provider.mine.base_url",
        ),
        (
            "[provider.kimi]\nmodels = [\"kimi-k2.6\"]",
            "provider.kimi.models",
        ),
        ("[auth]\nmode = \"jwt\"", "auth.jwt.issuer"),
        (
            "[auth]\npolicy_file = \"/no/such/file\"",
            "auth.policy_file",
        ),
        ("[store]\nurl = \"http://x\"", "store.url"),
        ("[ready]\nrequire = [\"moon\"]", "ready.require"),
        ("[timeouts]\nprofile = \"modern\"", "timeouts.profile"),
        (
            "[timeouts]\nprofile = \"classic\"\n[timeouts.classic]\nworkflow = \"44s\"",
            "timeouts.classic.workflow",
        ),
        (
            "[timeouts]\nprofile = \"classic\"\n[timeouts.classic]\ndaemon = \"45s\"",
            "timeouts.classic.daemon",
        ),
    ];
    for (text, key) in table {
        assert!(
            keys_of(text).iter().any(|found| found == key),
            "{text}: {:?}",
            faults_of(text)
        );
    }
}

#[test]
fn the_classic_profile_is_one_ladder_of_wall_clocks_for_both_classes() {
    let config = Config::from_toml("[timeouts]\nprofile = \"classic\"\n").unwrap();
    let timeouts = config.timeouts;
    let millis = |span: std::time::Duration| span.as_millis();
    for clocks in [&timeouts.prompt, &timeouts.thinking] {
        let all = [clocks.first_token, clocks.idle, clocks.total];
        assert_eq!(all.map(millis), [30_000; 3]);
        assert_eq!(
            [clocks.workflow, clocks.expert].map(millis),
            [45_000, 40_000]
        );
    }
    assert_eq!(timeouts.daemon().map(millis), Some(67_500));
    assert_eq!(config.bridge.wall.map(millis), Some(101_250));
    let config = Config::from_toml("").unwrap();
    assert_eq!((config.timeouts.daemon(), config.bridge.wall), (None, None));
}

#[test]
fn only_the_ladder_of_the_chosen_profile_has_to_hold() {
    let broken = "[timeouts.classic]\nbridge = \"1s\"\n";
    assert!(Config::from_toml(broken).is_ok());
    let broken = "[timeouts]\nprofile = \"classic\"\n[timeouts.prompt]\nidle = \"1h\"\n";
    assert!(Config::from_toml(broken).is_ok());
}

#[test]
fn a_private_provider_is_accepted_with_permission_on_its_row() {
    let text = "[provider.mine]\ndialect = \"openai\"\nbase_url = \"http://10.0.0.1/v1\"\n\
                allow_private = true\nmodels = [\"llama\"]\n";
    let config = Config::from_toml(text).unwrap();
    assert_eq!(config.providers["mine"].models, ["llama"]);
}

#[test]
fn aliases_are_free_names_with_dots() {
    let config = Config::from_toml("[models.aliases]\n\"fast.one\" = \"glm-4.6\"\n").unwrap();
    assert_eq!(config.models.aliases["fast.one"], "glm-4.6");
}

#[test]
fn one_changed_key_changes_the_right_digest_only() {
    let base = Config::from_toml("").unwrap().digests;
    let policy = Config::from_toml("[limits]\nin_flight = 511\n")
        .unwrap()
        .digests;
    let site = Config::from_toml("[server]\ninstance = \"a\"\n")
        .unwrap()
        .digests;
    let alias = Config::from_toml("[models.aliases]\nx = \"glm-4.6\"\n")
        .unwrap()
        .digests;
    let same = Config::from_toml("[server]\ndrain = \"20000ms\"\n")
        .unwrap()
        .digests;
    assert!(policy.policy != base.policy && policy.site == base.site);
    assert!(site.policy == base.policy && site.site != base.site);
    assert!(alias.policy == base.policy && alias.site != base.site);
    assert_eq!(same, base);
}

#[test]
fn a_secret_is_in_neither_digest() {
    let with = |secret: Option<&str>| {
        let mut environment = BTreeMap::new();
        if let Some(secret) = secret {
            environment.insert("EXAI_JWT_SECRET".to_owned(), secret.to_owned());
            environment.insert("KIMI_API_KEY".to_owned(), secret.to_owned());
        }
        Config::load(&Sources {
            environment,
            ..Sources::default()
        })
        .unwrap()
    };
    let one = with(Some("9f2c81d4e6b7a0355c1e8f7d2b4a6903"));
    assert_eq!(one.digests, with(None).digests);
    assert!(one.providers["kimi"].key.is_some());
    assert!(!format!("{one:?}").contains("9f2c81d4"));
}
