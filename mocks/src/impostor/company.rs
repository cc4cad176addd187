//! Saboteurs S44 and S45: the server that is to be judged, and company that it did not seek: a
//! child (I6 of `specs/judging.md`, section 6), or a connection to somebody outside the run (I7).
//! The impostor becomes the server, so that process, executable and environment are as they must
//! be.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::Signal;

/// Which part of the company this process plays: the first word of its command line.
const HELPS: &str = "helps";
const INTRODUCES: &str = "introduces";
const ANSWERS: &str = "answers";

/// Gets the company and becomes the program of `command`; plays a part of it when that is what the
/// command says.
///
/// # Errors
/// When there is no program, or the company does not come.
pub fn keep(spoil: &str, command: &[OsString]) -> Result<Infallible, String> {
    let (program, words) = command
        .split_first()
        .ok_or("could not become a program: none was given after --")?;
    let part = program.to_str().unwrap_or_default();
    let played = match part {
        HELPS => help(),
        INTRODUCES => start(spoil, ANSWERS, Stdio::inherit()).map(drop),
        ANSWERS => answer(),
        _ => {
            let _kept = join(spoil)?;
            let failed = Command::new(program).args(words).exec();
            return Err(format!("could not become {}: {failed}", program.display()));
        }
    };
    played.map_err(|error| format!("could not be the one who {part}: {error}"))?;
    std::process::exit(0);
}

/// The company of this spoiler. What is returned must be open when the program begins.
fn join(spoil: &str) -> Result<Option<TcpStream>, String> {
    let failed = |error: std::io::Error| format!("could not get company: {error}");
    match spoil {
        "helper" => assist(spoil).map(|()| None),
        "stranger" => reach(spoil).map(Some),
        _ => Ok(None),
    }
    .map_err(failed)
}

fn start(spoil: &str, part: &str, out: Stdio) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--edge", "process", "--spoil", spoil, "--", part])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
}

/// What a part of the company tells once it plays.
fn told<const N: usize>(child: &mut Child) -> std::io::Result<[u8; N]> {
    let mut told = [0; N];
    let mut out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    out.read_exact(&mut told)?;
    Ok(told)
}

fn tell(word: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(word)?;
    out.flush()
}

/// Has a child begin, and waits until it would end with us.
fn assist(spoil: &str) -> std::io::Result<()> {
    told::<1>(&mut start(spoil, HELPS, Stdio::piped())?).map(drop)
}

/// Stays for as long as the server does, and does nothing.
fn help() -> std::io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    tell(&[0])?;
    loop {
        std::thread::park();
    }
}

/// Has somebody begin who is no child of ours, and connects to them; the connection is the
/// program's.
fn reach(spoil: &str) -> std::io::Result<TcpStream> {
    let mut between = start(spoil, INTRODUCES, Stdio::piped())?;
    let port = u16::from_be_bytes(told(&mut between)?);
    between.wait()?;
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    fcntl(&stream, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(stream)
}

/// Takes one connection and says nothing, until it is closed.
fn answer() -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    tell(&port.to_be_bytes())?;
    let (mut stream, _from) = listener.accept()?;
    let mut word = [0];
    while stream.read(&mut word)? > 0 {}
    Ok(())
}
