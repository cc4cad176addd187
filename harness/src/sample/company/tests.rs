use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::*;

/// Killed when the test ends, however it ends.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn ourselves() -> u32 {
    std::process::id()
}

/// How the connections of this very process to `address` are told; other tests have some as well.
fn told(company: &mut Company, ours: &[u32], address: SocketAddr) -> Vec<bool> {
    let peers = company.peers(ourselves(), ours).unwrap();
    let of = peers.iter();
    let of = of.filter(|peer| peer.address == address.to_string());
    of.map(|peer| peer.is_of_run).collect()
}

#[test]
fn a_peer_is_of_the_run_when_the_other_end_or_its_listener_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(told(&mut Company::default(), &[ourselves()], address).is_empty());
    let _waiting = TcpStream::connect(address).unwrap();
    let (mut honest, mut alone) = (Company::default(), Company::default());
    // Nobody has taken the connection yet, but its listener is known.
    assert_eq!(told(&mut honest, &[ourselves()], address), [true]);
    assert_eq!(told(&mut alone, &[], address), [false]);
    let (taken, _) = listener.accept().unwrap();
    drop(listener);
    // The listener is gone, and the other end is still held.
    assert_eq!(told(&mut alone, &[], address), [false]);
    let mut late = Company::default();
    assert_eq!(told(&mut late, &[ourselves()], address), [true]);
    // Once an address was the run's it stays so.
    drop(taken);
    assert!(!told(&mut honest, &[], address).contains(&false));
}

#[test]
fn who_comes_to_a_listener_of_the_process_is_no_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_taken, from) = listener.accept().unwrap();
    assert_eq!(from, caller.local_addr().unwrap());
    assert!(told(&mut Company::default(), &[], from).is_empty());
}

#[test]
fn an_address_in_the_clothes_of_the_other_family_is_the_same() {
    let dressed = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 80));
    assert_eq!(plain(dressed), SocketAddr::from(([127, 0, 0, 1], 80)));
}

/// The company of a shell that has started a program and waits for it.
fn of_a_shell(script: &str) -> (Started, CompanySeen) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(Stdio::piped());
    let shell = Started(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut company = Company::default();
    let begun = std::time::Instant::now();
    loop {
        let seen = company.look(shell.0.id(), &[]).unwrap();
        if let Some(seen) = seen.filter(|seen| !seen.descendants.is_empty()) {
            assert_eq!(company.look(shell.0.id(), &[]), Ok(None), "no news");
            return (shell, seen);
        }
        assert!(begun.elapsed().as_secs() < 10, "the shell started nothing");
        std::thread::yield_now();
    }
}

#[test]
fn what_the_process_started_is_told_by_its_executable_and_once() {
    let (shell, seen) = of_a_shell("cat <&0 & cat");
    assert_eq!(seen.pid, shell.0.id());
    let [started] = &seen.descendants[..] else {
        panic!("{seen:?}");
    };
    assert!(started.ends_with("cat"), "{started}");
    assert_eq!(seen.peers, []);
}

#[test]
fn a_process_that_has_ended_keeps_no_company() {
    let mut ended = Command::new("/bin/true").spawn().unwrap();
    let pid = ended.id();
    ended.wait().unwrap();
    assert_eq!(Company::default().look(pid, &[]), Ok(None));
}

#[test]
fn only_the_judged_component_is_looked_at() {
    let root = |name: &str| Root {
        name: name.to_owned(),
        pid: ourselves(),
        parts: Vec::new(),
        scope: super::super::tree::Scope::Alone,
    };
    let roots = [root("server"), root("kimi")];
    assert_eq!(Company::of(None).look_all(&roots).len(), 0);
    let mut company = Company::of(Some("server".to_owned()));
    assert_eq!(company.look_all(&roots).len(), 1);
}
