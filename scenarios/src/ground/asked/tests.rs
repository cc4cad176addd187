//! What the command line may ask of the rig.

use super::*;

#[test]
fn a_word_of_spoil_is_an_edge_or_a_known_launcher() {
    let read = |word: &str| spoiled(Some(&word.parse().unwrap()));
    let (spoil, launcher) = read("canned@client:4+1").unwrap();
    let spoil = spoil.unwrap();
    assert_eq!(
        (spoil.name.as_str(), spoil.edge.as_str()),
        ("canned", "client")
    );
    assert_eq!(
        (spoil.every, spoil.offset, launcher),
        (4, 1, Launcher::Honest)
    );
    for (name, wanted) in LAUNCHERS {
        assert_eq!(read(&format!("{name}@launcher")).unwrap(), (None, wanted));
    }
    let Err(Ending::Usage(says)) = read("kill-everything@launcher") else {
        panic!("an unknown launcher was taken");
    };
    assert!(says.contains("kill-nothing"), "{says}");
    assert_eq!(spoiled(None).unwrap(), (None, Launcher::Honest));
}

#[test]
fn several_instances_are_judged_where_all_that_looks_knows_of_them_and_nowhere_else() {
    let several = |criteria: &[&str], driver| RunArguments {
        criteria: criteria.iter().map(|id| (*id).to_owned()).collect(),
        instances: 2,
        driver,
        ..RunArguments::default()
    };
    let local = |criteria: &[&str]| several(criteria, Driver::Local);
    let contained = several(&["V.1"], Driver::Container);
    let honest = (None, Launcher::Honest);
    let edge = |word: &str| spoiled(Some(&word.parse().unwrap())).unwrap();
    let cases = [
        (
            local(&[]),
            StoreKind::Redis,
            honest.clone(),
            "name the criteria",
        ),
        (
            local(&["V.1", "V.5"]),
            StoreKind::Redis,
            honest.clone(),
            "V.5 is judged on one",
        ),
        (
            local(&["V.1"]),
            StoreKind::Embedded,
            honest.clone(),
            "--store redis",
        ),
        (contained, StoreKind::Redis, honest.clone(), "--driver"),
        (
            local(&["V.1"]),
            StoreKind::Redis,
            edge("echo@client"),
            "--spoil",
        ),
        (
            RunArguments::default(),
            StoreKind::Redis,
            edge("apart@launcher"),
            "--instances 2",
        ),
    ];
    for (arguments, store, spoiled, says) in cases {
        let Err(Ending::Usage(said)) = choose_instances(&arguments, store, &spoiled) else {
            panic!("{arguments:?} was taken");
        };
        assert!(said.contains(says), "{said}");
    }
    for spoiled in [honest, edge("apart@launcher"), edge("echo@kimi")] {
        let named = local(&OF_SEVERAL);
        assert!(choose_instances(&named, StoreKind::Redis, &spoiled).is_ok());
    }
    let (one, none) = (RunArguments::default(), edge("none@client"));
    assert!(choose_instances(&one, StoreKind::Embedded, &none).is_ok());
}

#[test]
fn a_word_for_the_harness_breaks_the_load_or_the_checkers_and_no_edge() {
    let word = |text: &str| -> SpoilWord { text.parse().unwrap() };
    let late = word("late@harness");
    assert_eq!(spoiled(Some(&late)).unwrap(), (None, Launcher::Honest));
    assert_eq!(damaged(Some(&late)).hindrance(), Hindrance::Late);
    let named = ["V.1".to_owned()];
    assert_eq!(damaged(Some(&late)).handicap(&named), Handicap::default());
    let panics = damaged(Some(&word("panics@harness")));
    assert_eq!(panics.hindrance(), Hindrance::None);
    assert!(panics.handicap(&named).panicking.contains("V.1"));
    let befallen = damaged(Some(&word("store-dies@harness")));
    assert_eq!(befallen.mishap(), Some(Mishap::StoreDies));
    assert_eq!(befallen.hindrance(), Hindrance::None);
    assert_eq!(
        (panics.mishap(), damaged(Some(&late)).mishap()),
        (None, None)
    );
    assert!(spoiled(Some(&word("lost-turn@harness"))).is_err());
    for other in [None, Some(&word("late@client"))] {
        assert_eq!(damaged(other), Damage::None);
    }
}
