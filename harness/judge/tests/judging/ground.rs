//! The ground at its edges: whose moment lies in a taint, in a fault's window, in a phase.

use exai_judge::Reason;
use exai_judge::fault::{FaultKind, Step};
use exai_judge::ground::{Ground, RIG, SAMPLER_GAP, Taint};
use exai_judge::observation::{
    Change, CompanySeen, ContainerSeen, Event, Form, Mount, PathChanged, PeerSeen, PhaseMark,
};

use crate::catalogue;
use crate::world::{Ask, INSTANCE, S, World, idle, proven};

/// Surveyed by the numbers of `full`: a tail of 5 s, gaps of 5 s.
fn survey(world: &World) -> Ground {
    let numbers = catalogue::criteria().ground("full").unwrap();
    assert_eq!(numbers.nanos("window_tail_s").unwrap(), 5 * S);
    assert_eq!(numbers.nanos("gap_s").unwrap(), 5 * S);
    Ground::survey(&numbers, world.out.iter().cloned()).unwrap()
}

fn mark(world: &mut World, at: u64, of: (&str, &str), ended: bool) {
    let mark = PhaseMark {
        criterion: of.0.to_owned(),
        phase: of.1.to_owned(),
        ended,
    };
    world.push(at, Event::Phase(mark));
}

fn killed(steps: &[(u64, Step)]) -> Ground {
    let mut world = World::new();
    world.fault("kimi.kill.1", "kimi", FaultKind::Kill, steps);
    survey(&world)
}

#[test]
fn a_taint_touches_what_shares_a_moment_with_it_and_nothing_else() {
    let mut world = World::new();
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: 20,
        detail: String::new(),
    };
    world.push(10, rig);
    let ground = survey(&world);
    let cases = [
        ((0, 9), false),
        ((0, 10), true),
        ((12, 13), true),
        ((20, 30), true),
        ((21, 30), false),
    ];
    for ((from, until), wanted) in cases {
        assert_eq!(ground.is_tainted(from, until), wanted, "{from} to {until}");
    }
}

#[test]
fn a_fault_window_runs_from_the_break_to_the_tail_after_the_heal() {
    let healed = killed(&proven(10 * S, 20 * S));
    let open = killed(&proven(10 * S, 20 * S)[..3]);
    let cases = [
        ((0, 10 * S - 1), false, false),
        ((0, 10 * S), true, true),
        ((25 * S, 26 * S), true, true),
        ((25 * S + 1, 26 * S), false, true),
        ((900 * S, 901 * S), false, true),
    ];
    for ((from, until), wanted, unhealed) in cases {
        let seen = healed.is_in_fault_window(from, until);
        assert_eq!(seen, wanted, "{from} to {until}");
        let seen = open.is_in_fault_window(from, until);
        assert_eq!(seen, unhealed, "{from} to {until}, never healed");
    }
    let planned = killed(&[(10 * S, Step::NotLanded { why: String::new() })]);
    assert!(!planned.is_in_fault_window(0, 90 * S), "never injected");
}

#[test]
fn a_fault_is_proven_by_cause_effect_and_heal_together_and_the_first_of_each_counts() {
    let steps = proven(10 * S, 20 * S);
    assert!(killed(&steps).summary.faults[0].is_proven());
    for missing in 1..4 {
        let mut some = steps.clone();
        some.remove(missing);
        let ground = killed(&some);
        assert!(!ground.summary.faults[0].is_proven(), "without {missing}");
    }
    let mut twice = steps;
    twice.extend(proven(30 * S, 40 * S));
    let ground = killed(&twice);
    let [life] = ground.summary.faults.as_slice() else {
        panic!("one fault has one life: {:?}", ground.summary.faults)
    };
    assert_eq!((life.first, life.injected), (10 * S, Some(10 * S)));
    assert_eq!(life.healed, Some(20 * S));
    assert!(life.cause < Some(11 * S) && life.effect < Some(11 * S));
}

#[test]
fn a_fault_that_something_spoke_against_has_not_landed_whatever_else_was_proven() {
    for at in 0..4 {
        let mut steps = proven(10 * S, 20 * S);
        let why = "1 chunk, shortest 0ns".to_owned();
        steps.insert(at, (steps[at].0, Step::NotLanded { why: why.clone() }));
        let ground = killed(&steps);
        let life = &ground.summary.faults[0];
        assert_eq!(life.not_landed, Some(why));
        assert!(life.cause < life.effect && life.effect < life.healed);
        assert!(!life.has_landed() && !life.is_proven(), "{life:?}");
        assert!(ground.is_in_fault_window(11 * S, 12 * S), "it was injected");
    }
}

#[test]
fn a_phase_holds_both_its_ends_and_only_its_own_end_closes_it() {
    let mut world = World::new();
    mark(&mut world, 10, ("V.5", "main"), false);
    mark(&mut world, 12, ("V.5", "other"), true);
    mark(&mut world, 13, ("V.6", "main"), true);
    mark(&mut world, 20, ("V.5", "main"), true);
    mark(&mut world, 30, ("V.5", "main"), false);
    mark(&mut world, 40, ("V.6", "main"), true);
    mark(&mut world, 50, ("V.5", "other"), true);
    let ground = survey(&world);
    let cases = [(9, false), (10, true), (20, true), (21, false), (30, true)];
    for (at, wanted) in cases {
        assert_eq!(ground.is_within("V.5", at), wanted, "{at}");
        assert!(!ground.is_within("V.6", at), "{at}");
    }
    assert!(ground.is_within("V.5", u64::MAX), "it never ended");
    let spans = |criterion, phase| ground.spans(criterion, phase).count();
    assert_eq!(spans("V.5", "main"), 2);
    assert_eq!((spans("V.6", "main"), spans("V.5", "other")), (0, 0));
}

#[test]
fn the_last_phase_that_is_open_is_the_one_that_ends() {
    let mut world = World::new();
    for (at, ended) in [(10, false), (20, false), (30, true)] {
        mark(&mut world, at, ("V.3", "peak"), ended);
    }
    let ground = survey(&world);
    let ends: Vec<_> = ground.spans("V.3", "peak").map(|span| span.until).collect();
    assert_eq!(ends, [None, Some(30)]);
}

#[test]
fn faults_belong_to_the_criterion_in_whose_phase_they_were_first_spoken_of() {
    let mut world = World::new();
    world.phase("V.5", "main", 10 * S, 20 * S);
    for (id, at) in [("a", 9 * S), ("b", 10 * S), ("c", 20 * S), ("d", 21 * S)] {
        world.fault(id, "kimi", FaultKind::Kill, &proven(at, at + S));
    }
    let ground = survey(&world);
    let mine: Vec<_> = ground.faults_of("V.5").map(|life| &life.fault.id).collect();
    assert_eq!(mine, ["b", "c"]);
    assert_eq!(ground.faults_of("V.4").count(), 0);
}

#[test]
fn the_summary_spans_the_history_whatever_its_order() {
    let mut world = World::new();
    world.out.clear();
    world.phase("V.1", "main", 7, 30);
    world.phase("V.1", "main", 5, 12);
    let summary = survey(&world).summary;
    assert_eq!((summary.from, summary.until), (5, 30));
    assert_eq!((summary.observations, summary.identities), (4, 0));
    world.identify(40, "start", INSTANCE, 1);
    assert_eq!(survey(&world).summary.identities, 1);
}

#[test]
fn nobody_is_foreign_in_a_run_that_identified_nobody() {
    let mut world = World::new();
    world.out.clear();
    world.chat(&Ask::new("V.1", S));
    assert_eq!(survey(&world).summary.foreign, Vec::<String>::new());
    world.identify(2 * S, "end", "another instance", 1);
    assert_eq!(survey(&world).summary.foreign.len(), 1);
}

#[test]
fn the_store_is_the_one_the_whole_run_named() {
    let mut world = World::new();
    world.phase("V.4", "store.embedded", 1, 2);
    assert_eq!(survey(&world).store(), None);
    world.phase("run", "store.redis", 3, 4);
    assert_eq!(survey(&world).store(), Some("redis"));
}

fn rig_samples(world: &mut World, process: &str, seconds: &[u64]) {
    for second in seconds {
        world.push(second * S, idle(process));
    }
}

#[test]
fn the_sampler_may_be_silent_before_the_first_phase_and_after_the_last_alone() {
    let silent = |beats: &[u64]| {
        let mut world = World::new();
        world.phase("run", "store.redis", 0, 90 * S);
        world.phase("V.3", "main", 30 * S, 40 * S);
        world.phase("V.1", "main", 10 * S, 20 * S);
        rig_samples(&mut world, RIG, beats);
        rig_samples(&mut world, "server", &[15, 17, 25]);
        let gaps = survey(&world).summary.taints;
        assert!(gaps.iter().all(|taint| taint.what == SAMPLER_GAP));
        let seconds = |taint: &Taint| (taint.from / S, taint.until / S);
        gaps.iter().map(seconds).collect::<Vec<_>>()
    };
    assert_eq!(silent(&[10, 15, 20, 25, 30, 35, 40]), []);
    assert_eq!(silent(&[2, 9, 14, 19, 24, 29, 34, 39, 80]), [(39, 80)]);
    assert_eq!(silent(&[10, 15, 20, 26, 30, 35]), [(20, 26)]);
    assert_eq!(silent(&[15, 20, 25, 30, 34]), [(34, 40)]);
    assert_eq!(silent(&[16, 20, 25, 30, 35]), [(10, 16)]);
}

/// What voids the run, in words.
fn strangers(world: &World) -> Vec<String> {
    let finding = world.finding(&catalogue::criteria(), "full", "V.1");
    let is_void = finding.reasons == [Reason::ForeignIdentity];
    let foreign = survey(world).summary.foreign;
    assert_eq!(is_void, !foreign.is_empty());
    foreign
}

fn in_company(descendants: &[&str], peers: &[(&str, bool)]) -> Vec<String> {
    let mut world = World::new();
    let peers = peers.iter().map(|(address, is_of_run)| PeerSeen {
        address: (*address).to_owned(),
        is_of_run: *is_of_run,
    });
    let seen = CompanySeen {
        pid: 7,
        descendants: descendants.iter().map(|path| (*path).to_owned()).collect(),
        peers: peers.collect(),
    };
    world.push(S, Event::Company(seen));
    strangers(&world)
}

#[test]
fn a_server_that_reaches_nobody_but_the_run_and_starts_git_is_itself() {
    let own: &[(&str, bool)] = &[("127.0.0.1:4001", true), ("127.0.0.1:6379", true)];
    assert_eq!(in_company(&[], own), Vec::<String>::new());
    assert_eq!(in_company(&["/usr/bin/git"], &[]), Vec::<String>::new());
}

#[test]
fn a_stranger_among_a_servers_peers_or_children_voids_the_run() {
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, bool)], &'a str);
    let cases: [Case<'_>; 3] = [
        (
            &[],
            &[("127.0.0.1:4001", true), ("10.1.2.3:443", false)],
            "at 1000000000 ns process 7 reached 10.1.2.3:443, which is no edge",
        ),
        (
            &["/usr/bin/git", "/tmp/git/helper"],
            &[],
            "at 1000000000 ns process 7 started /tmp/git/helper",
        ),
        (
            &["/usr/bin/not-git"],
            &[],
            "at 1000000000 ns process 7 started /usr/bin/not-git",
        ),
    ];
    for (descendants, peers, says) in cases {
        assert_eq!(in_company(descendants, peers), [says]);
    }
}

fn as_ordered() -> ContainerSeen {
    let mount = |kind: &str, from: &str, to: &str| Mount {
        to: to.to_owned(),
        kind: kind.to_owned(),
        from: from.to_owned(),
        is_writable: true,
    };
    let form = Form {
        image: "sha256:1".to_owned(),
        command: vec!["/exai".to_owned(), "serve".to_owned()],
        environment_sha256: "2".to_owned(),
        cwd: "/work/in".to_owned(),
        mounts: vec![
            mount("bind", "/run/x", "/run/x"),
            mount("tmpfs", "", "/tmp"),
        ],
    };
    let added = |path: &str| PathChanged {
        path: path.to_owned(),
        how: Change::Added,
    };
    ContainerSeen {
        name: "exai-mcp-server".to_owned(),
        moment: "end".to_owned(),
        ordered: form.clone(),
        held: form,
        changes: ["/run", "/run/x", "/tmp", "/work/in"].map(added).into(),
        more_changes: 0,
    }
}

/// What voids the run of which this is the one look at a container.
fn contained(seen: ContainerSeen) -> Vec<String> {
    let mut world = World::new();
    world.push(S, Event::Container(seen));
    strangers(&world)
}

#[test]
fn a_container_that_is_what_was_ordered_is_itself() {
    assert_eq!(contained(as_ordered()), Vec::<String>::new());
}

#[test]
fn a_container_made_of_anything_else_than_was_ordered_voids_the_run() {
    type Case<'a> = (fn(&mut ContainerSeen), &'a str);
    let cases: [Case<'_>; 10] = [
        (
            |it| it.held.image = "sha256:9".into(),
            "was of image sha256:9, not sha256:1",
        ),
        (
            |it| it.held.command.push("--lax".into()),
            "ran `/exai serve --lax`, not `/exai serve`",
        ),
        (
            |it| it.held.cwd = "/".into(),
            "ran in \"/\", not in \"/work/in\"",
        ),
        (
            |it| it.held.environment_sha256 = "3".into(),
            "had another environment than it was given",
        ),
        (|it| it.more_changes = 7, "is not its image at 7 more paths"),
        (
            |it| it.ordered.mounts.truncate(1),
            "had tmpfs :/tmp (rw) mounted",
        ),
        (|it| it.held.mounts.truncate(1), "lacked tmpfs :/tmp (rw)"),
        (
            |it| it.changes[1].path = "/run/xy".into(),
            "is not its image: /run/xy was added",
        ),
        (
            |it| it.changes[1].path = "/run/x/y".into(),
            "is not its image: /run/x/y was added",
        ),
        (
            |it| it.changes[1].how = Change::Deleted,
            "is not its image: /run/x was deleted",
        ),
    ];
    for (spoil, wanted) in cases {
        let mut seen = as_ordered();
        spoil(&mut seen);
        let told = contained(seen);
        let wanted = format!("at end container exai-mcp-server {wanted}");
        assert!(told.contains(&wanted), "{wanted}: {told:?}");
    }
}

#[test]
fn each_container_that_was_ordered_is_looked_at_when_it_stands_and_at_the_end() {
    let is_met = |moments: &[&str]| {
        let mut world = World::new();
        world.phase("run", "containers.1", 0, 0);
        for moment in moments {
            let mut seen = as_ordered();
            seen.moment = (*moment).to_owned();
            world.push(S, Event::Container(seen));
        }
        let finding = world.finding(&catalogue::criteria(), "full", "V.1");
        let mut floors = finding.floors.iter();
        floors.find(|row| row.id == "containers").unwrap().is_met()
    };
    assert!(is_met(&["start", "end"]));
    assert!(!is_met(&["start", "start"]));
    assert!(!is_met(&["end"]));
    assert!(!is_met(&[]));
}
