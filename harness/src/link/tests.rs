use super::*;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn link() -> Link {
    Link::start("test", echo().await).await.unwrap()
}

async fn say(stream: &mut TcpStream, words: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(words).await?;
    let mut heard = vec![0; words.len()];
    stream.read_exact(&mut heard).await?;
    Ok(heard)
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("within ten seconds")
}

#[tokio::test]
async fn bytes_pass_unchanged_and_are_counted_in_both_directions() {
    let link = link().await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let words: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut from, mut to) = stream.split();
    let mut heard = vec![0; words.len()];
    let both = within(async { tokio::join!(to.write_all(&words), from.read_exact(&mut heard)) });
    both.await.0.unwrap();
    assert_eq!(heard, words);
    let counters = link.counters();
    assert_eq!((counters.to_target, counters.to_client), (200_000, 200_000));
    assert_eq!((counters.accepted, counters.open, counters.cut), (1, 1, 0));
}

#[tokio::test]
async fn latency_is_added_to_each_direction_and_measured() {
    let link = link().await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    within(say(&mut stream, b"warm")).await.unwrap();
    link.set_latency(Duration::from_millis(30));
    let began = Instant::now();
    assert_eq!(within(say(&mut stream, b"slow")).await.unwrap(), b"slow");
    assert!(
        began.elapsed() >= Duration::from_millis(60),
        "{:?}",
        began.elapsed()
    );
    let delays = link.delays();
    assert!(
        delays.chunks >= 2 && delays.shortest >= Duration::from_millis(30),
        "{delays:?}"
    );
    within(link.heal()).await.unwrap();
    assert_eq!(link.behaviour(), Behaviour::default());
}

#[tokio::test]
async fn a_refused_edge_cuts_flows_and_answers_new_connections_with_a_reset() {
    let link = link().await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    within(say(&mut stream, b"one")).await.unwrap();
    assert_eq!(within(link.refuse()).await, 1);
    let refused = within(TcpStream::connect(link.address()))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let cut = within(say(&mut stream, b"two")).await.unwrap_err();
    assert_ne!(
        cut.kind(),
        io::ErrorKind::UnexpectedEof,
        "a cut flow is reset, not ended"
    );
    within(link.heal()).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    assert_eq!(within(say(&mut stream, b"three")).await.unwrap(), b"three");
}

#[tokio::test]
async fn a_reset_cuts_what_flows_once_and_lets_new_flows_pass() {
    let link = link().await;
    let mut first = TcpStream::connect(link.address()).await.unwrap();
    let mut second = TcpStream::connect(link.address()).await.unwrap();
    within(say(&mut first, b"one")).await.unwrap();
    within(say(&mut second, b"two")).await.unwrap();
    assert_eq!(link.reset(), 2);
    within(say(&mut first, b"gone")).await.unwrap_err();
    within(say(&mut second, b"gone")).await.unwrap_err();
    let mut third = TcpStream::connect(link.address()).await.unwrap();
    within(say(&mut third, b"here")).await.unwrap();
    assert_eq!(link.counters().cut, 2);
}

#[tokio::test]
async fn a_flow_is_cut_after_exactly_so_many_reply_bytes() {
    let link = link().await;
    link.set_cut_after(Some(5));
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    stream.write_all(b"0123456789").await.unwrap();
    let mut heard = Vec::new();
    let ended = within(stream.read_to_end(&mut heard)).await;
    assert_eq!(heard, b"01234");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_black_hole_swallows_and_keeps_the_connection() {
    let link = link().await;
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    within(say(&mut stream, b"one")).await.unwrap();
    link.set_black_hole(true);
    stream.write_all(b"lost").await.unwrap();
    within(async {
        while link.counters().swallowed < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    link.set_black_hole(false);
    assert_eq!(within(say(&mut stream, b"kept")).await.unwrap(), b"kept");
}

#[tokio::test]
async fn a_dead_target_looks_reset_to_the_client() {
    let link = Link::start("test", port::nobody()).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let mut byte = [0];
    within(stream.read_exact(&mut byte)).await.unwrap_err();
    assert_eq!(link.counters().unreachable, 1);
}

#[tokio::test]
async fn a_client_keeps_its_loopback_address_behind_the_link() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::start("client-server", listener.local_addr().unwrap());
    let link = link.await.unwrap();
    for source in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 1, 2, 3)] {
        let client = tokio::net::TcpSocket::new_v4().unwrap();
        client.bind(SocketAddr::from((source, 0))).unwrap();
        let (client, accepted) = tokio::join!(client.connect(link.address()), listener.accept());
        client.unwrap();
        assert_eq!(accepted.unwrap().1.ip(), IpAddr::from(source));
    }
}

/// A server that refuses a request before it has read it all answers, closes and thereby resets.
#[tokio::test]
async fn an_answer_given_before_the_whole_request_was_taken_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 16];
            stream.read_exact(&mut first).await.unwrap();
            stream.write_all(b"refused").await.unwrap();
        }
    });
    let link = Link::start("test", target).await.unwrap();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let long = vec![7; 4 << 20];
        let mut heard = [0; 7];
        let (_may_break, read) =
            within(async { tokio::join!(to.write_all(&long), from.read_exact(&mut heard)) }).await;
        read.unwrap();
        assert_eq!(&heard, b"refused");
    }
}

/// Says which one it is to whoever connects.
async fn named(name: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&[name]).await.unwrap();
        }
    });
    address
}

async fn heard(link: &Link) -> u8 {
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    within(stream.read_u8()).await.unwrap()
}

#[tokio::test]
async fn several_targets_take_turns_and_one_that_is_away_is_passed_over() {
    let link = Link::start("test", named(1).await).await.unwrap();
    link.add_target(named(2).await);
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(heard(&link).await);
    }
    assert_eq!(turns, [1, 2, 1, 2]);
    link.add_target(port::nobody());
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(heard(&link).await);
    }
    let of = |name| turns.iter().filter(|one| **one == name).count();
    assert_eq!(
        (of(1) + of(2), of(1).abs_diff(of(2)) <= 2),
        (6, true),
        "{turns:?}"
    );
    assert_eq!(link.counters().unreachable, 0);
}

#[tokio::test]
async fn a_healed_link_is_quick_again_unless_it_was_told_to_stay_slow() {
    let link = link().await;
    let each_way = Duration::from_millis(30);
    link.set_latency(each_way);
    link.heal().await.unwrap();
    assert_eq!(link.behaviour(), Behaviour::default());
    link.stay_slow();
    link.set_latency(each_way);
    link.set_black_hole(true);
    link.heal().await.unwrap();
    let left = link.behaviour();
    assert_eq!((left.latency, left.black_hole), (each_way, false));
}

/// A listener that answers every question with an error.
async fn broken() -> TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let socket = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
    let socket = std::net::TcpStream::from(socket);
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    assert!(listener.accept().await.is_err());
    listener
}

// The paused clock goes on by itself only while every task waits.
#[tokio::test(start_paused = true)]
async fn a_link_whose_listener_fails_pauses_before_it_asks_again_and_is_healed() {
    let listener = broken().await;
    let address = listener.local_addr().unwrap();
    let link = Link::over("test", (address, listener), address);
    let (over, spins) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_secs(5));
        drop(over);
    });
    let spun = tokio::time::timeout(PAUSE * 20, spins).await;
    assert!(spun.is_err(), "it asks without a pause");
    let _cut = link.refuse().await;
    link.heal().await.unwrap();
    link.retarget(echo().await);
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"again").await.unwrap(), b"again");
}
