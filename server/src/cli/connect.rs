//! `exai connect`: prints a client's configuration, writes it, or prints its deep link.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use url::Url;

use super::{Failed, say};
use crate::config::{Config, Sources};
use crate::connect::file::Change;
use crate::connect::{Client, Daemon, Scope, TOKEN, Token, Wish, clients};

/// Variables that name the file of a token: that of [`TOKEN`], and the bridge's own.
const TOKEN_FILES: [&str; 2] = ["EXAI_TOKEN_FILE", "EXAI_BRIDGE__TOKEN_FILE"];

/// Which client, and what about it.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// Such as claude-code; leave out for the list
    client: Option<String>,
    /// Write the entry into the client's file; what was there is kept beside it
    #[arg(long, conflicts_with = "link")]
    write: bool,
    /// Print the client's deep link instead
    #[arg(long)]
    link: bool,
    /// Reach a running server, such as <http://127.0.0.1:8079/mcp>, instead of starting one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file of that server's token, which `exai bridge` reads for the client
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// Whose file
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// The tools of a started server
    #[arg(long, value_enum, default_value_t = Profile::Lean)]
    profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Lean,
    Standard,
    Full,
}

pub(super) fn run(request: &Request) -> Result<(), Failed> {
    let all = clients();
    let Some(name) = &request.client else {
        for client in &all {
            let file = client.file(request.scope).unwrap_or("no such file");
            say(&format!("{:15} {:15} {file}", client.id, client.title));
        }
        return Ok(());
    };
    let Some(client) = all.iter().find(|client| client.id == *name) else {
        let ids: Vec<&str> = all.iter().map(|client| client.id.as_str()).collect();
        let text = format!(
            "there is no client \"{name}\"; take one of {}",
            ids.join(", ")
        );
        return Err(Failed::Usage(text));
    };
    let wish = wish(request)?;
    if request.link {
        let why = format!("{} has no deep link; leave out --link", client.title);
        say(&client.link(&wish).ok_or(Failed::Usage(why))?);
        return Ok(());
    }
    let path = path(client, request.scope)?;
    if request.write {
        return write(client, &wish, &path);
    }
    let change = Change::of(client, &wish, String::new());
    note(&format!("# {}", path.display()));
    explain(client, &wish);
    say(change
        .map_err(|error| Failed::Usage(error.to_string()))?
        .after
        .trim_end());
    Ok(())
}

fn write(client: &Client, wish: &Wish, path: &Path) -> Result<(), Failed> {
    let shown = path.display();
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failed::Usage(format!("could not read {shown}: {error}"))),
    };
    let change = Change::of(client, wish, before);
    let change =
        change.map_err(|error| Failed::Usage(format!("could not add to {shown}: {error}")))?;
    if change.before == change.after {
        say(&format!("{shown} has this entry already"));
        return Ok(());
    }
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let kept = change.write(path, &stamp);
    let kept = kept.map_err(|error| Failed::Usage(format!("could not write {shown}: {error}")))?;
    for line in change.lines() {
        say(&line);
    }
    let kept = kept.map_or(String::new(), |kept| {
        format!("; what was there: {}", kept.display())
    });
    say(&format!("written: {shown}{kept}"));
    explain(client, wish);
    Ok(())
}

/// What belongs to no file, on standard error.
fn explain(client: &Client, wish: &Wish) {
    if let Some(command) = client.command(wish) {
        note(&format!("# or, without a time-out: {command}"));
    }
    let names = match &wish.daemon {
        None => wish.variables.join(" or "),
        Some(daemon) => match &daemon.token {
            Token::None => return,
            Token::Variable => TOKEN.to_owned(),
            Token::File(path) => {
                note(&format!(
                    "# exai bridge reads the token from {path}; no value stands in the file"
                ));
                return;
            }
        },
    };
    let from = if client.uses_login_shell() {
        "your login shell's profile sets"
    } else if client.inputs.is_some() {
        "the client asks for"
    } else {
        "the client's environment has"
    };
    note(&format!("# {from} {names}; no value stands in the file"));
}

fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn path(client: &Client, scope: Scope) -> Result<PathBuf, Failed> {
    let why = || {
        format!(
            "{} keeps no file in a project; leave out --scope",
            client.title
        )
    };
    let file = client.file(scope).ok_or_else(|| Failed::Usage(why()))?;
    let Some(below) = file.strip_prefix("~/") else {
        let here = std::env::current_dir();
        let here = here.map_err(|error| Failed::Usage(format!("no working directory: {error}")))?;
        return Ok(here.join(file));
    };
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or_else(|| Failed::Usage("HOME is not set; set it".to_owned()))?;
    Ok(PathBuf::from(home).join(below))
}

fn wish(request: &Request) -> Result<Wish, Failed> {
    let program = std::env::current_exe().map_err(|error| Failed::Usage(error.to_string()))?;
    let of_url = |text| daemon(text, request.token_file.as_deref());
    let daemon = request.url.as_deref().map(of_url).transpose()?;
    let profile = request.profile.to_possible_value();
    Ok(Wish {
        program: program.display().to_string(),
        profile: profile.map_or(String::new(), |value| value.get_name().to_owned()),
        variables: variables()?,
        daemon,
    })
}

/// The key variables that are set here, one a provider; where none is, the first of each.
fn variables() -> Result<Vec<String>, Failed> {
    let config = Config::load(&Sources::default())?;
    let rows = || config.providers.values().filter(|row| row.enabled);
    let is_set = |name: &&String| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<String> = rows()
        .filter_map(|row| row.api_key_env.iter().find(is_set).cloned())
        .collect();
    if set.is_empty() {
        return Ok(rows()
            .filter_map(|row| row.api_key_env.first().cloned())
            .collect());
    }
    Ok(set)
}

fn daemon(text: &str, token_file: Option<&Path>) -> Result<Daemon, Failed> {
    let wrong = |why: &str| Failed::Usage(format!("--url {text}: {why}"));
    let mut url = Url::parse(text).map_err(|_| wrong("write http://127.0.0.1:8079/mcp"))?;
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(wrong("write http://127.0.0.1:8079/mcp")),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(wrong("a token would travel in the clear; write https://")),
        _ => return Err(wrong("write http:// or https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "a secret does not belong into an address; set EXAI_TOKEN",
        ));
    }
    if url.path() == "/" {
        url.set_path("/mcp");
    }
    let token = match token_file {
        Some(path) => Token::File(readable(path)?),
        None => found(is_loopback)?,
    };
    Ok(Daemon { url, token })
}

/// Where the token of a daemon is by the variables that are set here. One that is not on this
/// machine always asks for a token.
fn found(is_loopback: bool) -> Result<Token, Failed> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if set(TOKEN).is_some() {
        return Ok(Token::Variable);
    }
    match TOKEN_FILES.iter().find_map(|name| set(name)) {
        Some(path) => readable(Path::new(&path)).map(Token::File),
        None if is_loopback => Ok(Token::None),
        None => Ok(Token::Variable),
    }
}

/// The absolute path of a file that can be read; the client starts elsewhere.
fn readable(path: &Path) -> Result<String, Failed> {
    let refused = |error| Failed::Usage(format!("could not read {}: {error}", path.display()));
    let absolute = std::path::absolute(path).map_err(refused)?;
    std::fs::File::open(&absolute).map_err(refused)?;
    Ok(absolute.display().to_string())
}
