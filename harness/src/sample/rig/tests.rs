use super::*;

const S: u64 = 1_000_000_000;

fn calm(at: u64) -> Look {
    Look {
        at,
        processes: vec![process("rig", 1, Ok(0)), process("server", 2, Ok(0))],
        company: Vec::new(),
        host: HostRead {
            drift: 0,
            ticks: Ok(Ticks {
                stolen: 0,
                total: at / 1_000_000,
            }),
            descriptors: Ok(Descriptors {
                open: 10,
                limit: 1_000,
            }),
            free: vec![(PathBuf::from("/reports"), Ok(1 << 40))],
        },
    }
}

fn process(name: &str, pid: u32, cpu_ms: Read<u64>) -> ProcessRead {
    let used = cpu_ms.map(|cpu_ms| {
        Some(Usage {
            cpu_ms,
            ..Usage::default()
        })
    });
    ProcessRead {
        name: name.to_owned(),
        pid,
        used,
    }
}

fn rig() -> Rig {
    let mut rig = Rig::new("server", 0);
    rig.cores = 2.0;
    rig
}

/// What was found, with its interval in seconds.
fn told(found: &[Trouble]) -> Vec<(String, u64, u64)> {
    let one = |trouble: &Trouble| match &trouble.event {
        Event::Rig { what, until, .. } => (what.clone(), trouble.from / S, until / S),
        other => panic!("{other:?}"),
    };
    found.iter().map(one).collect()
}

#[test]
fn trouble_of_the_rig_taints_the_interval_between_two_looks() {
    type Spoil = fn(&mut Look);
    let cases: [(Spoil, Option<&str>); 12] = [
        (|_| {}, None),
        (
            |look| look.processes[0] = process("rig", 1, Ok(1_700)),
            None,
        ),
        (
            |look| look.processes[0] = process("rig", 1, Ok(1_710)),
            Some("cpu"),
        ),
        (
            |look| look.processes[1] = process("server", 2, Ok(2_000)),
            None,
        ),
        (|look| look.host.ticks = stolen(100), None),
        (|look| look.host.ticks = stolen(101), Some("steal")),
        (|look| look.host.drift = -30_000_000_000, Some("clock_step")),
        (|look| look.host.descriptors = open(900), None),
        (
            |look| look.host.descriptors = open(901),
            Some("descriptors"),
        ),
        (|look| look.host.free[0].1 = Ok(DISK_FREE), None),
        (
            |look| look.host.free[0].1 = Ok(DISK_FREE - 1),
            Some("disk_full"),
        ),
        (|look| look.host.free[0].1 = Ok(0), Some("disk_full")),
    ];
    for (index, (spoil, wanted)) in cases.into_iter().enumerate() {
        let mut rig = rig();
        assert!(told(&rig.look(&calm(S))).is_empty());
        let mut look = calm(2 * S);
        spoil(&mut look);
        // What is short stays so until the next look; what happened is over.
        let until = |what: &str| match what {
            "descriptors" | "disk_full" | "clock_step" => 3,
            _ => 2,
        };
        let wanted: Vec<_> = wanted
            .map(|what| (what.to_owned(), 1, until(what)))
            .into_iter()
            .collect();
        assert_eq!(told(&rig.look(&look)), wanted, "case {index}");
    }
}

#[test]
fn a_stepped_clock_taints_until_it_is_stepped_back_and_a_drifting_one_does_not() {
    let mut rig = rig();
    let mut look = |second: u64, drift_ms: i64| {
        let mut look = calm(second * S);
        look.host.drift = drift_ms * 1_000_000;
        let found = told(&rig.look(&look)).into_iter();
        found.map(|(_, from, until)| (from, until)).next()
    };
    assert_eq!((look(1, 0), look(2, 150), look(3, 300)), (None, None, None));
    assert_eq!(look(4, 30_300), Some((3, 5)));
    assert_eq!(look(5, 30_310), Some((4, 6)), "still off");
    assert_eq!(look(6, -29_690), Some((5, 7)), "off the other way");
    assert_eq!(look(7, 300), Some((6, 7)), "back");
    assert_eq!(look(8, 300), None);
    // The correction of a machine that asks others for the time is over at once.
    assert_eq!(look(9, 5_300), Some((8, 9)));
    assert_eq!(look(10, 5_300), None);
    assert_eq!(
        look(11, 5_501),
        Some((10, 12)),
        "beyond five seconds in all"
    );
}

fn stolen(stolen: u64) -> Read<Ticks> {
    Ok(Ticks {
        stolen,
        total: 2_000,
    })
}

fn open(open: u64) -> Read<Descriptors> {
    Ok(Descriptors { open, limit: 1_000 })
}

#[test]
fn the_cpu_of_a_process_is_its_own_since_it_was_last_read() {
    let mut rig = rig();
    let with = |at: u64, cpu: Vec<ProcessRead>| Look {
        processes: cpu,
        ..calm(at)
    };
    rig.look(&with(S, vec![process("kimi", 5, Ok(60_000))]));
    // Another process of that name used its time before it was first read.
    let restarted = with(2 * S, vec![process("kimi", 6, Ok(60_000))]);
    assert!(told(&rig.look(&restarted)).is_empty());
    // An unread second is spread over the seconds it was unread, not counted as idle.
    let unread = with(3 * S, vec![process("kimi", 6, Err("denied".to_owned()))]);
    assert!(told(&rig.look(&unread)).is_empty());
    let read = with(4 * S, vec![process("kimi", 6, Ok(63_000))]);
    assert!(told(&rig.look(&read)).is_empty(), "1.5 of 2 cores");
    let busy = with(5 * S, vec![process("kimi", 6, Ok(65_000))]);
    assert_eq!(told(&rig.look(&busy)), [("cpu".to_owned(), 4, 5)]);
}

#[test]
fn a_reading_that_stays_away_taints_and_one_that_comes_back_soon_does_not() {
    type Spoil = fn(&mut Look);
    let sources: [Spoil; 4] = [
        |look| look.processes[1] = process("server", 2, Err("denied".to_owned())),
        |look| look.host.ticks = Err("no such file".to_owned()),
        |look| look.host.descriptors = Err("too many".to_owned()),
        |look| look.host.free[0].1 = Err("stale handle".to_owned()),
    ];
    for (index, spoil) in sources.into_iter().enumerate() {
        for (back, wanted) in [(6, vec![]), (7, vec![("sampler_gap".to_owned(), 1, 7)])] {
            let mut rig = rig();
            rig.look(&calm(S));
            for second in 2..back {
                let mut look = calm(second * S);
                spoil(&mut look);
                assert!(told(&rig.look(&look)).is_empty());
            }
            assert_eq!(told(&rig.look(&calm(back * S))), wanted, "source {index}");
        }
    }
}

#[test]
fn a_look_that_never_ended_is_a_gap_when_the_sampler_stops() {
    let mut rig = rig();
    rig.look(&calm(S));
    rig.missed(["rig", "server"].into_iter(), "the last look did not end");
    let found = rig.close(9 * S);
    let gap = ("sampler_gap".to_owned(), 1, 9);
    assert_eq!(told(&found), [gap.clone(), gap]);
}

#[test]
fn this_machine_can_be_read() {
    let host = HostRead::now(0, &[std::env::temp_dir()]);
    let ticks = host.ticks.unwrap();
    assert!(ticks.total > 0 && ticks.stolen < ticks.total, "{ticks:?}");
    let descriptors = host.descriptors.unwrap();
    assert!(descriptors.open >= 3 && descriptors.open <= descriptors.limit);
    assert!(*host.free[0].1.as_ref().unwrap() > 0);
    let nowhere = HostRead::now(0, &[PathBuf::from("/no/such/folder")]);
    assert!(nowhere.free[0].1.is_err(), "an unknown value is no number");
}

/// What Redis shows when the child that rewrote its log ends between two looks: 3.5 s of a child's
/// time are out of the sum for one look, and back at the next.
#[test]
fn time_that_was_out_of_the_sum_for_one_look_was_not_used_in_the_next() {
    let mut rig = rig();
    let mut seen = Vec::new();
    for (second, cpu_ms) in [(1, 25_390), (2, 21_900), (3, 26_310), (4, 26_420)] {
        let mut look = calm(second * S);
        look.processes[0] = process("rig", 1, Ok(cpu_ms));
        seen.extend(told(&rig.look(&look)));
    }
    assert!(seen.is_empty(), "{seen:?}");
    // What stays lower is what there is: from there on it counts as before.
    for (second, cpu_ms) in [(5, 1_000), (6, 1_100), (7, 2_900)] {
        let mut look = calm(second * S);
        look.processes[0] = process("rig", 1, Ok(cpu_ms));
        seen.extend(told(&rig.look(&look)));
    }
    assert_eq!(seen, [("cpu".to_owned(), 6, 7)]);
}

#[test]
fn a_company_that_cannot_be_looked_into_is_trouble_when_it_lasts() {
    let mut rig = rig();
    let with = |at: u64, read: Read<Option<CompanySeen>>| Look {
        company: vec![read],
        ..calm(at)
    };
    let denied = || Err("denied".to_owned());
    assert!(told(&rig.look(&with(S, Ok(None)))).is_empty());
    assert!(told(&rig.look(&with(2 * S, denied()))).is_empty());
    assert!(told(&rig.look(&with(3 * S, Ok(None)))).is_empty(), "short");
    assert!(told(&rig.look(&with(4 * S, denied()))).is_empty());
    let found = rig.look(&with(20 * S, Ok(None)));
    assert_eq!(found.len(), 1);
}
