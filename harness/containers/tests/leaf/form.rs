//! What a container is made of, and what it left in its root file system.

use exai_harness::engine::form::ordered;
use exai_harness::engine::wire::{Answer, Order};
use exai_judge::observation::ContainerSeen;

use super::{Leaf, eventually, is_absent, plan, said};

#[test]
fn a_file_that_a_container_writes_beside_its_folders_is_told_and_one_within_is_not() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    let mut writer = plan(leaf.redis().image);
    writer.user = "0:0".to_owned();
    writer.bounds.read_only = false;
    for (host, folder, is_told) in [(12, "/tmp", false), (13, "/data", true)] {
        writer.name = format!("writer-{host}");
        writer.host = host;
        writer
            .command
            .extend(["--dir".to_owned(), folder.to_owned()]);
        let plan = Box::new(writer.clone());
        let place = leaf.life(Order::Up { plan }).address.expect("an address");
        let saved = || said((place, 6379).into(), "SAVE").as_deref() == Some("+OK");
        eventually("a save", saved);
        let name = writer.name.clone();
        let Answer::Form {
            held,
            changes,
            more_changes,
        } = leaf.ask(Order::Form { name })
        else {
            panic!("no form");
        };
        let mut seen = ContainerSeen {
            name: writer.name.clone(),
            moment: "end".to_owned(),
            ordered: ordered(&writer),
            held,
            changes,
            more_changes,
        };
        let told = seen.differences();
        assert_eq!(!told.is_empty(), is_told, "{told:?}");
        let is_file = |one: &String| one.contains("/data/dump.rdb was added");
        assert_eq!(told.iter().any(is_file), is_told, "{told:?}");
        seen.ordered.command.pop();
        assert_eq!(seen.differences().len(), told.len() + 1, "the command");
    }
}
